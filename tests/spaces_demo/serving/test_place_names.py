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
"""Places in words."""

import pytest

from serving.place_names import near_text


@pytest.mark.parametrize(
    ("lon", "lat", "said"),
    [
        (13.4, 52.5, ", Germany"),
        (-180.0, -89.0, " km from "),
        (14.9, 52.5, " km from "),
    ],
)
def test_a_place_is_named_after_the_nearest_town(unnamed_model, lon, lat, said):
    assert said in near_text(unnamed_model, lon, lat)


def test_distances_hold_across_the_antimeridian(unnamed_model):
    # Suva lies at 178.4° E.
    assert near_text(unnamed_model, -179.5, -18.1).split(" km from ")[0] in ("210", "220", "230")
