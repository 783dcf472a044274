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
"""Downloads and checks the selected photos, first of all that is downloaded, since photos vanish."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.common.inputs import even_sizes, read_rows
from training.common.iterables import chunked
from training.common.jobs import TaskProgress
from training.street_pairs.blurring import blur
from training.street_pairs.errors import Unusable
from training.street_pairs.http_client import HttpClient
from training.street_pairs.images import jpeg_of, small_photo, view_of_panorama
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.photo_sources import kartaview, mapillary, service_of
from training.street_pairs.photo_sources.photo import KARTAVIEW, MAPILLARY
from training.street_pairs.selection.order import draws
from training.street_pairs.stages.select import PHOTOS
from training.street_pairs.units import Failure, earlier_rows, read_failures, unit_file, write_unit

SCHEMA = pa.schema(
    {
        "photo_id": pa.string(),
        "tile_id": pa.string(),
        "jpeg": pa.binary(),
        "width": pa.int32(),
        "height": pa.int32(),
        "lon": pa.float64(),
        "lat": pa.float64(),
        "time": pa.timestamp("us", tz="UTC"),
        "heading": pa.float32(),
        "url": pa.string(),
        "creator": pa.string(),
        "camera": pa.string(),
        "position": pa.string(),
    }
)
_PHOTOS_PER_UNIT = 500
_THREADS = 16
_IDS_AT_A_TIME = {MAPILLARY: mapillary.IDS_AT_A_TIME, KARTAVIEW: kartaview.IDS_AT_A_TIME}
# What a service tells about a photo, more exactly than a table.
_TOLD = ("lon", "lat", "time", "heading", "url", "creator", "camera", "position")


def plan(options: StreetPairsOptions, output: Path) -> list[int]:
    """Batches of photos in the order of their tiles."""
    return even_sizes(pq.read_metadata(output / "select" / PHOTOS).num_rows, _PHOTOS_PER_UNIT)


def run(options: StreetPairsOptions, output: Path, rank: int) -> None:
    """
    Writes the photos of a batch; of a batch that was done before, tries again what failed in passing.

    Raises:
        ValueError: a service needs a token that the environment lacks.
    """
    sizes = plan(options, output)
    start = sum(sizes[:rank])
    photos = read_rows(output / "select" / PHOTOS, start, start + sizes[rank])
    done, failures = _earlier(output, rank)
    settled = {row["photo_id"] for row in done} | {failure.id for failure in failures}
    left = [photo for photo in photos.to_pylist() if photo["photo_id"] not in settled]
    progress = TaskProgress(output / "photos" / "logs", rank)
    progress.add(len(settled))
    with HttpClient(options.requests_per_second) as client, ThreadPoolExecutor(_THREADS) as threads:
        described, unknown = _described(options, client, threads, left)
        failures += unknown
        progress.add(len(unknown))
        for made in threads.map(lambda photo: _photo(options, client, photo), described):
            progress.add(1)
            if isinstance(made, Failure):
                failures.append(made)
            else:
                done.append(made)
    table = pa.Table.from_pylist(done, schema=SCHEMA).sort_by([("tile_id", "ascending"), ("photo_id", "ascending")])
    write_unit(unit_file(output, "photos", rank), table, sorted(failures, key=lambda failure: failure.id))


def _earlier(output: Path, rank: int) -> tuple[list[dict[str, Any]], list[Failure]]:
    """The photos and the permanent failures of a unit that was done before."""
    table = earlier_rows(output, "photos", rank)
    if table is None:
        return [], []
    failures = read_failures(unit_file(output, "photos", rank))
    return table.to_pylist(), [failure for failure in failures if failure.permanent]


def _described(
    options: StreetPairsOptions, client: HttpClient, threads: ThreadPoolExecutor, photos: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[Failure]]:
    """Photos with what their services tell, whose addresses expire, and failures."""
    by_source: defaultdict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for photo in photos:
        asked = photo["path"] is None and photo["source"] in _IDS_AT_A_TIME
        by_source[photo["source"] if asked else None].append(photo)
    found, failures = by_source.pop(None, []), []
    for source, own in by_source.items():
        service = service_of(options, str(source), client)
        batches = list(chunked([photo["photo_id"] for photo in own], _IDS_AT_A_TIME[str(source)]))
        known = {photo["photo_id"]: photo for photo in own}
        for told, missing in threads.map(service.photos, batches):
            found += [_merged(known[row["photo_id"]], row) for row in told]
            failures += missing
    return found, failures


def _merged(photo: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    return {**photo, **{name: told[name] for name in _TOLD if told.get(name) is not None}}


def _photo(options: StreetPairsOptions, client: HttpClient, photo: dict[str, Any]) -> dict[str, Any] | Failure:
    try:
        content_of = _local if photo["path"] is not None else _remote(client)
        return _row(options, photo, content_of)
    except Unusable as error:
        return error.failure(photo["photo_id"])


def _row(
    options: StreetPairsOptions, photo: dict[str, Any], content_of: Callable[[dict[str, Any], Callable], Any]
) -> dict[str, Any]:
    heading = photo["heading"]
    if photo["camera"] == "spherical":
        if options.panoramas == "drop":
            raise Unusable("panorama", "It is a panorama.")
        (turn,) = draws([photo["photo_id"]], options.seed, "view")
        yaw = 360 * float(turn)
        image = content_of(photo, lambda content: view_of_panorama(content, yaw))
        heading = None if heading is None else (heading + yaw) % 360
    elif photo["camera"] == "fisheye":
        raise Unusable("fisheye", "It was taken with a fisheye lens.")
    else:
        image = content_of(photo, small_photo)
    image = blur(image, options.plates) if options.blur else image
    row = {name: photo.get(name) for name in SCHEMA.names}
    return {**row, "heading": heading, "jpeg": jpeg_of(image), "width": image.width, "height": image.height}


def _remote(client: HttpClient) -> Callable[[dict[str, Any], Callable], Any]:
    def content_of(photo: dict[str, Any], decode: Callable[[bytes], Any]) -> Any:
        if not photo["url"]:
            raise Unusable("no_url", "The photo has neither a path nor an address.")
        # An image that is cut off or of another type is asked for again.
        return client.get(photo["url"], check=decode)

    return content_of


def _local(photo: dict[str, Any], decode: Callable[[bytes], Any]) -> Any:
    path = Path(photo["path"])
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Unusable("unreadable", f"{path.name!r} cannot be read: {error.strerror}.") from error
    try:
        return decode(content)
    except Unusable as error:
        # A file is what it is.
        raise Unusable(error.kind, str(error)) from error
