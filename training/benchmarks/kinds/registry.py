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
"""The kinds of tasks by the name that a task's YAML entry uses."""

from training.benchmarks.kinds.kind import Kind
from training.benchmarks.kinds.linear_segmentation import LinearSegmentation
from training.benchmarks.kinds.location import Location
from training.benchmarks.kinds.location_prior import LocationPrior
from training.benchmarks.kinds.pair_retrieval import PairRetrieval
from training.benchmarks.kinds.segmentation import Segmentation
from training.benchmarks.kinds.street_views import StreetViews
from training.benchmarks.kinds.tile_classification import TileClassification

KINDS: dict[str, Kind] = {
    "location": Location(),
    "location_prior": LocationPrior(),
    "tile_classification": TileClassification(),
    "segmentation": Segmentation(),
    "linear_segmentation": LinearSegmentation(),
    "street_views": StreetViews(),
    "retrieval": PairRetrieval(),
}
