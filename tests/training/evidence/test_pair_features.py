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
"""Disturbed query points and coordinates."""

import numpy as np
import pytest
import torch

pytest.importorskip("accelerate", reason="the extra eval is not installed")
pytest.importorskip("pandas", reason="the extra eval is not installed")
pytest.importorskip("pyproj", reason="the extra geo is not installed")
from training.evidence.pair_features import moved_places, moved_points
from training.pairs.decoding import PairBatch


def batch_of(points: np.ndarray, size_m: float = 2000.0) -> PairBatch:
    """Photos of one tile at the equator."""
    count = len(points)
    return PairBatch(
        tile_ids=["tile"],
        tiles=None,
        tile_sizes_m=[(size_m, size_m)],
        photo_ids=[str(number) for number in range(count)],
        photos=None,
        tile_index=torch.zeros(count, dtype=torch.int64),
        coordinates=torch.zeros(count, 2),
        query_points=torch.from_numpy(points.astype(np.float32))[:, None],
        labels={},
        bad=None,
        problems=[],
    )


def test_points_are_moved_by_the_stated_distance_and_stay_in_their_tile():
    points = np.random.default_rng(0).random((400, 2))
    moved = moved_points(batch_of(points), np.random.default_rng(1))
    for name, values in moved.items():
        assert ((values >= 0) & (values <= 1)).all()
        distance = np.linalg.norm((values - batch_of(points).query_points[:, 0].numpy()) * 2000, axis=1)
        kind, level = name.split("/")
        if kind == "offset":
            np.testing.assert_allclose(distance, float(level.removesuffix(" m")), atol=1e-3)
    middle = moved_points(batch_of(np.full((2000, 2), 0.5)), np.random.default_rng(2))["noise/100 m"]
    np.testing.assert_allclose(((middle - 0.5) * 2000).std(axis=0), 100, rtol=0.06)


def test_coordinates_get_noise_of_the_stated_strength():
    moved = moved_places(batch_of(np.full((3000, 2), 0.5)), np.random.default_rng(0))
    lon, lat = moved["noise location/10000 m"]
    for degrees in (lon, lat):
        np.testing.assert_allclose(degrees.std() * 111_195, 10_000, rtol=0.06)
    assert not any(values.any() for values in moved["noise location/0 m"])
