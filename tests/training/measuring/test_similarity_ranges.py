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
"""Percentiles of cosine similarities for each pair of modalities."""

import copy
import shutil

import numpy as np
import pytest
import torch

pytest.importorskip("datasets", reason="the extra train is not installed")
from huggingface_hub import constants

from tests.helpers.pairs import PROCESSOR, read_rows, write_csv, write_pairs
from training.measuring import embeddings
from training.measuring.embeddings import EmbeddedPairs
from training.measuring.similarity_ranges import PERCENTILES, measure_ranges, ranges_of


@pytest.mark.parametrize("mode", ["nili", "bilinear"])
def test_ranges_are_percentiles_over_one_photo_per_tile(mode):
    """Photos 1 and 2 share a tile, so photo 2 counts neither as a match nor as an unrelated pair."""
    sv = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    location = torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.0, 1.0]])
    others = dict.fromkeys(("nili", "bilinear"), location)
    embeddings = {"sv": sv, **others, mode: sv, "tile_mean": sv, "location": location}
    ranges = ranges_of(EmbeddedPairs(embeddings, torch.tensor([0, 0, 1]), {}, mode))
    assert set(ranges) == {"sv_localized", "sv_rs", "sv_location", "localized_rs", "localized_location", "rs_location"}
    np.testing.assert_allclose(ranges["sv_location"]["matched"], np.percentile([0.6, 1.0], PERCENTILES), atol=1e-4)
    np.testing.assert_allclose(ranges["sv_location"]["others"], np.percentile([0.0, 0.8], PERCENTILES), atol=1e-4)
    assert ranges["sv_localized"]["others"] == [0.0] * 7 and ranges["sv_localized"]["matched"] == [1.0] * 7


def test_ranges_need_two_tiles():
    one = {name: torch.eye(2) for name in ("sv", "nili", "tile_mean", "location")}
    with pytest.raises(ValueError, match="come from 1 tile, expected two tiles or more"):
        ranges_of(EmbeddedPairs(one, torch.tensor([0, 0]), {}, "nili"))


@pytest.fixture
def embedded(monkeypatch, tmp_path):
    """Numbers of tiles in each batch that a model embedded; the cache is empty at first."""
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "cache"))
    seen, embed = [], embeddings.embed
    monkeypatch.setattr(
        embeddings,
        "embed",
        lambda model, inputs: seen.append(len(inputs["sv_pixel_values"])) or embed(model, inputs),
    )
    return seen


def test_ranges_are_measured_once_on_one_photo_per_tile(tiny_model, tmp_path, embedded):
    path = write_pairs(tmp_path, 40, tiles=20)
    first = measure_ranges(tiny_model, PROCESSOR, str(path), "pairs")
    assert embedded == [2] and first["measured_on"].startswith(
        "one photo of each of 2 held-out tiles of pairs (in blocks"
    )
    assert measure_ranges(tiny_model, PROCESSOR, str(path), "pairs") == first and embedded == [2]
    # Another place, another photo, and other weights are not found.
    rows = read_rows(path)
    moved = [[*row[:3], float(row[3]) + 0.001, row[4]] for row in rows]
    measure_ranges(tiny_model, PROCESSOR, str(write_csv(tmp_path / "moved.csv", moved)), "pairs")
    assert embedded == [2, 2]
    for photo in tmp_path.glob("photo_*.jpg"):
        photo.write_bytes((tmp_path / "photo_0.jpg").read_bytes())
    measure_ranges(tiny_model, PROCESSOR, str(path), "pairs")
    other = copy.deepcopy(tiny_model)
    with torch.no_grad():
        other.sv_projection.bias.add_(0.1) if other.sv_projection.bias is not None else other.sv_projection.weight.mul_(
            2
        )
    measure_ranges(other, PROCESSOR, str(path), "pairs")
    assert len(embedded) == 4


def test_a_cache_that_cannot_be_written_or_is_damaged_only_costs_time(tiny_model, tmp_path, embedded):
    path = write_pairs(tmp_path, 20)
    first = measure_ranges(tiny_model, PROCESSOR, str(path), "pairs")
    for entry in (tmp_path / "cache").rglob("*.safetensors"):
        entry.write_bytes(entry.read_bytes()[:50])
    assert measure_ranges(tiny_model, PROCESSOR, str(path), "pairs") == first
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert measure_ranges(tiny_model, PROCESSOR, str(path), "pairs") == first and len(embedded) == 3
