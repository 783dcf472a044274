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
Chooses a scene for a tile: of those that hold its window and keep to the limits, one with the largest clear share of the window, rounded
to 5 %; of these, the nearest in time to the tile's photos.
"""

import json
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import shapely

from modeling_gair.bands_gair import GAIR_BANDS
from modeling_gair.crs_gair import project
from training.street_pairs.errors import Unusable, UnusableScene
from training.street_pairs.scenes.classification import WindowClasses, window_classes
from training.street_pairs.scenes.items import SCL
from training.street_pairs.scenes.offset import Offset, offset_of
from training.street_pairs.scenes.providers import Provider
from training.street_pairs.scenes.reader import SceneReader
from training.street_pairs.windows import PixelWindow, SceneGrid, place_window

_CLEAR_STEP = 0.05
_BEST_STEP = round(1 / _CLEAR_STEP)


@dataclass(frozen=True)
class Limits:
    """Largest shares of cloud, cloud shadow and pixels without data in a window."""

    cloud: float
    shadow: float
    nodata: float


@dataclass(frozen=True)
class Tile:
    """
    A tile that needs a scene.

    Attributes:
        id (`str`): its name.
        lon, lat (`float`): the anchor in degrees.
        draw_x, draw_y (`float`): where in the window the anchor lies, see [`training.street_pairs.windows`].
        start, end (`datetime`, *optional*): the period of scenes, both ends included; None for any time.
        photo_times (`tuple[datetime, ...]`): of its photos, as far as they are known.
    """

    id: str
    lon: float
    lat: float
    draw_x: float
    draw_y: float
    start: datetime | None
    end: datetime | None
    photo_times: tuple[datetime, ...] = ()

    def days_apart(self, taken: datetime) -> float | None:
        """Median of the days between a scene and the photos."""
        if not self.photo_times:
            return None
        return statistics.median(abs(taken - time) / timedelta(days=1) for time in self.photo_times)


@dataclass(frozen=True)
class Candidate:
    """A scene (a row of the search) whose window keeps to the limits, and what the window holds."""

    scene: dict[str, Any]
    grid: SceneGrid
    window: PixelWindow
    classes: WindowClasses
    days_apart: float | None

    @property
    def step(self) -> int:
        """The clear share in steps; where nothing is known of clouds, that of data."""
        clear = self.classes.valid if self.classes.clear is None else self.classes.clear
        return round(clear / _CLEAR_STEP)


@dataclass(frozen=True)
class Choice(Candidate):
    """The candidate that a tile is read from, and what is known of its scene's offset."""

    offset: Offset


@dataclass
class Chooser:
    """
    Chooses scenes for the tiles of some queries.

    Attributes:
        provider ([`Provider`]), reader ([`SceneReader`]): where scenes come from.
        limits ([`Limits`]): on the window.
        window_m (`int`): the window's side in metres.
        dropped (`dict[str, Unusable]`): scenes that no tile can use, by their ids.
    """

    provider: Provider
    reader: SceneReader
    limits: Limits
    window_m: int
    dropped: dict[str, Unusable] = field(default_factory=dict)
    _grids: dict[str, SceneGrid] = field(default_factory=dict)
    _offsets: dict[str, Offset] = field(default_factory=dict)

    def choose(self, tile: Tile, scenes: Sequence[dict[str, Any]]) -> Choice:
        """
        The best scene.

        Args:
            tile ([`Tile`]): the tile.
            scenes (`Sequence[dict]`): rows of the search around it.

        Raises:
            Unusable: there is none; or one cannot be read at the moment, and might be the best.
        """
        refusals: list[Unusable] = []
        for candidate in self._best_first(tile, scenes, refusals):
            try:
                return self._completed(candidate)
            except Unusable as refusal:
                self._count(candidate.scene, refusal, refusals)
        if not refusals:
            raise Unusable("no_scene", "No scene of the period covers the tile's anchor.")
        if len(refusals) == 1:
            raise Unusable(refusals[0].kind, str(refusals[0]))
        kinds = Counter(refusal.kind for refusal in refusals)
        counted = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
        raise Unusable(kinds.most_common(1)[0][0], f"None of the period's {len(refusals)} scenes is fit: {counted}.")

    def _best_first(
        self, tile: Tile, scenes: Sequence[dict[str, Any]], refusals: list[Unusable]
    ) -> Iterator[Candidate]:
        """
        Candidates from the best to the worst. As they are looked at from the nearest in time on, one in the highest step is the best
        of all that follow, which need not be read.
        """
        others: list[Candidate] = []
        for days, scene in _nearest_first(tile, scenes):
            try:
                candidate = self._candidate(tile, scene, days)
            except Unusable as refusal:
                self._count(scene, refusal, refusals)
                continue
            if candidate.step == _BEST_STEP:
                yield candidate
            else:
                others.append(candidate)
        yield from sorted(others, key=lambda candidate: -candidate.step)

    def _candidate(self, tile: Tile, scene: dict[str, Any], days: float | None) -> Candidate:
        """The window in a scene, if it keeps to the limits."""
        name = scene["item_id"]
        if name in self.dropped:
            raise self.dropped[name]
        assets = json.loads(scene["assets"])
        grid = self._grid(name, assets)
        x, y = project(tile.lon, tile.lat, grid.crs)
        window = place_window(grid, float(x), float(y), tile.draw_x, tile.draw_y, self.window_m)
        if not window.lies_in(grid):
            raise Unusable("outside", f"The window reaches beyond {name}.")
        if SCL in assets:
            classes = window_classes(self.reader.window(assets[SCL], grid, window))
        else:
            classes = WindowClasses(float((self.reader.window(assets["B02"], grid, window) > 0).mean()), None, None)
        self._check(name, classes)
        return Candidate(scene, grid, window, classes, days)

    def _check(self, name: str, classes: WindowClasses) -> None:
        for kind, share, limit, what in (
            ("nodata", 1 - classes.valid, self.limits.nodata, "without data"),
            ("cloudy", classes.cloud or 0.0, self.limits.cloud, "cloud"),
            ("shadow", classes.shadow or 0.0, self.limits.shadow, "cloud shadow"),
        ):
            if share > limit:
                raise Unusable(kind, f"{share:.1%} of the window in {name} is {what}, more than {limit:.1%}.")

    def _grid(self, name: str, assets: dict[str, Any]) -> SceneGrid:
        if name not in self._grids:
            self._grids[name] = self.reader.grid(assets.get(SCL) or assets["B02"])
        return self._grids[name]

    def _completed(self, candidate: Candidate) -> Choice:
        """The choice of a candidate, if its scene has all bands and no doubt about the offset."""
        scene = candidate.scene
        name = scene["item_id"]
        if name in self.dropped:
            raise self.dropped[name]
        if name not in self._offsets:
            assets = json.loads(scene["assets"])
            for band in GAIR_BANDS:
                if self.reader.grid(assets[band]) != candidate.grid:
                    raise UnusableScene("grid", f"{name} has bands that cover different pixels.")
            self._offsets[name] = offset_of(scene, self.provider, self.reader)
        return Choice(**vars(candidate), offset=self._offsets[name])

    def _count(self, scene: dict[str, Any], refusal: Unusable, refusals: list[Unusable]) -> None:
        """Counts a scene that is of no use; one that may be read another time ends the search."""
        if not refusal.permanent:
            raise refusal
        if isinstance(refusal, UnusableScene):
            self.dropped[scene["item_id"]] = refusal
        refusals.append(refusal)


def _nearest_first(tile: Tile, scenes: Sequence[dict[str, Any]]) -> list[tuple[float | None, dict[str, Any]]]:
    """
    The scenes of the tile's period that cover its anchor, with their days apart, the nearest first; those with less cloud first
    where it is the same, or is not known.
    """
    # A footprint that crosses the antimeridian is cut there, or goes on beyond 180 degrees.
    anchor = shapely.points([tile.lon - 360, tile.lon, tile.lon + 360], [tile.lat] * 3)
    found = []
    for scene in scenes:
        taken = scene["datetime"]
        if (tile.start is not None and taken < tile.start) or (tile.end is not None and taken > tile.end):
            continue
        if shapely.intersects(shapely.from_wkb(scene["footprint"]), anchor).any():
            found.append((tile.days_apart(taken), scene))

    def order(one: tuple[float | None, dict[str, Any]]) -> tuple[float, float, str]:
        cloud = one[1]["cloud_cover"]
        return one[0] or 0.0, 100.0 if cloud is None else cloud, one[1]["item_id"]

    return sorted(found, key=order)
