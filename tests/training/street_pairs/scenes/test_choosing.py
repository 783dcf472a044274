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

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import shapely

from modeling_gair.bands_gair import GAIR_BANDS
from modeling_gair.crs_gair import unproject
from training.street_pairs.errors import Unusable, UnusableScene
from training.street_pairs.scenes.choosing import Chooser, Limits, Tile
from training.street_pairs.scenes.providers import PROVIDERS
from training.street_pairs.windows import SceneGrid

DAY = datetime(2021, 6, 15, 10, tzinfo=UTC)
GRID = SceneGrid("EPSG:32633", 390_000.0, 5_830_000.0, 400, 400)
LON, LAT = (float(one) for one in unproject(392_000.0, 5_828_000.0, GRID.crs))
VEGETATION, SHADOW, CLOUD = 4, 3, 9
LIMITS = Limits(cloud=0.3, shadow=0.3, nodata=0.0)


def scene(name: str, days: float, cover: float = 0.0, baseline: str = "03.01", **classes: float) -> dict:
    """A row of the search, `days` from the photos, with shares of classes in all of its windows."""
    bands = (*GAIR_BANDS, "SCL")
    assets = {band: {"href": f"{name}/{band}", "index": 1, "scale": None, "offset": None} for band in bands}
    return {
        "item_id": name,
        "datetime": DAY + timedelta(days=days),
        "cloud_cover": cover,
        "footprint": shapely.to_wkb(shapely.box(LON - 0.1, LAT - 0.1, LON + 0.1, LAT + 0.1)),
        "baseline": baseline,
        "assets": json.dumps(assets),
        "classes": classes,
    }


class Reader:
    """Reads scenes whose classes are known; `failing` names files that cannot be read at the moment."""

    def __init__(self, scenes, failing=(), dark=True):
        self.classes = {one["item_id"]: one["classes"] for one in scenes}
        self.failing, self.dark, self.read = failing, dark, []

    def grid(self, asset):
        return GRID

    def window(self, asset, grid, window):
        name = asset["href"].partition("/")[0]
        self.read.append(name)
        if asset["href"] in self.failing:
            raise Unusable("unreadable", f"{name} cannot be read.", permanent=False)
        shares = self.classes[name]
        pixels = np.full(window.side**2, VEGETATION, np.uint8)
        start = 0
        for code, kind in ((CLOUD, "cloud"), (SHADOW, "shadow"), (0, "nodata")):
            end = start + round(shares.get(kind, 0) * len(pixels))
            pixels[start:end] = code
            start = end
        return pixels.reshape(window.side, window.side)

    def overview(self, asset):
        return np.full((10, 10), 300 if self.dark else 1400, np.uint16)


def chosen(scenes, tile=None, provider="planetary-computer", **reading):
    reader = Reader(scenes, **reading)
    chooser = Chooser(PROVIDERS[provider], reader, LIMITS, 1000)
    tile = tile or Tile("t", LON, LAT, 0.5, 0.5, DAY - timedelta(days=30), DAY + timedelta(days=30), (DAY,))
    return chooser.choose(tile, scenes).scene["item_id"], chooser, reader


def test_the_clearest_wins_and_of_those_as_clear_the_nearest_in_time():
    scenes = [scene("cloudy", 1, cloud=0.2), scene("clear", 9), scene("as-clear", -12, shadow=0.02)]
    assert chosen(scenes)[0] == "clear"
    # Within 5 %, the days count.
    nearer = scene("nearer", 3, shadow=0.02)
    assert chosen([*scenes, nearer])[0] == "nearer"


def test_scenes_that_cannot_be_better_are_not_read():
    name, _, reader = chosen([scene("far", 20), scene("near", 2), scene("nearest", -1, cloud=0.1)])
    assert name == "near" and set(reader.read) == {"nearest", "near"}


def test_why_no_scene_is_fit_is_counted():
    scenes = [scene("a", 1, cloud=0.5), scene("b", 2, cloud=0.6), scene("c", 3, shadow=0.4), scene("d", 4, nodata=0.01)]
    with pytest.raises(
        Unusable, match=r"None of the period's 4 scenes is fit: cloudy 2, nodata 1, shadow 1\."
    ) as refusal:
        chosen(scenes)
    assert refusal.value.kind == "cloudy" and refusal.value.permanent
    edge = Tile("t", LON + 0.03, LAT, 0.0, 0.5, None, None)
    with pytest.raises(Unusable, match=r"The window reaches beyond a\."):
        chosen([scene("a", 1)], edge)


def test_only_scenes_of_the_period_that_cover_the_anchor_count():
    late, elsewhere = scene("late", 31), scene("elsewhere", 0)
    elsewhere["footprint"] = shapely.to_wkb(shapely.box(LON + 1, LAT, LON + 2, LAT + 1))
    with pytest.raises(Unusable, match="No scene of the period") as refusal:
        chosen([late, elsewhere])
    assert refusal.value.kind == "no_scene"
    # On the other side of the antimeridian, a footprint may be written beyond 180 degrees.
    beyond = scene("beyond", 0)
    beyond["footprint"] = shapely.to_wkb(shapely.box(LON + 359.9, LAT - 0.1, LON + 360.1, LAT + 0.1))
    assert chosen([beyond])[0] == "beyond"


def test_no_other_takes_the_place_of_a_scene_that_cannot_be_read_at_the_moment():
    scenes = [scene("down", 1), scene("fine", 2)]
    with pytest.raises(Unusable) as refusal:
        chosen(scenes, failing=["down/SCL"])
    assert not refusal.value.permanent


def test_a_scene_of_unknown_offset_is_dropped_for_all_tiles():
    scenes = [scene("ambiguous", 1, baseline="05.10"), scene("old", 5)]
    name, chooser, _ = chosen(scenes, provider="earth-search", dark=False)
    assert name == "old" and isinstance(chooser.dropped["ambiguous"], UnusableScene)


def test_without_times_the_scene_with_the_least_cloud_is_tried_first():
    tile = Tile("t", LON, LAT, 0.5, 0.5, None, None)
    scenes = [scene("hazy", 0, cover=40), scene("bright", 400, cover=2)]
    name, _, reader = chosen(scenes, tile)
    assert name == "bright" and set(reader.read) == {"bright"}
