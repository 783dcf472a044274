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
"""Embeddings as torchgeo reads them: by its data sets of embedding products, and a map by its raster data set."""

import math

import numpy as np
import pytest

from tests.helpers.embedding import BANDS, MODEL, run_embed, vectors_of, write_places, write_tiles
from tests.helpers.rasters import made_scene, rasterio, write_tif
from training.embedding.command import embed
from training.embedding.options import EmbedOptions

datasets = pytest.importorskip(
    "torchgeo.datasets",
    reason="torchgeo is not installed; it needs Python 3.12 or newer, see CONTRIBUTING.md",
)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_places(tmp_path, dtype):
    _, table = run_embed(write_places(tmp_path / "p.csv", 30), tmp_path / "out", items_per_task=20, dtype=dtype)
    data = datasets.EarthIndexEmbeddings(tmp_path / "out" / "embeddings")
    assert len(data) == 30
    for row, vector, lon in zip((data[number] for number in range(30)), vectors_of(table), table["lon"].to_pylist()):
        np.testing.assert_array_equal(row["embedding"].float().numpy(), vector)
        assert row["x"].item() == pytest.approx(lon, abs=1e-5)


def test_tiles_with_their_time(tmp_path):
    _, table = run_embed(write_tiles(tmp_path / "tiles", 3), tmp_path / "out", datetime="2026-06-01T10:20:30Z")
    data = datasets.ClayEmbeddings(tmp_path / "out" / "embeddings")
    times = table["datetime"].to_pylist()
    for number, (vector, time) in enumerate(zip(vectors_of(table), times)):
        row = data[number]
        np.testing.assert_array_equal(row["embedding"].numpy(), vector)
        assert row["t"].item() == pytest.approx(time.timestamp(), rel=1e-6)
        assert (
            math.hypot(row["x"].item() - table["lon"][number].as_py(), row["y"].item() - table["lat"][number].as_py())
            < 0.01
        )


def test_a_map(tmp_path):
    path = write_tif(
        tmp_path / "scene.tif",
        made_scene(120, 120),
        names=BANDS,
    )
    options = EmbedOptions(
        model=MODEL, input=str(path), output=tmp_path / "out", what="pixels", window_m=600.0, map_format="cog"
    )
    assert embed(options) == (0, True)
    data = datasets.RasterDataset(tmp_path / "out" / "map")
    sample = data[data.bounds]
    with rasterio.open(tmp_path / "out" / "map" / "000000_000000.tif") as file:
        np.testing.assert_array_equal(sample["image"].numpy(), file.read())
