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
"""Random augmentation of prepared tiles and photos on their device; query points move with their tiles."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from modeling_gair import GairProcessor
from training.pairs.settings import AugmentationSettings

Tensors = dict[str, torch.Tensor]


def step_generator(seed: int, step: int, process: int) -> torch.Generator:
    """
    The random generator of one step on one process. It depends on nothing else, so a resumed run repeats the same draws.

    Args:
        seed (`int`): seed of the run.
        step (`int`): step of the run, from 1.
        process (`int`): index of the process.
    """
    (state,) = np.random.SeedSequence([seed, step, process]).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state))


class Augmentation:
    """
    Augments the model's inputs, each tile and each photo independently. What is drawn for a GPU is copied without waiting for it.

    Args:
        settings (`AugmentationSettings`): kinds, probabilities and strengths of the changes.
        processor (`GairProcessor`): the processor of the inputs; its mean and std define black in a photo.
    """

    def __init__(self, settings: AugmentationSettings, processor: GairProcessor):
        self.settings = settings
        sv = processor.sv_image_processor
        self._sv_mean, self._sv_std = (torch.tensor(values)[:, None, None] for values in (sv.image_mean, sv.image_std))

    def __call__(self, inputs: Tensors, generator: torch.Generator) -> Tensors:
        """
        Augment a batch.

        Args:
            inputs (`dict[str, torch.Tensor]`): inputs as [`prepare_pairs`] returns them, T tiles with N photos, on any
                device.
            generator (`torch.Generator`): a generator on the CPU.

        Returns:
            `dict[str, torch.Tensor]`: the same inputs with new `rs_pixel_values`, `sv_pixel_values` and `query_points`;
            pixels may leave their nominal range. `inputs` is not modified.
        """
        settings = self.settings
        tiles, points = inputs["rs_pixel_values"], inputs["query_points"]
        index = inputs["tile_index"]
        if settings.rs_crop_scale < 1:
            corner, side = draw_crops(points, index, len(tiles), settings.rs_crop_scale, generator)
            tiles, points = crop(tiles, points, index, corner, side)
        if settings.rs_flip:
            for axis in (0, 1):
                flipped = _chosen(len(tiles), settings.rs_flip, generator).to(tiles.device, non_blocking=True)
                tiles, points = flip(tiles, points, index, flipped, axis)
        if settings.rs_jitter:
            tiles = self._jitter_tiles(tiles, generator)
        photos = inputs["sv_pixel_values"]
        if settings.sv_flip:
            flipped = _chosen(len(photos), settings.sv_flip, generator).to(photos.device, non_blocking=True)
            photos = torch.where(flipped[:, None, None, None], photos.flip(3), photos)
        if settings.sv_jitter:
            photos = self._jitter_photos(photos, generator)
        return {**inputs, "rs_pixel_values": tiles, "query_points": points, "sv_pixel_values": photos}

    def _jitter_tiles(self, tiles: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Change contrast about each band's mean over the tile, which keeps the ratios of the bands' means, then brightness."""
        settings = self.settings
        brightness, contrast = _factors(
            2, len(tiles), settings.rs_jitter, settings.rs_jitter_strength, generator, tiles
        )
        mean = tiles.mean(dim=(2, 3), keepdim=True)
        return brightness * torch.lerp(mean, tiles, contrast)

    def _jitter_photos(self, photos: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Like torchvision's ColorJitter without hue, in units where black is 0, and without clipping."""
        settings = self.settings
        brightness, contrast, saturation = _factors(
            3, len(photos), settings.sv_jitter, settings.sv_jitter_strength, generator, photos
        )
        mean, std = (values.to(photos.device, non_blocking=True) for values in (self._sv_mean, self._sv_std))
        colours = brightness * (photos * std + mean)
        grey = colours.mean(dim=1, keepdim=True)
        colours = torch.lerp(grey, colours, saturation)
        colours = torch.lerp(grey.mean(dim=(2, 3), keepdim=True), colours, contrast)
        return (colours - mean) / std


def flip(
    tiles: torch.Tensor, points: torch.Tensor, tile_index: torch.Tensor, flipped: torch.Tensor, axis: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Mirror some tiles together with their points.

    Args:
        tiles (`torch.Tensor` of shape `(T, C, H, W)`): row 0 in the north.
        points (`torch.Tensor` of shape `(N, Q, 2)`): x east, y south, in [0, 1].
        tile_index (`torch.Tensor` of shape `(N,)`): the tile of each row of points.
        flipped (`torch.Tensor` of shape `(T,)`): bool, which tiles to mirror.
        axis (`int`): 0 for x (east to west), 1 for y (north to south).

    Returns:
        Tiles and points, with the same shapes.
    """
    tiles = torch.where(flipped[:, None, None, None], tiles.flip(3 - axis), tiles)
    moved = points.clone()
    moved[..., axis] = torch.where(flipped[tile_index, None], 1 - points[..., axis], points[..., axis])
    return tiles, moved


def draw_crops(
    points: torch.Tensor, tile_index: torch.Tensor, tiles: int, least_side: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Draw square crops that each contain all points of their tile. The side is uniform between 1 and the larger of
    `least_side` and the extent of the points; the position is uniform among those that contain the points.

    Args:
        points (`torch.Tensor` of shape `(N, Q, 2)`): x east, y south, in [0, 1].
        tile_index (`torch.Tensor` of shape `(N,)`): the tile of each row of points.
        tiles (`int`): number of tiles T.
        least_side (`float`): smallest side as a share of the tile's side, in (0, 1].
        generator (`torch.Generator`): a generator on the CPU.

    Returns:
        North-western corners `(T, 2)` (x, y) and sides `(T, 1)` of the crops, as shares of the tiles' sides.
    """
    low, high = (_per_tile(points, tile_index, tiles, reduce) for reduce in ("amin", "amax"))
    least = (high - low).amax(dim=1, keepdim=True).clamp(min=least_side)
    drawn = torch.rand(tiles, 3, generator=generator).to(points.device, non_blocking=True)
    side = torch.lerp(least, torch.ones_like(least), drawn[:, :1])
    first, last = (high - side).clamp(min=0), torch.minimum(low, 1 - side)
    # Rounding may swap equal bounds.
    return torch.lerp(first, torch.maximum(first, last), drawn[:, 1:]), side


def crop(
    tiles: torch.Tensor, points: torch.Tensor, tile_index: torch.Tensor, corner: torch.Tensor, side: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Cut a square out of each tile and resample it bilinearly to the size of the tile; its points move along.

    Args:
        tiles (`torch.Tensor` of shape `(T, C, H, W)`): row 0 in the north.
        points (`torch.Tensor` of shape `(N, Q, 2)`): x east, y south, in [0, 1].
        tile_index (`torch.Tensor` of shape `(N,)`): the tile of each row of points.
        corner, side (`torch.Tensor` of shape `(T, 2)` and `(T, 1)`): corners and sides as [`draw_crops`] returns them.

    Returns:
        Tiles and points, with the same shapes.
    """
    # In affine_grid's coordinates, from -1 to 1, the crop's centre is 2 corner + side - 1, and half its side is `side`.
    theta = torch.zeros(len(tiles), 2, 3, dtype=tiles.dtype, device=tiles.device)
    theta[:, 0, 0] = theta[:, 1, 1] = side[:, 0]
    theta[:, :, 2] = 2 * corner + side - 1
    grid = F.affine_grid(theta, list(tiles.shape), align_corners=False)
    cropped = F.grid_sample(tiles, grid, mode="bilinear", padding_mode="border", align_corners=False)
    moved = (points - corner[tile_index, None]) / side[tile_index, None]
    # Rounding may move a point on the crop's edge beyond it.
    return cropped, moved.clamp(0, 1)


def _per_tile(points: torch.Tensor, tile_index: torch.Tensor, tiles: int, reduce: str) -> torch.Tensor:
    """Minimum or maximum x and y of each tile's points, `(T, 2)`; 0.5 for a tile without points."""
    index = tile_index[:, None, None].expand_as(points).flatten(0, 1)
    start = points.new_full((tiles, 2), 0.5)
    return start.scatter_reduce(0, index, points.flatten(0, 1), reduce, include_self=False)


def _chosen(count: int, probability: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(count, generator=generator) < probability


def _factors(
    kinds: int, count: int, probability: float, strength: float, generator: torch.Generator, like: torch.Tensor
) -> Any:
    """One factor per kind of change and image, 1 for unchanged images; one tensor `(count, 1, 1, 1)` per kind."""
    changed = _chosen(count, probability, generator)
    drawn = 1 + strength * (2 * torch.rand(kinds, count, generator=generator) - 1)
    return torch.where(changed, drawn, 1.0).to(like, non_blocking=True)[..., None, None, None]
