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
"""Decoding in workers: rows of a data set become tiles with their photos, and these become batches."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from modeling_gair import GairProcessor
from modeling_gair.crs_gair import ground_size_m
from modeling_gair.raster_gair import GairTile
from training.common.errors import first_line
from training.common.schema import unpack_tile
from training.pairs.shards import UNREADABLE, Row


@dataclass
class PairBatch:
    """
    A batch of decoded tiles and photos.

    Attributes:
        tile_ids (`list[str]`): ids of the T tiles.
        tiles (`torch.Tensor` of shape `(T, C, H, W)`, or `list[np.ndarray]` if sizes differ): pixels as read.
        tile_sizes_m (`list[tuple[float, float]]`): width and height of the tiles on the ground, in metres.
        photo_ids (`list[str]`): ids of the N photos.
        photos (`torch.Tensor` of shape `(N, H, W, 3)`, or `list[np.ndarray]` if sizes differ): uint8.
        tile_index (`torch.Tensor` of shape `(N,)`): the tile of each photo.
        coordinates (`torch.Tensor` of shape `(N, 2)`): lon, lat in degrees.
        query_points (`torch.Tensor` of shape `(N, 1, 2)`): x east, y south in the tile, in [0, 1].
        labels (`dict[str, np.ndarray]`): the requested labels, one per tile, or one per photo if the name begins with photo_.
        bad (`Counter`): numbers of skipped tiles and photos, by the kind of problem: tile, photo, place.
        problems (`list[str]`): error messages of the first of them.
        state (`dict`): position of the stream after this batch; see [`PairStream`].
    """

    tile_ids: list[str]
    tiles: Any
    tile_sizes_m: list[tuple[float, float]]
    photo_ids: list[str]
    photos: Any
    tile_index: torch.Tensor
    coordinates: torch.Tensor
    query_points: torch.Tensor
    labels: dict[str, np.ndarray]
    bad: Counter
    problems: list[str]
    state: dict[str, Any] = field(default_factory=dict)

    def pin_memory(self) -> "PairBatch":
        """Return the batch with its tensors in pinned memory; called by `DataLoader`."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        pinned: dict[str, Any] = {
            name: value.pin_memory() for name, value in values.items() if isinstance(value, torch.Tensor)
        }
        return replace(self, **pinned)


@dataclass
class DecodedTile:
    """The tile of a row with the photos chosen from it."""

    id: str
    pixels: np.ndarray
    size_m: tuple[float, float]
    photo_ids: list[str]
    photos: list[np.ndarray]
    coordinates: list[np.ndarray]
    query_points: list[np.ndarray]
    labels: dict[str, Any]


class PairDecoder:
    """
    Decodes rows with the processors' `read`. Tiles and photos that cannot be read are skipped, counted by kind and reported.

    Args:
        processor ([`GairProcessor`]): the model's processor.
        labels (`Sequence[str]`): label columns to keep, if a row has them.
    """

    def __init__(self, processor: GairProcessor, labels: Sequence[str] = ()):
        self.processor, self.labels = processor, labels
        self.bad: Counter = Counter()
        self.problems: list[str] = []

    def __call__(self, row: Row, folder: Path, chosen: Sequence[int]) -> DecodedTile | None:
        """
        Decode a row.

        Args:
            row (`dict`): a row in the schema of `training/common/schema.py`; `tile_file` and the photos' `file` name files
                that hold the pixels instead.
            folder (`Path`): the folder that file names are relative to.
            chosen (`Sequence[int]`): indices of the photos to decode.

        Returns:
            The decoded tile; None if the tile or all of its photos are bad.
        """
        tile = self._attempt("tile", f"Tile {row.get('id')!r}", lambda: self._tile(row, folder))
        if tile is None:
            return None
        pixels, size_m, bounds, crs = tile
        decoded = DecodedTile(row["id"], pixels, size_m, [], [], [], [], {})
        photos = [_with_id(row, index) for index in chosen]
        good = [
            index
            for index, photo, place in zip(chosen, photos, self._places(photos, bounds, crs))
            if place is not None and self._add_photo(decoded, photo, place, folder)
        ]
        decoded.labels = {name: self._label(row, name, good) for name in self.labels if name in row}
        return decoded if good else None

    def take_problems(self) -> tuple[Counter, list[str]]:
        """Counts and error messages of what was skipped since the last call."""
        taken = self.bad, self.problems
        self.bad, self.problems = Counter(), []
        return taken

    def _tile(self, row: Row, folder: Path) -> tuple[np.ndarray, tuple[float, float], Any, Any]:
        """Pixels, width and height on the ground, bounds and CRS of a row's tile."""
        if UNREADABLE in row:
            raise ValueError(row[UNREADABLE])
        if not len(row["photos"] or ()):
            raise ValueError("it has no photos, expected one or more taken in it; add them, or drop the row.")
        tile = read_tile(self.processor, row, folder)
        assert tile.bounds is not None and tile.crs is not None
        return tile.pixels, ground_size_m(tile.bounds, tile.crs), tile.bounds, tile.crs

    def _places(self, photos: Sequence[Any], bounds: Any, crs: Any) -> list[tuple[np.ndarray, np.ndarray] | None]:
        """Degrees and point in the tile of each photo, None if bad; all photos in one call, as the calls dominate the cost."""
        places = self.processor.feature_extractor

        def located() -> list[tuple[np.ndarray, np.ndarray] | None]:
            degrees = places.check(*([photo[axis] for photo in photos] for axis in ("lon", "lat")))
            return list(zip(degrees, places.points_at(degrees, bounds, crs)))

        if len(photos) == 1:
            return self._attempt("place", f"Pair {photos[0]['id']!r}", located) or [None]
        try:
            return located()
        except Exception:
            return [self._places([photo], bounds, crs)[0] for photo in photos]

    def _add_photo(
        self, decoded: DecodedTile, photo: dict[str, Any], place: tuple[np.ndarray, np.ndarray], folder: Path
    ) -> bool:
        jpeg = photo.get("jpeg")
        read = self.processor.sv_image_processor.read
        pixels = self._attempt(
            "photo", f"Pair {photo['id']!r}", lambda: read(folder / photo["file"] if jpeg is None else jpeg)
        )
        if pixels is None:
            return False
        decoded.photo_ids.append(photo["id"])
        decoded.photos.append(pixels)
        decoded.coordinates.append(place[0])
        decoded.query_points.append(place[1])
        return True

    def _label(self, row: Row, name: str, good: Sequence[int]) -> Any:
        """The label of the tile, or of each good photo, None if there is not one for each photo of the row."""
        values = row[name]
        if not name.startswith("photo_"):
            return values
        complete = isinstance(values, Sequence) and len(values) == len(row["photos"])
        return [values[index] if complete else None for index in good]

    def _attempt(self, kind: str, what: str, decode: Callable[[], Any]) -> Any:
        """What `decode` returns, or None after counting a bad item: one bad file in a million must not end a run."""
        try:
            return decode()
        # Damaged files make decoders raise errors of many kinds. Too many bad items do end a run, with the first message.
        except Exception as error:
            expected = isinstance(error, ValueError)
            self.bad[kind] += 1
            self.problems.append(f"{what}: {error if expected else f'{type(error).__name__}: {first_line(error)}'}")
            return None


def read_tile(processor: GairProcessor, row: Row, folder: Path) -> GairTile:
    """
    The tile of a row, which holds its pixels or names its file.

    Args:
        processor ([`GairProcessor`]): the model's processor.
        row (`dict`): an undecoded row.
        folder (`Path`): the folder that the row's file names are relative to.

    Raises:
        ValueError: it cannot be read, or has no place on the Earth.
    """
    if row.get("tile") is not None:
        pixels = unpack_tile(row)
        if row["bounds"] is None or row["crs"] is None:
            raise ValueError("its bounds or crs are null, so photos cannot be located in it; write both.")
        tile = processor.image_processor.read(pixels, bands=row["bands"], bounds=row["bounds"], crs=row["crs"])
    else:
        tile = processor.image_processor.read(folder / row["tile_file"])
    if tile.bounds is None or tile.crs is None:
        raise ValueError("it has no georeferencing, so photos cannot be located in it; write its CRS and bounds.")
    return tile


def _with_id(row: Row, index: int) -> dict[str, Any]:
    """A photo of a row with an id that is text, even if the photo is null."""
    photo = row["photos"][index]
    fields = photo if isinstance(photo, Mapping) else {}
    name = fields.get("id")
    return {**fields, "id": f"{row['id']}, photo {index + 1}" if name is None else str(name)}


def collate(tiles: Sequence[DecodedTile], bad: Counter, problems: list[str]) -> PairBatch:
    """Combine decoded tiles into a batch."""
    tile_index = np.repeat(np.arange(len(tiles)), [len(tile.photo_ids) for tile in tiles])
    coordinates = [place for tile in tiles for place in tile.coordinates]
    points = [point for tile in tiles for point in tile.query_points]
    labels: dict[str, np.ndarray] = {}
    for name in tiles[0].labels if tiles else ():
        values: list[Any] = [tile.labels.get(name) for tile in tiles]
        labels[name] = _label_array([one for own in values for one in own] if name.startswith("photo_") else values)
    return PairBatch(
        tile_ids=[tile.id for tile in tiles],
        tiles=_stacked([tile.pixels for tile in tiles]),
        tile_sizes_m=[tile.size_m for tile in tiles],
        photo_ids=[name for tile in tiles for name in tile.photo_ids],
        photos=_stacked([photo for tile in tiles for photo in tile.photos]),
        tile_index=torch.from_numpy(tile_index),
        coordinates=torch.from_numpy(np.asarray(coordinates, np.float32).reshape(-1, 2)),
        query_points=torch.from_numpy(np.asarray(points, np.float32).reshape(-1, 1, 2)),
        labels=labels,
        bad=bad,
        problems=problems[:3],
    )


def _label_array(values: list[Any]) -> np.ndarray:
    """Labels as an array: of numbers where they are numbers of one shape, else of objects."""
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.empty(0, object)
    if len(array) == len(values) and array.dtype.kind in "biuf":
        return array
    objects = np.empty(len(values), object)
    objects[:] = values
    return objects


def _stacked(images: list[np.ndarray]) -> Any:
    """Images of equal shape as one tensor, which workers can pass on without a copy; others as they are."""
    if len({image.shape for image in images}) == 1:
        return torch.from_numpy(np.stack(images))
    return images
