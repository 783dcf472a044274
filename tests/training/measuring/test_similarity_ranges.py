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

import numpy as np
import pytest
import torch

pytest.importorskip("datasets", reason="the extra train is not installed")
from training.measuring.embeddings import EmbeddedPairs
from training.measuring.similarity_ranges import PERCENTILES, ranges_of


def test_ranges_are_percentiles_over_one_photo_per_tile():
    """Photos 1 and 2 share a tile, so photo 2 counts neither as a match nor as an unrelated pair."""
    sv = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    location = torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.0, 1.0]])
    embeddings = {"sv": sv, "nili": sv, "tile_mean": sv, "location": location}
    ranges = ranges_of(EmbeddedPairs(embeddings, torch.tensor([0, 0, 1]), {}))
    assert set(ranges) == {"sv_localized", "sv_rs", "sv_location", "localized_rs", "localized_location", "rs_location"}
    np.testing.assert_allclose(ranges["sv_location"]["matched"], np.percentile([0.6, 1.0], PERCENTILES), atol=1e-4)
    np.testing.assert_allclose(ranges["sv_location"]["others"], np.percentile([0.0, 0.8], PERCENTILES), atol=1e-4)
    assert ranges["sv_localized"]["others"] == [0.0] * 7 and ranges["sv_localized"]["matched"] == [1.0] * 7


def test_ranges_need_two_tiles():
    one = {name: torch.eye(2) for name in ("sv", "nili", "tile_mean", "location")}
    with pytest.raises(ValueError, match="come from 1 tile, expected two tiles or more"):
        ranges_of(EmbeddedPairs(one, torch.tensor([0, 0]), {}))
