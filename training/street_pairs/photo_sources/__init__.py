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
"""Where photos come from: tables, folders, and the services of Mapillary and KartaView."""

from pathlib import Path

from training.common.boxes import parse_box
from training.common.tables import PARQUET_SUFFIXES, TEXT_SUFFIXES
from training.street_pairs.errors import Unusable
from training.street_pairs.http_client import HttpClient
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.photo_sources.folder import folder_photos
from training.street_pairs.photo_sources.global_streetscapes import holds_global_streetscapes, joined_tables
from training.street_pairs.photo_sources.kartaview import KartaView
from training.street_pairs.photo_sources.mapillary import Mapillary
from training.street_pairs.photo_sources.photo import KARTAVIEW, MAPILLARY, PhotoList, photos_table
from training.street_pairs.photo_sources.table import photos_of, table_photos


def list_photos(options: StreetPairsOptions) -> PhotoList:
    """
    The photos that `--input` names.

    Raises:
        ValueError: it names nothing that holds photos, or a service cannot be asked.
    """
    name = str(options.input)
    if name in (MAPILLARY, KARTAVIEW):
        return _in_area(options, name)
    if options.bbox is not None:
        raise ValueError(f"--bbox is for --input {MAPILLARY} or {KARTAVIEW}; leave it out.")
    path = Path(name).expanduser()
    if path.is_dir() and holds_global_streetscapes(path):
        return photos_of(joined_tables(path), path)
    if path.is_dir():
        return folder_photos(path)
    if path.suffix.lower() in TEXT_SUFFIXES + PARQUET_SUFFIXES:
        return table_photos(path)
    raise ValueError(
        f"--input is {name!r}, expected a CSV or parquet file, a folder of photos, {MAPILLARY} or {KARTAVIEW}; check the spelling."
    )


def _in_area(options: StreetPairsOptions, name: str) -> PhotoList:
    if options.bbox is None:
        raise ValueError(f"--bbox is missing; pass the area to search {name} in, as west,south,east,north in degrees.")
    box = parse_box(options.bbox)
    with HttpClient(options.requests_per_second) as client:
        service = service_of(options, name, client)
        try:
            return PhotoList(photos_table(service.in_box(box)))
        except Unusable as error:
            raise ValueError(f"The photos of the area cannot be listed: {error} Run the same command again.") from error


def service_of(options: StreetPairsOptions, name: str, client: HttpClient) -> Mapillary | KartaView:
    """
    The service of a source.

    Raises:
        ValueError: it needs a token that the environment lacks.
    """
    if name == MAPILLARY:
        return Mapillary(client, options.mapillary_url)
    return KartaView(client, options.kartaview_url)
