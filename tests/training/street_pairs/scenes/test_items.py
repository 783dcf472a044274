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
"""Items of any provider become the same rows."""

import pytest

pytest.importorskip("pystac_client", reason="the extra streets is not installed")

from training.street_pairs.errors import Unusable, UnusableScene
from training.street_pairs.scenes.items import latest_baselines, scene_row

PRODUCT = "S2B_MSIL2A_20220301T101031_N0510_R022_T32UQD_20240101T000000"
BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")


def item(name=PRODUCT, assets=None, **properties):
    square = {"type": "Polygon", "coordinates": [[[12, 48], [13, 48], [13, 49], [12, 49], [12, 48]]]}
    assets = assets or {band: {"href": f"{band}.tif"} for band in BANDS}
    return {"id": name, "geometry": square, "properties": properties, "assets": assets}


def test_the_name_of_a_product_tells_what_properties_do_not():
    row = scene_row(item())
    assert (row["platform"], row["mgrs"], row["baseline"]) == ("sentinel-2b", "32UQD", "05.10")
    assert row["datetime"].isoformat() == "2022-03-01T10:10:31+00:00"


@pytest.mark.parametrize(("text", "baseline"), [("05.10", "05.10"), ("5.10", "05.10"), ("N0301", "03.01"), ("x", None)])
def test_baselines_are_written_alike(text, baseline):
    row = scene_row(item("scene", datetime="2022-03-01T10:10:31Z", **{"s2:processing_baseline": text}))
    assert row["baseline"] == baseline


def test_of_several_resolutions_the_finest_is_read():
    assets = {f"{band}_{metres}m": {"href": f"{band}_{metres}m.jp2"} for band in BANDS for metres in (60, 20, 10)}
    assert '"B04": {"href": "B04_10m.jp2"' in scene_row(item(assets=assets))["assets"]


def test_an_item_without_a_band_is_refused():
    assets = {band: {"href": f"{band}.tif"} for band in BANDS if band != "B11"}
    with pytest.raises(Unusable, match="no asset of B11"):
        scene_row(item(assets=assets))


@pytest.mark.parametrize(
    "wrong",
    [
        {"properties": None},
        {"properties": {"datetime": "yesterday"}},
        {"geometry": {"type": "Polygon"}},
        {"geometry": {"type": "Polygon", "coordinates": [[[1, 2]]]}},
        {"assets": {"B02": {}}},
        {"assets": [1]},
        {"id": 7, "assets": None},
    ],
)
def test_what_is_no_item_of_a_scene_is_refused_by_its_name(wrong):
    one = item("scene", datetime="2022-03-01T10:10:31Z") | wrong
    with pytest.raises(UnusableScene, match=rf"{one['id']} is not a STAC item of a scene \(.+\)\."):
        scene_row(one)


def test_the_highest_baseline_of_an_acquisition_is_kept():
    old, new = item(PRODUCT.replace("N0510", "N0301")), item()
    other = item(PRODUCT.replace("T32UQD", "T33UUU"))
    kept = latest_baselines(scene_row(one) for one in (new, old, other))
    assert [row["item_id"] for row in kept] == sorted([new["id"], other["id"]])
