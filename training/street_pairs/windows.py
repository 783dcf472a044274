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
"""
Where the window of a tile lies. The photo that anchors a tile may be anywhere in it, so that a model cannot learn that photos are
taken at centres: two seeded draws say where.
"""

from dataclasses import dataclass
from typing import Any

from modeling_gair.crs_gair import Bounds

PIXEL_M = 10
# A window begins at a pixel of the 20 m bands.
STEP_M = 2 * PIXEL_M
# Beginning at such a pixel moves the anchor by less than 20 m, so it stays inside.
ANCHOR_MARGIN_M = 30.0


@dataclass(frozen=True)
class SceneGrid:
    """
    The 10 m pixels of a scene.

    Attributes:
        crs (`str`): the scene's UTM zone, such as `"EPSG:32632"`.
        west, north (`float`): the scene's corner in metres.
        width, height (`int`): pixels.
    """

    crs: str
    west: float
    north: float
    width: int
    height: int


@dataclass(frozen=True)
class PixelWindow:
    """
    A square of 10 m pixels of a scene.

    Attributes:
        column, row (`int`): of the north-western pixel; even, and so also a pixel of the 20 m bands.
        side (`int`): pixels; even.
    """

    column: int
    row: int
    side: int

    def lies_in(self, grid: SceneGrid) -> bool:
        """Whether all of the window is in the scene."""
        inside = self.column + self.side <= grid.width and self.row + self.side <= grid.height
        return self.column >= 0 and self.row >= 0 and inside

    def bounds(self, grid: SceneGrid) -> Bounds:
        """West, south, east, north in metres of the scene's UTM zone."""
        west, north = grid.west + self.column * PIXEL_M, grid.north - self.row * PIXEL_M
        return west, north - self.side * PIXEL_M, west + self.side * PIXEL_M, north


def anchor_offset_m(draw: Any, window_m: int) -> Any:
    """
    The distance of the anchor from the western side of its window, or from the northern one.

    Args:
        draw (`float` or `np.ndarray`): in [0, 1), `draw_x` or `draw_y` of the tile.
        window_m (`int`): the window's side in metres.

    Returns:
        Metres, in the shape of `draw`: at least [`ANCHOR_MARGIN_M`] from both sides. Beginning at an even pixel adds less than 20 m.
    """
    return ANCHOR_MARGIN_M + draw * (window_m - 2 * ANCHOR_MARGIN_M)


def place_window(grid: SceneGrid, x: float, y: float, draw_x: float, draw_y: float, window_m: int) -> PixelWindow:
    """
    The window of a tile in a scene, which may extend beyond the scene.

    Args:
        grid ([`SceneGrid`]): the scene's pixels.
        x, y (`float`): the anchor in metres of the scene's UTM zone.
        draw_x, draw_y (`float`): in [0, 1), where in the window the anchor lies, from the west and from the north.
        window_m (`int`): the window's side in metres, a multiple of 20.
    """
    column = 2 * int((x - grid.west - anchor_offset_m(draw_x, window_m)) // STEP_M)
    row = 2 * int((grid.north - y - anchor_offset_m(draw_y, window_m)) // STEP_M)
    return PixelWindow(column, row, window_m // PIXEL_M)
