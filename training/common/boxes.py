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
"""Boxes of longitudes and latitudes, as commands and functions take them."""

from collections.abc import Sequence

from training.common.checks import is_number

# West, south, east, north in degrees; west > east across the antimeridian.
Box = tuple[float, float, float, float]

_EXPECTED = (
    "expected west,south,east,north in degrees, such as 13.0,52.3,13.8,52.7: longitudes from -180 to 180, and south below north from -90 to "
    "90; a box across the antimeridian has west > east."
)


def parse_box(text: str) -> Box:
    """
    A box as the command line writes it: west,south,east,north.

    Raises:
        ValueError: it is not four numbers, or no box on the Earth.
    """
    try:
        return check_box([float(side) for side in text.split(",")])
    except ValueError as error:
        raise ValueError(f"bbox is {text!r}, {_EXPECTED}") from error


def check_box(sides: Sequence[float]) -> Box:
    """
    Checks west, south, east, north in degrees; west > east means across the antimeridian.

    Raises:
        ValueError: they are no box on the Earth.
    """
    if len(sides) == 4 and all(is_number(float(side)) for side in sides):
        west, south, east, north = map(float, sides)
        if max(abs(west), abs(east)) <= 180 and west != east and -90 <= south < north <= 90:
            return west, south, east, north
    raise ValueError(f"bbox is {tuple(sides)}, {_EXPECTED}")


def longitude_spans(box: Box) -> list[tuple[float, float]]:
    """A box's longitudes as spans, west and east within -180 to 180: two where it crosses the antimeridian."""
    west, _, east, _ = box
    return [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
