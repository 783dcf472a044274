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
From selected tiles to their pixels: search, choose, tiles. The made scenes show a wave of longitude and latitude, so that a misplacement,
a wrong band or a wrong offset is a wrong value.
"""

import shutil

import numpy as np
import pytest

pytest.importorskip("pystac_client", reason="the extra streets is not installed")

import pyarrow.parquet as pq
import rasterio

from modeling_gair.bands_gair import BAND_ORDERS, GAIR_BANDS
from modeling_gair.crs_gair import project, unproject
from tests.helpers.loopback.selection import write_selection
from tests.helpers.loopback.service import Fault
from tests.helpers.loopback.stac import COLLECTIONS, write_catalogue
from tests.helpers.loopback.world import NOISE, SITES, TWENTY_METRES, Site, read_world, truth
from training.common.schema import unpack_tile
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.scenes import reader as reader_module
from training.street_pairs.stages import choose, search, tiles
from training.street_pairs.units import count_failures, read_failures, unit_file

WINDOW_M = 480
EVIDENCE = {"earth-search": "pixels", "earth-search-c1": "asset", "planetary-computer": "baseline", "cdse": "asset"}


def options_of(output, provider, place, **others):
    values = {"window_m": WINDOW_M, "requests_per_second": 1000.0, "max_cloud": 0.3, "max_shadow": 0.3} | others
    return StreetPairsOptions(input="photos.csv", output=output, provider=provider, stac_url=place, **values)


def run(options, *stages):
    """Does stages; returns the rows of the last."""
    for stage in stages or (search, choose, tiles):
        for rank in range(len(stage.plan(options, options.output))):
            stage.run(options, options.output, rank)
    name = (stages or (tiles,))[-1].__name__.rpartition(".")[2]
    files = sorted((options.output / name).glob("0*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def failures(output, stage):
    return count_failures(unit_file(output, stage, 0))


def check_truth(row):
    """Every clear pixel of a tile is the truth at its centre, up to rounding and the noise of the scene."""
    west, _, _, north = row["bounds"]
    for band, values in zip(row["bands"], unpack_tile(row)):
        metres = 20 if band in TWENTY_METRES else 10
        step = metres // 10
        doubled = values[::step, ::step].repeat(step, 0).repeat(step, 1)
        np.testing.assert_array_equal(values, doubled)
        centres = metres * (np.arange(WINDOW_M // metres) + 0.5)
        places = unproject(*np.meshgrid(west + centres, north - centres), row["crs"])
        error = np.abs(values[::step, ::step] - truth(band, *places))
        right = error <= (1 if band == "B02" else NOISE + 1)
        assert right.mean() >= row["clear_fraction"] - 1e-6, (row["tile_id"], band)


@pytest.mark.parametrize("provider", COLLECTIONS)
def test_tiles_show_the_truth_whatever_the_provider(provider, service, tmp_path):
    write_selection(tmp_path)
    options = options_of(tmp_path, provider, f"{service.url}/{provider}/stac")
    rows = run(options)
    assert len(rows) == 12 and {row["crs"][-2:] for row in rows} >= {"32", "17"}
    assert {row["crs"] for row in rows} & {"EPSG:32701", "EPSG:32760"}
    for row in rows:
        check_truth(row)
        assert row["bands"] == list(GAIR_BANDS) and row["tile_shape"] == [10, 48, 48]
        new = row["baseline"] >= "05.00"
        assert row["offset_removed"] == new
        assert row["offset_evidence"] == (EVIDENCE[provider] if new else "baseline")
    chosen = pq.read_table(unit_file(tmp_path, "choose", 0)).to_pylist()
    tiles_of = {row["tile_id"]: row for row in pq.read_table(tmp_path / "select" / "tiles.parquet").to_pylist()}
    for row in chosen:
        tile = tiles_of[row["tile_id"]]
        x, y = project(tile["lon"], tile["lat"], row["crs"])
        bounds = next(other["bounds"] for other in rows if other["tile_id"] == row["tile_id"])
        assert row["column"] % 2 == row["row"] % 2 == 0
        assert bounds[0] < x < bounds[2] and bounds[1] < y < bounds[3]


def test_scenes_of_earth_search_whose_offset_is_left_in_are_dropped_and_counted(service, tmp_path):
    place = f"{service.url}/earth-search/stac"
    write_selection(tmp_path, SITES[:1], day=20, days=2)
    assert run(options_of(tmp_path, "earth-search", place)) == []
    assert failures(tmp_path, "choose") == {"ambiguous_offset": 4, "scene_ambiguous_offset": 2}
    # The collection that declares its offsets truly has them.
    again = tmp_path / "c1"
    write_selection(again, SITES[:1], day=20, days=2)
    rows = run(options_of(again, "earth-search-c1", place.replace("earth-search", "earth-search-c1")))
    assert len(rows) == 4
    for row in rows:
        check_truth(row)


@pytest.mark.ci
@pytest.mark.parametrize("provider", COLLECTIONS)
def test_scenes_of_old_baselines_have_no_offset_and_edges_are_told(provider, service, tmp_path):
    write_selection(tmp_path, SITES[:1], tiles=8, day=5, days=1)
    rows = run(options_of(tmp_path, provider, f"{service.url}/{provider}/stac"))
    assert 0 < len(rows) < 8
    assert failures(tmp_path, "choose") == {"nodata": 8 - len(rows)}
    for row in rows:
        check_truth(row)
        assert (row["baseline"], row["offset_removed"], row["offset_evidence"]) == ("03.01", False, "baseline")
        assert row["valid_fraction"] == 1
    again = tmp_path / "with-edge"
    write_selection(again, SITES[:1], tiles=8, day=5, days=1)
    rows = run(options_of(again, provider, f"{service.url}/{provider}/stac", max_nodata=0.95))
    partial = [row for row in rows if row["valid_fraction"] < 1]
    assert partial and all(row["clear_fraction"] <= row["valid_fraction"] + 1e-6 for row in partial)
    for row in partial:
        check_truth(row)
        assert (unpack_tile(row).any(axis=0).mean()) == pytest.approx(row["valid_fraction"])


def test_of_two_baselines_of_an_acquisition_the_later_is_taken(service, tmp_path):
    write_selection(tmp_path, day=0, days=1)
    rows = run(options_of(tmp_path, "cdse", f"{service.url}/cdse/stac"))
    assert {row["baseline"] for row in rows} == {"05.00"}


@pytest.mark.ci
def test_a_folder_of_scenes_gives_what_the_service_gives(made_world, service, tmp_path):
    remote, local = tmp_path / "remote", tmp_path / "local"
    for output in (remote, local):
        write_selection(output)
    write_catalogue(made_world, "cdse", tmp_path / "items.json")
    rows = run(options_of(remote, "cdse", f"{service.url}/cdse/stac"))
    assert run(options_of(local, "cdse", str(tmp_path / "items.json"))) == rows


def test_files_named_as_products_need_no_items(made_world, tmp_path):
    for scene in read_world(made_world):
        folder = tmp_path / "scenes" / scene.product
        # As downloaded from Earth Search, with the pixels lowered.
        lowered = made_world / scene.folder(scene.offset)
        shutil.copytree(lowered, folder)
        shutil.copy(made_world / scene.folder(False) / "SCL.tif", folder / "SCL.tif")
    write_selection(tmp_path / "job")
    rows = run(options_of(tmp_path / "job", str(tmp_path / "scenes"), None))
    assert len(rows) == 12 and {row["offset_evidence"] for row in rows} <= {"pixels", "baseline"}
    for row in rows:
        check_truth(row)


def test_real_rasters_that_name_their_bands_are_scenes(data_dir, tmp_path):
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    names = BAND_ORDERS["sentinel2_l2a_12"]
    with rasterio.open(data_dir / "sentinel2" / "patch_752389.tif") as source:
        pixels, profile = source.read(), source.profile
        x, y = source.transform * (128, 128)
        crs = f"EPSG:{source.crs.to_epsg()}"
    with rasterio.open(scenes / "tripoli_20210615.tif", "w", **profile) as target:
        target.write(pixels)
        target.descriptions = names
    lon, lat = unproject(x, y, crs)
    site = Site("real", float(lon), float(lat))
    write_selection(tmp_path / "job", [site], tiles=6)
    (row, *_) = run(options_of(tmp_path / "job", str(scenes), None, window_m=1200))
    chosen = pq.read_table(unit_file(tmp_path / "job", "choose", 0)).to_pylist()
    window = next(one for one in chosen if one["tile_id"] == row["tile_id"])
    top, left = window["row"], window["column"]
    expected = pixels[[names.index(band) for band in GAIR_BANDS], top : top + 120, left : left + 120]
    np.testing.assert_array_equal(unpack_tile(row), expected)
    assert row["clear_fraction"] is None and row["offset_evidence"] == "pixels"


@pytest.mark.ci
def test_faults_that_pass_change_nothing(service, tmp_path):
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    for output in (calm, rough):
        write_selection(output)
    place = f"{service.url}/planetary-computer/stac"
    run(options_of(calm, "planetary-computer", place))
    service.faults += [
        Fault("429 Retry-After", r"/search", every=2, times=1),
        Fault("html", r"/search", every=3, times=1),
        Fault("500", r"/sas/", times=1),
        Fault("500", r"/files/", every=40),
        Fault("429", r"/files/", every=55),
    ]
    run(options_of(rough, "planetary-computer", place))
    assert {service.counts[f"fault {kind}"] > 0 for kind in ("429 Retry-After", "html", "500", "429")} == {True}
    for stage in ("search", "choose", "tiles"):
        assert unit_file(rough, stage, 0).read_bytes() == unit_file(calm, stage, 0).read_bytes()


def test_a_band_that_is_gone_leads_to_the_next_scene(made_world, service, tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    for output in (before, after):
        write_selection(output, SITES[:1], tiles=2)
    options = options_of(before, "cdse", f"{service.url}/cdse/stac")
    lost = {row["item_id"] for row in run(options, search, choose)}
    scenes = {scene.product: scene.name for scene in read_world(made_world)}
    service.faults += [Fault("404", f"/files/{scenes[product]}/original/B05") for product in lost]
    rows = run(options_of(after, "cdse", f"{service.url}/cdse/stac"))
    assert len(rows) == 2 and not {row["product_id"] for row in rows} & lost
    assert failures(after, "choose") == {"scene_gone": len(lost)}


@pytest.mark.ci
def test_what_fails_in_passing_is_made_later_and_no_other_scene_takes_its_place(service, tmp_path, monkeypatch):
    monkeypatch.setitem(reader_module._GDAL, "GDAL_HTTP_MAX_RETRY", 0)
    calm, rough = tmp_path / "calm", tmp_path / "rough"
    for output in (calm, rough):
        write_selection(output, SITES[:2], tiles=2)
    place = f"{service.url}/cdse/stac"
    run(options_of(calm, "cdse", place))
    down = Fault("500", r"/files/border_.*_2_0510/original/(SCL|B0)")
    service.faults.append(down)
    rows = run(options_of(rough, "cdse", place), search, choose)
    assert failures(rough, "choose") == {"unreadable": 4 - len(rows)} and len(rows) < 4
    assert not any(failure.permanent for failure in read_failures(unit_file(rough, "choose", 0)))
    service.faults.clear()
    run(options_of(rough, "cdse", place), choose, tiles)
    for stage in ("choose", "tiles"):
        assert unit_file(rough, stage, 0).read_bytes() == unit_file(calm, stage, 0).read_bytes()
