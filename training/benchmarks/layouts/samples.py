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
"""Labelled tiles and photos of a data set: one sample, a split, and the whole set."""

import csv
import json
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar, overload

import numpy as np

from training.benchmarks.encoders.encoder import TileFormat
from training.common.errors import first_line

Item = TypeVar("Item")
# Marks pixels that have no class, or one that is not scored.
IGNORED = -1
SPLITS = ("train", "validation", "test")
# Errors, of no common kind, of readers of archives, tables and arrays.
DAMAGE = (
    KeyError,
    TypeError,
    EOFError,
    csv.Error,
    json.JSONDecodeError,
    UnicodeDecodeError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@contextmanager
def damage_as_sentence(what: str) -> Iterator[None]:
    """Raises what the readers of damaged or other files raise as a `ValueError` that names them."""
    try:
        yield
    except DAMAGE as error:
        raise ValueError(
            f"{what} cannot be read ({type(error).__name__}: {first_line(error)[:200]}); compare it with the published layout, or "
            "download it again."
        ) from error


@dataclass(frozen=True)
class LabelledImage:
    """
    One sample of a data set, undecoded.

    Attributes:
        name (`str`): its id.
        sources (`tuple`): one [`TileSample`] for each date, oldest first, or a single [`PhotoSample`].
        label: a class (`int`), a number (`float`), zeros and ones for each class (`np.ndarray` of shape `(K,)`), or a map
            on the tile's grid: classes, int64 `(H, W)` where -1 is not scored, or numbers, float32 `(H, W)` where
            NaN is not scored.
        place (`tuple[float, float]`, *optional*): lon, lat of its centre in degrees.
    """

    name: str
    sources: tuple[Any, ...]
    label: Any
    place: tuple[float, float] | None = None


class Images(Sequence[LabelledImage]):
    """
    The samples of a split, read on demand.

    Args:
        names (`Sequence[str]`): their ids.
        read (`Callable[[int], LabelledImage]`): reads the sample at a position.
    """

    def __init__(self, names: Sequence[str], read: Callable[[int], LabelledImage]):
        self.names, self._read = list(names), read

    @classmethod
    def from_entries(
        cls, read: Callable[[Any], LabelledImage], entries: Sequence[Any], names: Sequence[str]
    ) -> "Images":
        """Samples that are each read from one of `entries`, such as a file."""
        return cls(names, lambda index: read(entries[index]))

    @classmethod
    def in_memory(cls, images: Sequence[LabelledImage]) -> "Images":
        """Samples that are held in memory."""
        return cls([image.name for image in images], list(images).__getitem__)

    def __len__(self) -> int:
        return len(self.names)

    @overload
    def __getitem__(self, index: int) -> LabelledImage: ...

    @overload
    def __getitem__(self, index: slice) -> "Images": ...

    def __getitem__(self, index: int | slice) -> "LabelledImage | Images":
        if isinstance(index, slice):
            return self.chosen(range(len(self))[index])
        if not 0 <= index < len(self):
            raise IndexError(f"Image index {index} is out of range for {len(self)} images.")
        with damage_as_sentence(repr(self.names[index])):
            return self._read(index)

    def chosen(self, indexes: Sequence[int]) -> "Images":
        """The samples at these positions, in this order."""
        kept = list(indexes)
        return Images([self.names[index] for index in kept], lambda position: self._read(kept[position]))

    def at_most(self, count: int | None, seed: int = 0) -> "Images":
        """A random subset of `count` samples in their original order; all samples if there are no more than that."""
        return self if count is None or len(self) <= count else self.chosen(drawn(range(len(self)), count, seed))


def drawn(items: Iterable[Item], count: int | None, seed: int = 0) -> list[Item]:
    """
    A random subset of `count` items in their original order, from a stream of unknown length (reservoir sampling, Vitter's
    algorithm R); all items if there are no more than that, or if `count` is None.
    """
    generator = np.random.default_rng(seed)
    kept: list[tuple[int, Item]] = []
    for position, item in enumerate(items):
        if count is None or position < count:
            kept.append((position, item))
        elif (slot := int(generator.integers(position + 1))) < count:
            kept[slot] = (position, item)
    return [item for _, item in sorted(kept, key=lambda pair: pair[0])]


@dataclass(frozen=True)
class ImageSet:
    """
    A data set of labelled images.

    Attributes:
        splits (`dict[str, Images]`): `train`, `validation` and `test`.
        classes (`tuple[str, ...]`): class names in label order; empty if labels are numbers.
        tile_format ([`TileFormat`], *optional*): how its tiles are stored; None for photos.
        dropped (`int`): number of samples left out because they have no label or no readable file.
        remarks (`tuple[str, ...]`): sentences on what was left out, for the report.
    """

    splits: dict[str, Images]
    classes: tuple[str, ...] = ()
    tile_format: TileFormat | None = None
    dropped: int = 0
    remarks: tuple[str, ...] = ()
