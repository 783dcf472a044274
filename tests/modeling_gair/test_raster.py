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
"""GeoTIFF reading and the arithmetic of coordinate reference systems."""

import numpy as np
import pytest

from modeling_gair import GairRSImageProcessor
from modeling_gair.crs_gair import ground_size_m, metres_per_unit, project, unproject
from modeling_gair.geo_gair import great_circle_distance_m
from modeling_gair.image_processing_gair_rs import BAND_ORDERS, GAIR_BANDS
from modeling_gair.raster_gair import open_geotiff
from tests.helpers.rasters import made_pixels, rasterio, write_tif


@pytest.fixture
def tif(tmp_path):
    return write_tif(tmp_path / "tile.tif", made_pixels(), names=GAIR_BANDS)


def test_a_whole_raster_is_read(tif):
    tile = GairRSImageProcessor().read(tif)
    np.testing.assert_array_equal(tile.pixels, made_pixels())
    assert tile.pixels.dtype == np.uint16
    assert (tile.bounds, tile.crs, tile.valid_fraction) == ((500000, 4999000, 501200, 5000000), "EPSG:32633", 1.0)


def test_bands_are_found_by_name_in_any_order(tmp_path):
    stack = made_pixels(12)
    names = [name.replace("B0", "B") for name in reversed(BAND_ORDERS["sentinel2_l2a_12"])]
    tile = GairRSImageProcessor().read(write_tif(tmp_path / "t.tif", stack, names=names))
    order = list(reversed(BAND_ORDERS["sentinel2_l2a_12"]))
    np.testing.assert_array_equal(tile.pixels, stack[[order.index(name) for name in GAIR_BANDS]])


def test_only_the_needed_bands_are_decoded(tmp_path):
    path = write_tif(tmp_path / "t.tif", made_pixels(13), names=BAND_ORDERS["sentinel2_l1c_13"])
    with open_geotiff(path) as raster:
        assert raster.read([1, 2])[0].shape == (2, 100, 120)


def test_a_south_up_raster_is_flipped(tmp_path):
    pixels = made_pixels()
    path = write_tif(tmp_path / "t.tif", pixels[:, ::-1], transform=(10, 0, 500000, 0, 10, 4999000), names=GAIR_BANDS)
    processor = GairRSImageProcessor()
    tile = processor.read(path)
    np.testing.assert_array_equal(tile.pixels, pixels)
    assert tile.bounds == (500000, 4999000, 501200, 5000000)
    lon, lat = unproject(500300, 4999700, "EPSG:32633")
    north_up = write_tif(tmp_path / "n.tif", pixels, names=GAIR_BANDS)
    windows = [processor.read(file, tile_size_m=500, lon=lon, lat=lat) for file in (path, north_up)]
    np.testing.assert_array_equal(windows[0].pixels, windows[1].pixels)
    assert windows[0].bounds == windows[1].bounds


@pytest.mark.parametrize("transform", [(10, 1, 500000, 1, -10, 5000000), (-10, 0, 500000, 0, -10, 5000000)])
def test_rotated_and_mirrored_rasters_are_refused(tmp_path, transform):
    path = write_tif(tmp_path / "t.tif", made_pixels(), transform=transform, names=GAIR_BANDS)
    with pytest.raises(ValueError, match="rotated or mirrored"):
        GairRSImageProcessor().read(path)


def test_a_window_has_whole_pixels_and_their_bounds(tif):
    lon, lat = unproject(500603.0, 4999504.0, "EPSG:32633")
    tile = GairRSImageProcessor().read(tif, tile_size_m=600, lon=lon, lat=lat)
    assert tile.pixels.shape == (10, 60, 60)
    assert tile.bounds == (500300, 4999200, 500900, 4999800)
    np.testing.assert_array_equal(tile.pixels, made_pixels()[:, 20:80, 30:90])


def test_a_window_beyond_the_raster_is_filled(tif):
    lon, lat = unproject(500000.0, 5000000.0, "EPSG:32633")
    tile = GairRSImageProcessor().read(tif, tile_size_m=600, lon=lon, lat=lat)
    assert tile.valid_fraction == 0.25
    assert tile.bounds == (499700, 4999700, 500300, 5000300)
    np.testing.assert_array_equal(tile.pixels[:, 30:, 30:], made_pixels()[:, :30, :30])
    assert (tile.pixels[0, :30] == 1173).all()


def test_a_window_that_misses_the_raster_is_refused(tif):
    with pytest.raises(ValueError, match="does not touch"):
        GairRSImageProcessor().read(tif, tile_size_m=600, lon=16.0, lat=45.0)


def test_web_mercator_windows_are_in_ground_metres(tmp_path):
    path = write_tif(
        tmp_path / "t.tif", made_pixels(10, 300, 300), transform=(10, 0, 0, 0, -10, 8401500), crs="EPSG:3857",
        names=GAIR_BANDS,
    )  # fmt: skip
    lon, lat = unproject(1500, 8400000, "EPSG:3857")
    tile = GairRSImageProcessor().read(path, tile_size_m=1000, lon=lon, lat=lat)
    # At 60 degrees north, a metre in web Mercator is half a metre on the ground.
    assert 197 <= tile.pixels.shape[2] <= 203
    np.testing.assert_allclose(ground_size_m(tile.bounds, tile.crs), 1000, atol=10)


def test_a_window_may_cross_the_antimeridian(tmp_path):
    path = write_tif(
        tmp_path / "t.tif", made_pixels(), transform=(1e-4, 0, 179.995, 0, -1e-4, 0.005), crs="EPSG:4326",
        names=GAIR_BANDS,
    )  # fmt: skip
    one, other = (GairRSImageProcessor().read(path, tile_size_m=500, lon=lon, lat=0) for lon in (-179.999, 180.001))
    assert one.bounds == other.bounds


def test_a_pixel_without_data_lacks_every_band(tmp_path):
    pixels = made_pixels()
    pixels[:, :10] = 0
    pixels[3, 50, 50] = 0
    tile = GairRSImageProcessor().read(write_tif(tmp_path / "t.tif", pixels, names=GAIR_BANDS, nodata=0))
    assert tile.valid_fraction == pytest.approx(0.9)
    assert tile.pixels[3, 50, 50] == 0
    assert tile.pixels[3, 5, 5] == 1750


def test_a_declared_zero_is_missing_in_all_bands_read(tmp_path):
    """As in a map of classes, which is no reflectance."""
    pixels = made_pixels(2)
    pixels[0, :10] = 0
    with open_geotiff(write_tif(tmp_path / "t.tif", pixels, nodata=0)) as raster:
        assert raster.read([0])[1].sum() == 10 * 120
        assert not raster.read([0, 1])[1].any()


def test_a_raster_without_any_data_is_refused(tmp_path):
    path = write_tif(tmp_path / "t.tif", made_pixels() * 0, names=GAIR_BANDS, nodata=0)
    with pytest.raises(ValueError, match="contains no data here"):
        GairRSImageProcessor().read(path)


def test_a_file_without_georeference_needs_bounds(tmp_path):
    path = write_tif(tmp_path / "t.tif", made_pixels(), transform=None, names=GAIR_BANDS)
    processor = GairRSImageProcessor()
    assert processor.read(path).bounds is None
    assert processor.read(path, bounds=(0, 0, 0.01, 0.01)).crs == "EPSG:4326"
    with pytest.raises(ValueError, match="not georeferenced"):
        processor.read(path, tile_size_m=600, lon=0, lat=0)


def test_arguments_that_contradict_the_file_are_refused(tif, tmp_path):
    processor = GairRSImageProcessor()
    with pytest.raises(ValueError, match="is georeferenced; leave bounds out"):
        processor.read(tif, bounds=(0, 0, 0.01, 0.01))
    with pytest.raises(ValueError, match=r"Band 1 of .* is named B02 but bands says B12"):
        processor.read(tif, bands=list(reversed(GAIR_BANDS)))
    assert processor.read(tif, bands="gair_10").valid_fraction == 1
    for names in (None, ["x"] * 10, [str(n + 1) for n in range(10)]):
        path = write_tif(tmp_path / "unnamed.tif", made_pixels(), names=names)
        with pytest.raises(ValueError, match=r"without usable names.*sentinel2_l2a_12"):
            processor.read(path)


@pytest.mark.parametrize("path", ["https://x.org/t.tif", "s3://b/t.tif", "/vsicurl/x", "/vsizip/a.zip/t.tif"])
def test_remote_paths_are_refused(path):
    with pytest.raises(ValueError, match="remote or virtual"):
        GairRSImageProcessor().read(path)


def test_missing_truncated_and_other_files_are_refused(tif, tmp_path):
    processor = GairRSImageProcessor()
    with pytest.raises(ValueError, match="file not found"):
        processor.read(tmp_path / "none.tif")
    for cut in (100, 5000, -1000):
        (tmp_path / "cut.tif").write_bytes(tif.read_bytes()[:cut])
        with pytest.raises(ValueError, match="cannot be read as a GeoTIFF"):
            processor.read(tmp_path / "cut.tif")
    (tmp_path / "t.vrt").write_text('<VRTDataset rasterXSize="1" rasterYSize="1"></VRTDataset>')
    with pytest.raises(ValueError, match="cannot be read as a GeoTIFF"):
        processor.read(tmp_path / "t.vrt")


def write_sparse(path, **options):
    with rasterio.open(path, "w", driver="GTiff", dtype="uint16", SPARSE_OK=True, **options) as file:
        for index, name in enumerate(GAIR_BANDS[: options["count"]]):
            file.set_band_description(index + 1, name)
    return path


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_huge_headers_and_blocks_are_refused(tmp_path):
    giant = write_sparse(tmp_path / "g.tif", width=60000, height=60000, count=10, tiled=True)
    with pytest.raises(ValueError, match="would decode to 60000 x 60000"):
        GairRSImageProcessor().read(giant)
    long = write_sparse(tmp_path / "l.tif", width=2_000_000, height=1, count=10)
    with pytest.raises(ValueError, match="claims 2000000 x 1"):
        GairRSImageProcessor().read(long)
    block = write_sparse(
        tmp_path / "b.tif", width=100, height=100, count=10, tiled=True, blockxsize=16384, blockysize=16384,
        compress="deflate",
    )  # fmt: skip
    with pytest.raises(ValueError, match="stored in blocks of 16384 x 16384"):
        GairRSImageProcessor().read(block)


def test_a_degree_has_its_length_on_the_ellipsoid():
    # WGS 84: a degree of latitude is 110.574 km at the equator and 111.694 km at a pole; of longitude 111.320 km.
    np.testing.assert_allclose(metres_per_unit(0, 0, "EPSG:4326"), (111319.49, 110574.28), atol=0.1)
    np.testing.assert_allclose(metres_per_unit(7, 90, "EPSG:4326"), (0, 111693.87), atol=0.1)
    np.testing.assert_allclose(metres_per_unit(500000, 5e6, "EPSG:32633"), 1 / 0.9996, rtol=1e-5)
    np.testing.assert_allclose(metres_per_unit(0, 0, "EPSG:3413"), 1.0, rtol=0.05)
    for lat in (-60, 0, 45):
        _, y = project(0, lat, "EPSG:3857")
        geographic = np.array(metres_per_unit(0, lat, "EPSG:4326")) * (1, 1)
        by_mercator = metres_per_unit(0, float(y), "EPSG:3857")[0] * 111319.4908
        np.testing.assert_allclose(by_mercator, geographic[0], rtol=1e-5)
    assert great_circle_distance_m(0, 0, 0, 1) == pytest.approx(111195, abs=1)


def test_an_unknown_crs_is_refused():
    with pytest.raises(ValueError, match="not a known coordinate reference system"):
        project(0, 0, "EPSG:999999")


def test_real_tiles_are_read(data_dir):
    processor = GairRSImageProcessor()
    for name, lon, lat in (("25630", -50.797, 73.820), ("511198", 133.991, 35.253), ("752389", 19.030, 31.035)):
        path = data_dir / "sentinel2" / f"patch_{name}.tif"
        with pytest.raises(ValueError, match="without usable names"):
            processor.read(path)
        tile = processor.read(path, bands="sentinel2_l2a_12")
        assert tile.pixels.shape == (10, 256, 256)
        window = processor.read(path, bands="sentinel2_l2a_12", tile_size_m=1000, lon=lon, lat=lat)
        assert window.pixels.shape[1:] == (100, 100)
    for city in ("detroit", "tokyo"):
        tile = processor.read(data_dir / f"{city}_rs.tif")
        assert tile.crs == "EPSG:4326"
        assert tile.valid_fraction == 1.0


def test_windows_of_pixels_are_read_from_one_open_raster(tif):
    processor = GairRSImageProcessor()
    with processor.open(tif) as raster:
        assert (raster.height, raster.width, raster.grid.crs) == (100, 120, "EPSG:32633")
        tile = processor.read(raster, window=(20, 30, 90, 85))
        other = processor.read(raster, window=(0, 0, 120, 100))
    np.testing.assert_array_equal(tile.pixels, made_pixels()[:, 30:85, 20:90])
    assert (tile.bounds, tile.valid_fraction, tile.missing.any()) == ((500200, 4999150, 500900, 4999700), 1.0, False)
    np.testing.assert_array_equal(other.pixels, made_pixels())


def test_a_window_may_extend_beyond_the_raster(tif):
    tile = GairRSImageProcessor().read(tif, window=(100, -10, 180, 60))
    np.testing.assert_array_equal(tile.pixels[:, 10:, :20], made_pixels()[:, :60, 100:])
    expected = np.ones((70, 80), bool)
    expected[10:, :20] = False
    np.testing.assert_array_equal(tile.missing, expected)
    assert tile.bounds == (501000, 4999400, 501800, 5000100)


def test_pixels_without_data_are_marked(tmp_path):
    pixels = made_pixels()
    pixels[:, 5:9, 70:] = 0
    tile = GairRSImageProcessor().read(write_tif(tmp_path / "t.tif", pixels, names=GAIR_BANDS))
    np.testing.assert_array_equal(tile.missing, (pixels == 0).all(axis=0))
    assert tile.valid_fraction == 1 - tile.missing.mean()


@pytest.mark.parametrize("zone", [32632, 32633])
def test_a_raster_is_warped_while_it_is_read(tmp_path, zone):
    # A column and a row number, so that each pixel says where it comes from.
    rows, columns = np.mgrid[:700, :600].astype(np.uint16)
    pixels = np.concatenate([rows[None], columns[None], np.full((8, 700, 600), 900, np.uint16)]) + 1000
    path = write_tif(tmp_path / "t.tif", pixels, names=GAIR_BANDS)
    processor = GairRSImageProcessor(allow_any_scale=True)
    with processor.open(path, crs=f"EPSG:{zone}") as raster:
        tile = processor.read(raster, window=(0, 0, raster.width, raster.height))
        # Across the squares that are kept.
        part = processor.read(raster, window=(500, 505, 560, 600))
        x, y = project(*unproject(503005, 4996505, "EPSG:32633"), f"EPSG:{zone}")
        grid = raster.grid
    np.testing.assert_array_equal(part.pixels, tile.pixels[:, 505:600, 500:560])
    assert grid.step_x == grid.step_y == 10 and grid.west % 10 == grid.north % 10 == 0
    row, column = int((grid.north - y) // 10), int((x - grid.west) // 10)
    # 3 km east and 3.5 km south of the corner.
    assert abs(int(tile.pixels[0, row, column]) - 1350) <= 1 and abs(int(tile.pixels[1, row, column]) - 1300) <= 1
    assert tile.missing.any() == (zone == 32632)
