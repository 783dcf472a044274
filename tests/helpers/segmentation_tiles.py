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
"""Tiles with two parts that differ in brightness, for the tests of segmentation."""

from collections.abc import Sequence

import numpy as np

from training.benchmarks.encoders.encoder import TileFormat, TileSample
from training.benchmarks.layouts.samples import Images, ImageSet, LabelledImage

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
FORMAT = TileFormat(BANDS, allow_any_scale=True)


def halves(seed: int, side: int = 96, dates: int = 1, kind: str = "classes") -> LabelledImage:
    """A bright and a dark part; of several dates only the last one shows which is which."""
    draws = np.random.default_rng(seed)
    edge = int(draws.integers(side // 4, 3 * side // 4))
    bright = np.arange(side)[None, :] >= edge if seed % 2 else np.arange(side)[:, None] < edge
    bright = np.broadcast_to(bright, (side, side))
    blank = np.full((len(BANDS), side, side), 1500, np.uint16)
    shown = np.where(bright, 3500, 700).astype(np.uint16) + draws.integers(0, 200, blank.shape).astype(np.uint16)
    label = {"classes": bright.astype(np.int64), "numbers": np.where(bright, 80.0, 20.0).astype(np.float32)}[kind]
    sources = [TileSample(f"{seed}, {date}", blank) for date in range(dates - 1)] + [TileSample(str(seed), shown)]
    return LabelledImage(str(seed), tuple(sources), label, (10.0 + seed, 50.0))


def image_set(images: Sequence[LabelledImage], classes: tuple[str, ...] = ("dark", "bright")) -> ImageSet:
    third = len(images) // 3
    parts = {"train": images[: -2 * third], "validation": images[-2 * third : -third], "test": images[-third:]}
    splits = {name: Images([image.name for image in part], list(part).__getitem__) for name, part in parts.items()}
    return ImageSet(splits, classes, FORMAT)
