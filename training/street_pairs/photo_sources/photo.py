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
"""A photo as the sources list it, before anything is downloaded."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

MAPILLARY, KARTAVIEW = "mapillary", "kartaview"
# Sources that blur faces and plates themselves.
BLURRING_SOURCES = (MAPILLARY, KARTAVIEW)
BY_SA = "CC BY-SA 4.0"

PHOTO_SCHEMA = pa.schema(
    {
        "photo_id": pa.string(),
        "lon": pa.float64(),
        "lat": pa.float64(),
        "time": pa.timestamp("us", tz="UTC"),
        "heading": pa.float32(),
        "source": pa.string(),
        "licence": pa.string(),
        "creator": pa.string(),
        "sequence": pa.string(),
        "url": pa.string(),
        "path": pa.string(),
        "camera": pa.string(),
        # How it was found, best first: "computed" by the service from many photos, "original" by the camera's receiver, "given" by a table,
        # "exif" from a file's header.
        "position": pa.string(),
        "site": pa.string(),
    }
)


@dataclass
class PhotoList:
    """
    The photos of a source.

    Attributes:
        photos (`pa.Table`): in [`PHOTO_SCHEMA`]; lon, lat in degrees on WGS 84, NaN or null where unknown.
        remarks (`list[str]`): sentences on how the source was understood.
        unreadable (`list[tuple[str, str]]`): what could not be listed: its name, and why.
    """

    photos: pa.Table
    remarks: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)


def photos_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Rows with some of the columns of [`PHOTO_SCHEMA`] as a table; the others are null."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=PHOTO_SCHEMA)
