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
"""Rasters become chips and dense maps through the program's own path: plan, run, finish."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
import xarray as xr

from modeling_gair.bands_gair import GAIR_BANDS
from modeling_gair.crs_gair import unproject
from tests.helpers.embedding import MODEL, run_embed
from tests.helpers.rasters import made_scene, rasterio, write_tif
from training.embedding.command import SOME_BAD, embed
from training.embedding.options import EmbedOptions
from training.embedding.outputs.rows import read_vectors


@pytest.fixture(scope="module")
def raster(tmp_path_factory) -> Path:
    """120 x 200 pixels of 10 m, the last 60 columns without data, and one window with impossible values."""
    pixels = made_scene(120, 200)
    pixels[:, :, 140:] = 0
    pixels[:, 70:90, 70:90] = np.random.default_rng(0).integers(40_000, 60_000, (10, 20, 20))
    return write_tif(tmp_path_factory.mktemp("raster") / "S2 scene.tif", pixels, names=GAIR_BANDS)


def mapped(input, output, **options):
    status, complete = embed(EmbedOptions(model=MODEL, input=str(input), output=output, what="pixels", **options))
    assert complete
    return status


def errors_of(output):
    return [json.loads(line) for line in (output / "errors.jsonl").read_text(encoding="utf-8").splitlines()]


def test_chips_are_rows_with_their_places(raster, tmp_path, capsys):
    status, table = run_embed(raster, tmp_path / "out", what="chips", window_m=600.0, datetime="2026-06-01T10:20:30Z")
    # 4 x 2 windows: one is refused, and the last column has no data.
    assert status == SOME_BAD and len(table) == 5
    assert [error["id"] for error in errors_of(tmp_path / "out")] == ["S2 scene.tif#60,60,120,120"]
    assert "Windows have 60 x 60 pixels" in capsys.readouterr().out
    rows = {row["id"]: row for row in table.to_pylist()}
    row = rows["S2 scene.tif#60,0,120,60"]
    assert row["pixel_bbox"] == [60, 0, 120, 60] and row["source"] == "S2 scene.tif" and row["modality"] == "tile"
    assert row["valid_fraction"] == 1 and row["datetime"].isoformat() == "2026-06-01T10:20:30+00:00"
    assert rows["S2 scene.tif#120,0,180,60"]["valid_fraction"] == pytest.approx(1 / 3)
    lon, lat = unproject(500900, 4999700, "EPSG:32633")
    assert (row["lon"], row["lat"]) == pytest.approx((float(lon), float(lat)), abs=1e-6)
    assert shapely.from_wkb(row["geometry"]).contains(shapely.Point(float(lon), float(lat)))


def test_chips_are_embedded_as_tiles(raster, tmp_path):
    from modeling_gair import GairModel, GairProcessor

    _, table = run_embed(raster, tmp_path / "out", what="chips", window_m=600.0)
    place = table["id"].to_pylist().index("S2 scene.tif#0,60,60,120")
    model, processor = GairModel.from_pretrained(MODEL).eval(), GairProcessor.from_pretrained(MODEL)
    tile = processor.image_processor.read(raster, window=(0, 60, 60, 120))
    expected = model.get_rs_features(processor.image_processor.prepare([tile.pixels]))[0].detach().numpy()
    np.testing.assert_allclose(read_vectors(table)[place], expected, rtol=1e-4, atol=1e-5)


def test_chips_of_bands_that_only_the_command_names(tmp_path):
    pixels = made_scene(60, 120)
    write_tif(tmp_path / "named.tif", pixels, names=GAIR_BANDS)
    write_tif(tmp_path / "unnamed.tif", pixels[::-1])
    given = ", ".join(reversed(GAIR_BANDS))
    _, named = run_embed(tmp_path / "named.tif", tmp_path / "named", what="chips", window_m=600.0)
    status, unnamed = run_embed(
        tmp_path / "unnamed.tif", tmp_path / "unnamed", what="chips", window_m=600.0, bands=given
    )
    assert status == 0 and len(unnamed) == 2
    np.testing.assert_array_equal(read_vectors(unnamed), read_vectors(named))


def test_a_dense_map_with_catalogue_card_and_picture(raster, tmp_path, capsys, reference_dir):
    output = tmp_path / "out"
    status = mapped(raster, output, window_m=800.0, dtype="int8", datetime="2026-06-01")
    assert status == SOME_BAD and all("S2 scene.tif#" in error["id"] for error in errors_of(output))
    assert "map.zarr holds" in capsys.readouterr().out
    data = xr.open_zarr(output / "map.zarr", consolidated=False)
    embeddings = (data.embeddings * data.scales).to_numpy()
    assert embeddings.shape == (96, 30, 50)
    assert np.isnan(embeddings[:, :, 35:]).all() and np.isfinite(embeddings[:, :, 30:35]).all()
    job = json.loads((output / "job.json").read_text())
    assert str(raster.parent) not in json.dumps(job)
    collection = json.loads((output / "collection.json").read_text())
    assert collection["emb:type"] == "pixel" and collection["emb:dimensions"] == 96
    item = json.loads((output / "items" / "map.json").read_text())
    assert item["assets"]["embeddings"]["href"] == "../map.zarr"
    schema = json.loads((reference_dir / "schemas" / "stac-embeddings-v0.0.1.json").read_text())
    for one in (collection, item):
        jsonschema.validate(one, _without_references(schema))
    card = (output / "README.md").read_text()
    assert 'xarray.open_zarr("map.zarr", consolidated=False)' in card and "data.scales" in card
    assert (output / "preview.png").read_bytes().startswith(b"\x89PNG")


def _without_references(schema):
    """The schema without what it refers to elsewhere, which is not fetched."""
    if isinstance(schema, dict):
        return {
            key: _without_references(value)
            for key, value in schema.items()
            if not (key == "$ref" and value.startswith("http"))
        }
    return [_without_references(one) for one in schema] if isinstance(schema, list) else schema


def test_a_dense_map_as_geotiffs(raster, tmp_path):
    mapped(raster, tmp_path / "out", window_m=800.0, map_format="cog")
    mapped(raster, tmp_path / "zarr", window_m=800.0)
    data = xr.open_zarr(tmp_path / "zarr" / "map.zarr", consolidated=False)
    with rasterio.open(tmp_path / "out" / "map" / "000000_000000.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), data.embeddings.to_numpy())
        assert dataset.bounds == (500000, 4998800, 502000, 5000000)
    item = json.loads((tmp_path / "out" / "items" / "000000_000000.json").read_text())
    assert item["assets"]["embeddings"]["href"] == "../map/000000_000000.tif"


def test_a_part_that_was_lost_is_made_again(raster, tmp_path, capsys):
    output = tmp_path / "out"
    mapped(raster, output, window_m=800.0)
    shard = output / "map.zarr" / "embeddings" / "c" / "0" / "0" / "0"
    before = shard.read_bytes()
    shard.unlink()
    mapped(raster, output, window_m=800.0)
    assert "What 1 task wrote is missing or cut off, first task 0; it is made again." in capsys.readouterr().out
    assert shard.read_bytes() == before


def test_another_command_is_refused(raster, tmp_path):
    mapped(raster, tmp_path / "out", window_m=800.0)
    with pytest.raises(ValueError, match=r"--resolution_m is 20\.0 and was None"):
        mapped(raster, tmp_path / "out", window_m=800.0, resolution_m=20.0)


@pytest.mark.parametrize("what", ["chips", "pixels"])
def test_a_dry_run_writes_nothing(raster, tmp_path, what, capsys):
    options = EmbedOptions(
        model=MODEL, input=str(raster), output=tmp_path / "out", what=what, window_m=600.0, dry_run=True
    )
    assert embed(options) == (0, False)
    said = capsys.readouterr().out
    assert "Dry run:" in said and ("1,500 cells" in said) == (what == "pixels")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"what": "chips", "resolution_m": 40.0}, "--resolution_m is for dense maps; pass it with --what pixels"),
        ({"what": "pixels", "resolution_m": -1.0}, "--resolution_m is -1.0, expected metres above 0"),
        (
            {"what": "pixels", "map_format": "cog", "dtype": "float16"},
            "--dtype is float16, of which no GeoTIFFs are written",
        ),
        ({"what": "tiles", "window_m": 600.0}, "--window_m is for rasters; pass it with --what chips"),
        ({"what": "photos", "bands": "B02,B03"}, "--bands is for a raster or a folder of tiles"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        EmbedOptions(model=MODEL, input="scene.tif", output=tmp_path, **options)


def test_a_time_that_is_none_is_refused(raster, tmp_path):
    with pytest.raises(ValueError, match="--datetime is 'June', expected a date or a time"):
        run_embed(raster, tmp_path / "out", what="chips", datetime="June")


def test_rows_of_chips_are_of_one_schema(raster, tmp_path):
    run_embed(raster, tmp_path / "out", what="chips", window_m=600.0, dtype="float16")
    metadata = pq.read_schema(tmp_path / "out" / "embeddings" / "00000.parquet").metadata
    about = json.loads(metadata[b"emb"])
    assert about["emb:chip_layout"] == {"layout_type": "regular_grid", "chip_size": [60, 60], "stride": [60, 60]}
