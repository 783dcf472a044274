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
"""A comparison of two boxes as files: GeoJSON and CSV."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence

from serving.distributions import DistributionComparison

Boxes = Mapping[str, Sequence[float]]


def geojson_of(boxes: Boxes, found: DistributionComparison) -> bytes:
    """The boxes by name as polygons, west, south, east, north in degrees; one across the date line in two parts, as RFC 7946 asks."""
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "MultiPolygon", "coordinates": [[_ring(*part)] for part in _parts(*edges)]},
            "properties": {"box": name, **vars(found)},
        }
        for name, edges in boxes.items()
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def csv_of(boxes: Boxes, found: DistributionComparison) -> bytes:
    """One row: the edges of each box in degrees, and the figures."""
    edges = {
        f"{name.lower()}_{edge}": value
        for name, box in boxes.items()
        for edge, value in zip(("west", "south", "east", "north"), box)
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*edges, *vars(found)])
    writer.writerow([*edges.values(), *vars(found).values()])
    return text.getvalue().encode()


BOX_WRITERS: dict[str, Callable[[Boxes, DistributionComparison], bytes]] = {"geojson": geojson_of, "csv": csv_of}


def _parts(west: float, south: float, east: float, north: float) -> list[tuple[float, float, float, float]]:
    parts = [(west, east)] if west < east else [(west, 180.0), (-180.0, east)]
    return [(left, south, right, north) for left, right in parts if left < right]


def _ring(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]
