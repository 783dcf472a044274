# Copyright 2026 The GAIR for Hugging Face contributors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.
import numpy as np
import pytest

pytest.importorskip("scipy", reason="the extra train is not installed")
from modeling_gair import GairConfig, GairModel, GairProcessor
from training.hub.options import SPACE
from training.measuring import climate, world_figure
from training.world.earth.earth import load_earth
from training.world.earth.koppen import CLIMATE_ZONES, zone_of
from training.world.settings import WorldSettings


@pytest.fixture
def processor():
    return GairProcessor.for_config(GairConfig.tiny())


def test_an_encoder_of_the_climate_itself_tells_climates_apart(processor, monkeypatch):
    """Embeddings that are the main group score 1, others score by chance."""

    def of_zone(model, processor, lon, lat):
        row, column = (90 - lat).astype(int), (lon + 180).astype(int)
        return np.eye(len(CLIMATE_ZONES))[zone_of(load_earth().koppen[row, column])]

    monkeypatch.setattr(climate, "embed_places", of_zone)
    found = climate.climate_auc(None, processor, WorldSettings(), places=3000)
    assert {"all", "arid", "temperate"} <= set(found) and min(found.values()) > 0.97

    def drawn(model, processor, lon, lat):
        embedded = np.random.default_rng(0).normal(size=(len(lon), 64))
        return embedded / np.linalg.norm(embedded, axis=1, keepdims=True)

    monkeypatch.setattr(climate, "embed_places", drawn)
    assert climate.climate_auc(None, processor, WorldSettings(), places=3000)["all"] == pytest.approx(0.5, abs=0.05)


def test_the_world_map_is_drawn(tiny_model, processor, tmp_path):
    world_figure.draw_world_map(tiny_model, processor, tmp_path / "map.png", "A title")
    assert (tmp_path / "map.png").stat().st_size > 10_000


def test_places_are_embedded_in_order_and_normalised(tiny_model, processor):
    lon, lat = np.linspace(-170, 170, 5000), np.linspace(-80, 80, 5000)
    together = world_figure.embed_places(tiny_model, processor, lon, lat)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    one = world_figure.embed_places(tiny_model, processor, lon[4321:4322], lat[4321:4322])
    np.testing.assert_allclose(together[4321], one[0], atol=1e-5)


def test_the_model_of_the_space_groups_places_by_their_climate():
    """On land in held-out blocks, places of the same climate are more similar than others, wherever they lie."""
    folder = str(SPACE / "model")
    model, processor = GairModel.from_pretrained(folder).eval(), GairProcessor.from_pretrained(folder)
    found = climate.climate_auc(model, processor, WorldSettings())
    assert found["all"] >= 0.8, found
