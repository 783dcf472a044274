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
"""Results of a retrieval as files: CSV and GeoJSON."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True)
class ResultRow:
    """
    One result, as files have it.

    Attributes:
        kind (`str`): "tile" or "photo".
        rank (`int`): from 1, among results of its kind.
        id (`str`): of the tile or the photo in the gallery.
        cosine (`float`): cosine similarity to the query.
        lon, lat (`float`, *optional*): degrees: the most similar point of a tile, or where a photo was taken.
    """

    kind: str
    rank: int
    id: str
    cosine: float
    lon: float | None
    lat: float | None


def csv_of(rows: Sequence[ResultRow]) -> bytes:
    """A table with a line for each result."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(ResultRow))
    writer.writerows(asdict(row).values() for row in rows)
    return text.getvalue().encode()


def geojson_of(rows: Sequence[ResultRow]) -> bytes:
    """A point for each result; results without a place have no geometry."""
    features = []
    for row in rows:
        properties = asdict(row)
        lon, lat = properties.pop("lon"), properties.pop("lat")
        geometry = None if lon is None else {"type": "Point", "coordinates": [lon, lat]}
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


RESULT_WRITERS = {"csv": csv_of, "geojson": geojson_of}
