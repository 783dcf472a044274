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
"""The decoder's input: feature maps of tiles from the frozen backbone, of whole tiles or of windows."""

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F

from training.benchmarks.encoders.encoder import Encoder, TileFormat
from training.benchmarks.layouts.samples import IGNORED, Images, LabelledImage
from training.benchmarks.probes.upernet.decoder import Decoder, Maps
from training.benchmarks.probes.upernet.settings import UperNetSettings

# Sizes of the pyramid's levels in units of the backbone's grid.
_LEVELS = (4, 2, 1, 0.5)
# Maps up to this total size are kept between epochs, as they do not change.
_KEPT_BYTES = 2**31


class Backbone:
    """
    The frozen model: computes maps of tiles with several dates, without gradient.

    Args:
        encoder ([`Encoder`]): with feature maps.
        tile_format ([`TileFormat`]): of the data.
        pyramid (`str`): of [`UperNetSettings`].

    Raises:
        ValueError: the encoder has no feature maps.
    """

    def __init__(self, encoder: Encoder, tile_format: TileFormat, pyramid: str):
        if not encoder.dense:
            raise ValueError(f"{encoder.name} has no feature maps, which the decoder needs; choose a model with them.")
        self.encoder, self.tile_format, self.pyramid = encoder, tile_format, pyramid

    def read(self, image: LabelledImage) -> np.ndarray:
        """The dates of a sample as one array `(T, C, H, W)` at the data's own resolution."""
        return np.stack([self.encoder.read_tile(source, self.tile_format) for source in image.sources])

    @torch.no_grad()
    def maps(self, tiles: Sequence[np.ndarray]) -> Maps:
        """
        Args:
            tiles (`Sequence[np.ndarray]`): B of shape `(T, C, h, w)`.

        Returns:
            `list[torch.Tensor]`: four of shape `(B, T, D, h, w)`.
        """
        dates = [date for tile in tiles for date in tile]
        maps = self.encoder.tile_layers(dates, self.tile_format)
        if self.pyramid == "nili":
            maps = self._nili_maps(dates, maps[-1].shape[-2:])
        return [one.float().unflatten(0, (len(tiles), -1)) for one in maps]

    def _nili_maps(self, dates: Sequence[np.ndarray], grid: torch.Size) -> Maps:
        height, width = (_LEVELS[0] * side for side in grid)
        maps = [self.encoder.tile_map(dates, self.tile_format, (int(height), int(width)))]
        for _ in _LEVELS[1:]:
            maps.append(F.avg_pool2d(maps[-1], 2))
        return maps

    def new_decoder(
        self,
        example: np.ndarray,
        outputs: int,
        settings: UperNetSettings,
        numbers: tuple[float, float] | None = None,
    ) -> Decoder:
        """An untrained decoder for maps like those of `example`, `(T, C, H, W)`; for `numbers` see [`Decoder`]."""
        maps = self.maps([example])
        one_size = len({one.shape[-2:] for one in maps}) == 1
        widths = [one.shape[2] for one in maps]
        return Decoder(widths, outputs, settings.channels, one_size, len(example), numbers)


class TileMaps:
    """Tiles of a split with their maps. Without random windows the maps do not change and are kept if memory allows."""

    def __init__(self, images: Images, backbone: Backbone, window: int | None):
        self.images, self.backbone, self.window = images, backbone, window
        self._kept: dict[int, tuple[Maps, np.ndarray]] = {}
        self._free = _KEPT_BYTES

    def whole_tiles(self, indexes: Sequence[int]) -> tuple[Maps, list[np.ndarray]]:
        """Maps `(B, T, D, h, w)` and labels `(H, W)` of whole tiles."""
        absent = [index for index in indexes if index not in self._kept]
        fresh: dict[int, tuple[Maps, np.ndarray]] = {}
        if absent:
            images = [self.images[index] for index in absent]
            maps = self.backbone.maps([self.backbone.read(image) for image in images])
            for row, (index, image) in enumerate(zip(absent, images)):
                fresh[index] = [one[row] for one in maps], image.label
        self._keep(fresh)
        found = [fresh.get(index) or self._kept[index] for index in indexes]
        return [torch.stack(level) for level in zip(*(maps for maps, _ in found))], [label for _, label in found]

    def random_windows(self, indexes: Sequence[int], draws: np.random.Generator) -> tuple[Maps, list[np.ndarray]]:
        """Maps and labels of one random window per tile."""
        assert self.window is not None
        tiles, labels = [], []
        for index in indexes:
            image = self.images[index]
            tile = self.backbone.read(image)
            row, column = window_around_a_label(image.label, self.window, draws)
            tiles.append(tile[..., row : row + self.window, column : column + self.window])
            labels.append(image.label[row : row + self.window, column : column + self.window])
        return self.backbone.maps(tiles), labels

    def _keep(self, fresh: dict[int, tuple[Maps, np.ndarray]]) -> None:
        for index, (maps, label) in fresh.items():
            size = sum(one.numel() * one.element_size() for one in maps)
            if size <= self._free:
                self._kept[index] = maps, label
                self._free -= size


def window_around_a_label(label: np.ndarray, window: int, draws: np.random.Generator) -> tuple[int, int]:
    """
    The first row and column of a random window that holds a labelled pixel if the tile has one: on sparsely labelled tiles,
    most other windows would teach nothing.

    Args:
        label (`np.ndarray` of shape `(H, W)`): -1 or NaN where there is no label.
        window (`int`): its side; along an axis where the tile is smaller, the window starts at 0.
    """
    labelled = np.argwhere(is_labelled(label))
    centre = labelled[draws.integers(len(labelled))] if len(labelled) else np.array(label.shape) // 2
    corner = []
    for position, side in zip(centre, label.shape):
        last = max(0, side - window)
        corner.append(int(draws.integers(max(0, position - window + 1), min(position, last) + 1)) if last else 0)
    return corner[0], corner[1]


def window_starts(side: int, window: int) -> list[int]:
    """Starts of the fewest windows that cover a side evenly (PANGAEA's sliding inference)."""
    if side <= window:
        return [0]
    return np.linspace(0, side - window, -(-side // window)).round().astype(int).tolist()


def is_labelled(label: np.ndarray) -> np.ndarray:
    """Which pixels `(H, W)` of a label are scored."""
    return np.isfinite(label) if label.dtype.kind == "f" else label != IGNORED
