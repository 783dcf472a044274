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
"""What a job would cost: requests, bytes, hours and disk, of the selection at hand and of larger ones like it."""

from dataclasses import astuple, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq

from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.photo_sources import mapillary
from training.street_pairs.photo_sources.photo import KARTAVIEW, MAPILLARY
from training.street_pairs.scenes.providers import provider_of
from training.street_pairs.scenes.queries import queries_of
from training.street_pairs.scenes.reader import READS_PER_REQUEST
from training.street_pairs.stages import select

_SIZES = (1_000, 100_000, 1_000_000)
# Measured: requests for the bands of a tile, of whose scene others are read too, and for the classes of a candidate; megabytes of blocks
# of 512 pixels that a tile touches; megabytes of a photo of 1024 pixels; a stored photo; processor seconds.
_REQUESTS_PER_TILE, _CANDIDATES = 15, 3
_TILE_MB, _PHOTO_MB, _STORED_PHOTO_MB = 5.4, 0.2, 0.03
_SECONDS_PER_TILE, _SECONDS_PER_PHOTO = 0.05, 0.01
# Megabytes of the original that a view of a panorama is cut out of: an assumption; and the share of panoramas in a sample of Mapillary's photos,
# for those of which the table does not say.
_PANORAMA_MB, _PANORAMAS_OF_MAPILLARY = 4.0, 0.28
# Seconds that a worker waits for the answer to a request for pixels: an assumption.
_SECONDS_PER_REQUEST = 0.1
_BANDS, _BYTES, _COMPRESSED = 10, 2, 0.55
_MB, _HOUR = 1e6, 3600


@dataclass(frozen=True)
class Costs:
    """
    What some pairs cost.

    Attributes:
        pairs, tiles (`float`): photos, and tiles that hold them.
        photo_requests, search_requests, tile_requests (`float`): by what is asked for.
        gigabytes (`float`): to download.
        hours (`float`): by the limit on requests to each host, or by the processor and waiting for pixels.
        disk_gigabytes (`float`): of the data set and the units that it is packed from.
    """

    pairs: float
    tiles: float
    photo_requests: float
    search_requests: float
    tile_requests: float
    gigabytes: float
    hours: float
    disk_gigabytes: float

    def times(self, factor: float) -> "Costs":
        """The costs of as many times the pairs."""
        return Costs(*(factor * value for value in astuple(self)))

    def __str__(self) -> str:
        requests = self.photo_requests + self.search_requests + self.tile_requests
        return (
            f"{self.pairs:,.0f} pairs in {self.tiles:,.0f} tiles: {requests:,.0f} requests ({self.photo_requests:,.0f} for photos, "
            f"{self.search_requests:,.0f} searches, {self.tile_requests:,.0f} for tiles), {_rounded(self.gigabytes)} GB to download, "
            f"{_rounded(self.hours)} hours, {_rounded(self.disk_gigabytes)} GB of disk"
        )


def dry_run(options: StreetPairsOptions) -> str:
    """
    Selects photos in a temporary folder, and says what the rest would cost.

    Raises:
        ValueError: the input cannot be read, or nothing passes the rules.
    """
    with TemporaryDirectory(prefix="gair-streets-") as folder:
        output = Path(folder)
        select.run(options, output, 0)
        photos = pq.read_table(output / "select" / "photos.parquet", columns=["source", "camera", "path"])
        tiles = pq.read_table(output / "select" / "tiles.parquet")
        queries = len(queries_of(tiles.to_pylist()))
    sources = photos.to_pylist()
    asked = sum(_requests(photo) for photo in sources)
    megabytes = sum(_megabytes(photo, options.panoramas) for photo in sources)
    local = provider_of(options.provider, options.stac_url).local
    here = _costs(len(photos), len(tiles), asked, megabytes, 0 if local else queries, local, options)
    lines = [f"Dry run: {here}.", "In proportion:"]
    lines += [f"  {here.times(pairs / here.pairs)}" for pairs in _SIZES]
    lines.append(
        f"Computed from {_PHOTO_MB} MB a photo{_of_panoramas(options.panoramas)}, {_TILE_MB} MB and {_REQUESTS_PER_TILE} requests a tile, the classes of {_CANDIDATES} scenes a tile, "
        f"{options.requests_per_second:g} requests a second to a host ({READS_PER_REQUEST} times as many for pixels), {_SECONDS_PER_REQUEST:g} s a request for pixels and "
        f"{options.workers} workers. Nothing was downloaded."
    )
    return "\n".join(lines)


def _requests(photo: dict) -> float:
    if photo["path"] is not None:
        return 0
    return {MAPILLARY: 1 + 1 / mapillary.IDS_AT_A_TIME, KARTAVIEW: 2}.get(photo["source"], 1)


def _megabytes(photo: dict, panoramas: str) -> float:
    """To download for a photo; a view of a panorama is cut out of the original."""
    if photo["path"] is not None:
        return 0
    unknown = _PANORAMAS_OF_MAPILLARY if photo["source"] == MAPILLARY else 0
    share = 0 if panoramas == "drop" else {"spherical": 1, None: unknown}.get(photo["camera"], 0)
    return _PHOTO_MB + share * (_PANORAMA_MB - _PHOTO_MB)


def _of_panoramas(panoramas: str) -> str:
    if panoramas == "drop":
        return ""
    return f" and {_PANORAMA_MB:g} MB a panorama ({_PANORAMAS_OF_MAPILLARY:.0%} of Mapillary's photos, where the table does not say)"


def _costs(
    photos: int,
    tiles: int,
    photo_requests: float,
    photo_megabytes: float,
    searches: int,
    local: bool,
    options: StreetPairsOptions,
) -> Costs:
    tile_requests = 0 if local else tiles * (_REQUESTS_PER_TILE + _CANDIDATES)
    gigabytes = (photo_megabytes + (0 if local else tiles * _TILE_MB)) * _MB / 1e9
    busy = photos * _SECONDS_PER_PHOTO + tiles * _SECONDS_PER_TILE
    seconds = (busy + tile_requests * _SECONDS_PER_REQUEST) / options.workers
    waiting = max(photo_requests + searches, tile_requests / READS_PER_REQUEST) / options.requests_per_second
    pixels = (options.window_m / 10) ** 2
    stored = photos * _STORED_PHOTO_MB * _MB + tiles * _BANDS * _BYTES * pixels * _COMPRESSED
    return Costs(
        photos,
        tiles,
        photo_requests,
        searches,
        tile_requests,
        gigabytes,
        max(seconds, waiting) / _HOUR,
        2 * stored / 1e9,
    )


def _rounded(value: float) -> str:
    """To two digits, without an exponent."""
    return f"{float(f'{value:.2g}'):,.10g}"
