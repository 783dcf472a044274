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
"""What a job would cost, from the photos that it selects."""

import re

import pytest

from training.street_pairs.dry_run import dry_run
from training.street_pairs.options import StreetPairsOptions


@pytest.fixture
def table(tmp_path):
    lines = ["id,lon,lat,time,source"]
    lines += [f"{n},{12 + 0.1 * (n % 4) + 0.001 * n},48.0,2021-06-0{1 + n % 3},mapillary" for n in range(40)]
    path = tmp_path / "photos.csv"
    path.write_text("\n".join(lines))
    return path


def numbers(text):
    """Pairs, tiles, requests, those for photos, searches and tiles, gigabytes, hours and disk of each line."""
    lines = [line for line in text.splitlines() if "pairs in" in line]
    return [[float(part.replace(",", "")) for part in re.findall(r"[\d,]*\.?\d+", line)] for line in lines]


def test_costs_are_in_proportion_and_nothing_is_written(table, tmp_path):
    output = tmp_path / "out"
    text = dry_run(StreetPairsOptions(input=str(table), output=output, provider="earth-search-c1", test_share=0.0))
    here, thousand, more, million = numbers(text)
    pairs, tiles, requests, photos, searches, pixels = here[:6]
    # A description for each 50 photos, and an image for each.
    assert pairs == 40 and photos == round(40 * 1.02) and requests == pytest.approx(photos + searches + pixels, abs=1)
    assert pixels == 18 * tiles and thousand[0] == 1000 and more[0] == 1e5 and million[0] == 1e6
    assert million[2] == pytest.approx(1e6 / pairs * requests, rel=0.02)
    assert million[6] == pytest.approx(1000 * thousand[6], rel=0.1)
    assert not output.exists() and "Nothing was downloaded." in text


def test_what_is_on_this_machine_costs_no_requests(table, tmp_path):
    table.write_text("id,lon,lat,path\na,13.0,52.0,a.jpg\n")
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    options = {"own_photos": "Mine.", "test_share": 0.0, "provider": str(scenes), "output": tmp_path / "out"}
    ((pairs, tiles, *requests), *_) = numbers(dry_run(StreetPairsOptions(input=str(table), **options)))
    assert (pairs, tiles) == (1, 1) and requests[:5] == [0, 0, 0, 0, 0]


def test_more_workers_take_less_time(table, tmp_path):
    options = {"input": str(table), "output": tmp_path / "out", "provider": "cdse", "test_share": 0.0}
    hours = [numbers(dry_run(StreetPairsOptions(**options, workers=workers)))[3][7] for workers in (1, 2)]
    assert hours[0] == pytest.approx(2 * hours[1], rel=0.06)


def test_panoramas_are_cut_out_of_larger_files(table, tmp_path):
    rows = [
        f"{n},{12 + 0.1 * (n % 4) + 0.001 * n},48.0,kartaview,{('perspective', 'spherical')[n % 2]}" for n in range(40)
    ]
    table.write_text("\n".join(["id,lon,lat,source,camera", *rows]))
    options = {"input": str(table), "output": tmp_path / "out", "provider": "cdse", "test_share": 0.0}
    dropped, cut = (dry_run(StreetPairsOptions(**options, panoramas=panoramas)) for panoramas in ("drop", "cut"))
    assert "a panorama" in cut and "panorama" not in dropped
    (kept, tiles), (pairs, more) = ((line[0], line[1]) for line in (numbers(dropped)[0], numbers(cut)[0]))
    assert (kept, pairs) == (20, 40)
    # 20 photos of 0.2 MB each, or also 20 of 4 MB, and 5.4 MB a tile.
    assert numbers(dropped)[0][6] == pytest.approx((4 + 5.4 * tiles) / 1000, rel=0.05)
    assert numbers(cut)[0][6] == pytest.approx((84 + 5.4 * more) / 1000, rel=0.05)


def test_mapillary_photos_of_unknown_cameras_are_counted_by_a_share(table, tmp_path):
    options = {"input": str(table), "output": tmp_path / "out", "provider": "cdse", "test_share": 0.0}
    dropped, cut = (numbers(dry_run(StreetPairsOptions(**options, panoramas=way)))[3][6] for way in ("drop", "cut"))
    # 0.28 × 3.8 MB more for each of a million photos.
    assert cut - dropped == pytest.approx(1064, rel=0.1)
