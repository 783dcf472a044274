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
"""The stage that selects: rules in order with their counts, sites, splits, privacy."""

import json
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.helpers.embedding import jpeg
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.stages import select
from training.street_pairs.units import read_failures, unit_file


def write_table(folder, count=400, source="mapillary"):
    rng = np.random.default_rng(0)
    lines = ["id,lon,lat,time,source,licence,sequence,camera_type,path"]
    for number in range(count):
        lon, lat = 12 + 0.1 * (number % 4) + rng.uniform(-0.02, 0.02), 48 + rng.uniform(-0.02, 0.02)
        kind = ("spherical", "fisheye", "perspective")[min(number % 20, 2)]
        licence = "CC0" if number % 10 == 3 else "CC BY-SA 4.0"
        lines.append(
            f"p{number},{lon},{lat},2021-06-{1 + number % 28:02d},{source},{licence},s{number // 5},{kind},a.jpg"
        )
    lines += ["bad,200,95,,mapillary,,,,", "far,10,-70,,mapillary,CC BY-SA 4.0,,,"]
    path = folder / "photos.csv"
    path.write_text("\n".join(lines))
    return str(path)


def run(folder, **options):
    given = StreetPairsOptions(output=folder / "out", input=write_table(folder), **options)
    select.run(given, given.output, 0)
    return [pq.read_table(given.output / "select" / name) for name in (select.PHOTOS, select.TILES)]


def test_rules_are_counted_in_order(tmp_path):
    photos, tiles = run(tmp_path, licences=["CC BY-SA 4.0"], test_share=0.25)
    rules = json.loads((tmp_path / "out" / "select" / "counts.json").read_text())
    assert [rule["after"] for rule in rules][:4] == [401, 400, 400, 360] and rules[0]["before"] == 402
    assert [rule["rule"].split()[0] for rule in rules][:6] == ["with", "where", "since", "licences", "no", "no"]
    of_photos = [rule for rule in rules if rule["of"] == "photos"]
    for rule, following in pairwise(of_photos):
        assert rule["before"] >= rule["after"] == following["before"]
    assert rules[-1]["of"] == "tiles" and rules[-1]["after"] == len(tiles)
    assert set(photos["camera"].to_pylist()) == {"perspective"} and set(photos["licence"].to_pylist()) == {
        "CC BY-SA 4.0"
    }
    assert sum(tiles["photos"].to_pylist()) == len(photos)
    assert set(tiles["split"].to_pylist()) == {"train", "test"}
    assert unit_file(tmp_path / "out", "select", 0).is_file()


def test_times_before_sentinel_2_and_of_mistaken_clocks_are_counted(tmp_path):
    days = ("2015-06-01", "2015-05-01", "9999-12-31", "0001-01-01", "2021-06-01", "")
    lines = [f"p{number},13.{number},52,{day},mapillary" for number, day in enumerate(days)]
    path = tmp_path / "photos.csv"
    path.write_text("\n".join(["id,lon,lat,time,source", *lines]))
    options = StreetPairsOptions(output=tmp_path / "out", input=str(path), test_share=0.0, days=30.0)
    select.run(options, options.output, 0)
    photos = pq.read_table(options.output / "select" / select.PHOTOS)
    # Of the first, a scene may lie within 30 days.
    assert sorted(photos["photo_id"].to_pylist()) == ["p0", "p4", "p5"]
    rules = json.loads((options.output / "select" / "counts.json").read_text())
    assert next(rule for rule in rules if rule["rule"].startswith("since"))["before"] == 6


def test_photos_of_a_tile_share_its_site_and_period(tmp_path):
    photos, tiles = run(tmp_path, thin_m=0.0, days=5.0, test_share=0.25)
    by_tile = {row["tile_id"]: row for row in tiles.to_pylist()}
    assert photos["tile_id"].to_pylist() == sorted(photos["tile_id"].to_pylist())
    sites = {}
    for row in tiles.to_pylist():
        sites.setdefault(row["site"], set()).add(row["split"])
    assert all(len(splits) == 1 for splits in sites.values())
    for photo in photos.to_pylist():
        tile = by_tile[photo["tile_id"]]
        assert tile["time_start"] <= photo["time"] <= tile["time_end"]
        assert (tile["time_end"] - tile["time_start"]).days >= 5


def test_the_seed_decides(tmp_path):
    one = run(tmp_path)[0]
    assert run(tmp_path)[0].equals(one)
    assert not run(tmp_path, seed=1)[0].equals(one)


def test_something_must_be_left_to_train_on(tmp_path):
    with pytest.raises(ValueError, match=r"No tile is left to train on.* --test_share 0"):
        run(tmp_path, site_km=1.0, test_share=0.9)


def test_panoramas_may_be_kept(tmp_path):
    photos, _ = run(tmp_path, panoramas="cut")
    assert "spherical" in photos["camera"].to_pylist() and "fisheye" not in photos["camera"].to_pylist()


def test_own_photos_need_a_statement(tmp_path):
    path = write_table(tmp_path, source="my-camera")
    options = {"output": tmp_path / "out", "input": path}
    with pytest.raises(ValueError, match="'my-camera' are not known to be blurred; pass --own_photos"):
        select.run(StreetPairsOptions(**options), tmp_path / "out", 0)
    select.run(StreetPairsOptions(**options, own_photos="Mine; nobody can be recognised."), tmp_path / "out", 0)


def test_what_cannot_be_used_is_refused_or_listed(tmp_path):
    path = tmp_path / "photos.csv"
    path.write_text("id,lon,lat,source\na,1,2,mapillary\na,3,4,mapillary\n")
    options = StreetPairsOptions(output=tmp_path / "out", input=str(path))
    with pytest.raises(ValueError, match="'a' names several photos"):
        select.run(options, options.output, 0)
    path.write_text("id,lon,lat,source\na,1,-80,mapillary\n")
    with pytest.raises(ValueError, match="No photo is left after all rules"):
        select.run(options, options.output, 0)
    assert json.loads((tmp_path / "out" / "select" / "counts.json").read_text())[-1]["after"] == 0
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "b.jpg").write_bytes(jpeg())
    options = StreetPairsOptions(output=tmp_path / "out", input=str(folder), own_photos="Mine.")
    with pytest.raises(ValueError, match=r"1 photos could not be listed, such as 'b.jpg': it has no position"):
        select.run(options, options.output, 0)
    (folder / "a.jpg").write_bytes(jpeg(13.0, 52.0))
    select.run(options, options.output, 0)
    (failure,) = read_failures(unit_file(tmp_path / "out", "select", 0))
    assert (failure.id, failure.kind) == ("b.jpg", "unreadable")
