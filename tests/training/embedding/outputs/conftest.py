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
"""A plan of a map of two by two blocks, and values for it."""

from dataclasses import replace

import numpy as np
import pytest

from training.embedding.inputs.raster import RasterSource
from training.embedding.maps.plan import MapPlan, plan_map


@pytest.fixture(scope="session")
def plan(scene, small_processor) -> MapPlan:
    """300 x 330 cells of 10 m in four blocks of at most 256 x 256, D = 16."""
    made = plan_map(RasterSource(str(scene)), small_processor, 960.0, 10.0, 16)
    return replace(made, block=256)


@pytest.fixture(scope="session")
def values(plan) -> np.ndarray:
    """Drawn embeddings of the whole map, without data in its south-west."""
    drawn = np.random.default_rng(0).normal(size=(*plan.shape, plan.dimension)).astype(np.float32)
    drawn[200:, :100] = np.nan
    return drawn


def block_of(values: np.ndarray, plan: MapPlan, rank: int) -> np.ndarray:
    """The part of the map that a task computes."""
    top, left, height, width = plan.block_at(rank)
    return values[top : top + height, left : left + width]
