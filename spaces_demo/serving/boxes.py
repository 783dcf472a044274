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
"""Comparison of two boxes by the embeddings of the places in them."""

from serving.distributions import DistributionComparison, compare_distributions
from serving.model import ServedModel, on_gpu
from serving.similarity import spread_in_box
from serving.text import typed_numbers

PLACES_PER_BOX = 256
SHUFFLES = 199
Box = tuple[float, float, float, float]


def parse_box(text: str, name: str) -> Box:
    """
    Parses bounds that a visitor typed or drew: west, south, east, north in degrees; west > east across the antimeridian.

    Raises:
        ValueError: if the bounds are not four numbers in range.
    """
    expected = f"box {name} as west, south, east, north in degrees, such as -10, 36, 30, 60"
    west, south, east, north = typed_numbers(text, 4, expected)
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south < north <= 90 and west != east):
        raise ValueError(
            f"Box {name} is {text[:60]!r}, expected longitudes from −180 to 180, and south below north from −90 to 90; "
            "correct it."
        )
    return west, south, east, north


class BoxComparison:
    """Compares boxes with one model."""

    def __init__(self, served: ServedModel):
        self._places = on_gpu(served.places)

    def compare(self, first: str, second: str) -> tuple[dict[str, Box], DistributionComparison]:
        """
        Embeds about 256 places in each of two boxes and compares the two distributions.

        Args:
            first, second (`str`): west, south, east, north in degrees.

        Returns:
            `tuple` of the boxes by name and the [`DistributionComparison`].

        Raises:
            ValueError: as in [`parse_box`].
        """
        boxes = {"A": parse_box(first, "A"), "B": parse_box(second, "B")}
        first_embeds, second_embeds = (self._places(*spread_in_box(*box, PLACES_PER_BOX)) for box in boxes.values())
        return boxes, compare_distributions(first_embeds, second_embeds, SHUFFLES)
