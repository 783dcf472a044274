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
"""Coordinates: checks, wrapping, and positions in tiles."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from modeling_gair import GairCoordinateProcessor, GairProcessor

processor = GairCoordinateProcessor()


def test_longitudes_are_wrapped():
    lon = np.array([-180.0, 180.0, 540.0, -540.0, 190.0, 179.99999999, -180.0 - 1e-14, 13.123456789012345, 719.5])
    wrapped = processor.check(lon, np.zeros(9))[:, 0]
    assert ((wrapped >= -180) & (wrapped < 180)).all()
    assert wrapped[:5].tolist() == [-180, -180, -180, -180, -170]
    assert wrapped[7] == 13.123456789012345
    generator = np.random.default_rng(0)
    inside = generator.uniform(-180, 180, 1000)
    turns = 360.0 * generator.integers(-1, 2, 1000)
    np.testing.assert_allclose(processor.check(inside + turns, inside * 0)[:, 0], inside, atol=1e-12)


def test_a_longitude_rounded_to_float32_stays_in_range():
    coordinates = processor(179.99999999, 0)["coordinates"]
    assert coordinates.dtype == np.float32
    assert coordinates.tolist() == [[-180, 0]]


@pytest.mark.parametrize(
    ("lon", "lat", "message"),
    [
        (0, 90.0001, "lat is 90.0001"),
        ([0, 0], [1, -91], "lat is -91"),
        (float("nan"), 0, "lon contains nan"),
        (0, float("inf"), "lat contains inf"),
        ("here", 0, "lon is 'here'"),
        (None, 0, "lon"),
        ([0, 1], 0, "equal shapes"),
        ([[0], [1, 2]], 0, "expected degrees"),
    ],
)
def test_invalid_degrees_are_refused(lon, lat, message):
    with pytest.raises(ValueError, match=message):
        processor.check(lon, lat)


def test_degrees_of_any_shape_and_type_are_accepted():
    assert processor.check(1, 2).tolist() == [1, 2]
    assert processor.check(torch.zeros(2, 3), torch.zeros(2, 3)).shape == (2, 3, 2)
    assert processor.check([1, 2], (3, 4)).dtype == np.float64


@pytest.mark.parametrize("west", [-83.0, 179.99, -180.005, 0.0])
def test_points_made_from_positions_return_these_positions(west):
    """Points made from positions come back as those positions, also across the antimeridian."""
    points = np.random.default_rng(3).uniform(0, 1, (200, 2))
    south, side = 42.0, 0.02
    lon, lat = west + points[:, 0] * side, south + side - points[:, 1] * side
    for bounds in ((west, south, west + side, south + side), (_wrap(west), south, _wrap(west + side), south + side)):
        for turn in (-360, 0, 360):
            np.testing.assert_allclose(processor.locate(lon + turn, lat, bounds), points, atol=1e-9)


def _wrap(lon):
    return (lon + 180) % 360 - 180


def test_corners_are_inside_and_rounding_errors_are_tolerated():
    bounds = (10.0, 50.0, 10.02, 50.02)
    corners = processor.locate([10, 10.02, 10, 10.02], [50.02, 50.02, 50, 50], bounds)
    assert corners.tolist() == [[0, 0], [1, 0], [0, 1], [1, 1]]
    assert processor.locate(10 - 0.02 * 5e-10, 50.01, bounds)[0] == 0
    with pytest.raises(ValueError, match="outside the tile"):
        processor.locate(10 - 0.02 * 1e-8, 50.01, bounds)


def test_the_error_for_a_point_outside_gives_point_bounds_and_distance():
    with pytest.raises(
        ValueError, match=r"lon 10\.0, lat 50\.03 lies 1\.11e\+03 m outside .*\(10\.0, 50\.0, 10\.02, 50\.02\)"
    ):
        processor.locate(10, 50.03, (10, 50, 10.02, 50.02))


def test_positions_in_a_utm_tile_are_right():
    pyproj = pytest.importorskip("pyproj")
    bounds, points = (505025.0, 8190645.0, 507585.0, 8193205.0), np.random.default_rng(4).uniform(0, 1, (2, 50, 2))
    x = bounds[0] + points[..., 0] * 2560
    y = bounds[3] - points[..., 1] * 2560
    lon, lat = pyproj.Transformer.from_crs("EPSG:32622", "EPSG:4326", always_xy=True).transform(x, y)
    np.testing.assert_allclose(processor.locate(lon, lat, bounds, "EPSG:32622"), points, atol=1e-8)
    for place in ((-50.0, 73.8), (130.0, -73.8), (-51.0, 90.0)):
        with pytest.raises(ValueError, match="m outside the tile"):
            processor.locate(*place, bounds, "EPSG:32622")


def test_a_utm_tile_may_cross_the_antimeridian():
    pytest.importorskip("pyproj")
    from modeling_gair.crs_gair import project

    x, y = (float(value) for value in project(180.0, -17.0, "EPSG:32701"))
    bounds = (x - 1000, y - 1000, x + 1000, y + 1000)
    for lon in (180.0, -180.0):
        np.testing.assert_allclose(processor.locate(lon, -17, bounds, "EPSG:32701"), 0.5, atol=1e-8)


def test_a_call_returns_coordinates_and_points_of_every_shape():
    bounds = (10, 50, 10.02, 50.02)
    for lon, shape, query_shape in ((10.01, (1, 2), (1, 1, 2)), ([10.01] * 3, (3, 2), (3, 1, 2)),
                                    ([[10.01] * 4] * 3, (3, 4, 2), (3, 4, 2))):  # fmt: skip
        features = processor(lon, np.asarray(lon) + 40, bounds, return_tensors="pt")
        assert features["coordinates"].shape == shape
        assert features["query_points"].shape == query_shape
        assert features["query_points"].dtype == features["coordinates"].dtype == torch.float32
    assert "query_points" not in processor(0, 0)
    assert processor([10.01, 0], [50.01, 0], [bounds, (-0.01, -0.01, 0.01, 0.01)])["query_points"].shape == (2, 1, 2)


def test_rows_in_several_crs_equal_each_row_alone():
    """Rows are located together, CRS by CRS; the results are those of one call per row, to the last bit."""
    pytest.importorskip("pyproj", reason="UTM needs the geo extra")
    tiles = [
        ((13.37, 52.50, 13.40, 52.52), "EPSG:4326"),
        ((500000.0, 4998800.0, 501920.0, 5000720.0), "EPSG:32633"),
        ((179.99, -17.01, -179.99, -16.99), "EPSG:4326"),
        ((502000.0, 4998800.0, 503920.0, 5000720.0), "EPSG:32633"),
    ]
    points = np.random.default_rng(5).uniform(0, 1, (len(tiles), 3, 2))
    degrees = np.stack([processor.places_at(row, *tile) for row, tile in zip(points, tiles)])
    located = processor(
        degrees[..., 0], degrees[..., 1], [bounds for bounds, _ in tiles], [crs for _, crs in tiles]
    )["query_points"]  # fmt: skip
    alone = [processor.locate(row[:, 0], row[:, 1], *tile) for row, tile in zip(degrees, tiles)]
    np.testing.assert_array_equal(located, np.float32(alone))
    with pytest.raises(ValueError, match=r"outside the tile with bounds \(502000\.0"):
        swapped = degrees[[0, 1, 2, 1]]
        processor(swapped[..., 0], swapped[..., 1], [bounds for bounds, _ in tiles], [crs for _, crs in tiles])


def test_degrees_are_checked_once_per_call():
    calls = []

    class Counting(GairCoordinateProcessor):
        def check(self, lon, lat):
            calls.append(np.shape(lon))
            return super().check(lon, lat)

    made = GairProcessor(feature_extractor=Counting())
    tiles, bounds = np.full((3, 10, 20, 20), 1000, np.uint16), [(10.0, 50.0, 10.02, 50.02)] * 3
    made(tiles, lon=[[10.01] * 2] * 3, lat=[[50.01] * 2] * 3, bands="gair_10", bounds=bounds)
    assert calls == [(3, 2)]


def test_a_call_refuses_mismatched_rows():
    with pytest.raises(ValueError, match="bounds has shape"):
        processor([1, 2], [1, 2], [(0, 0, 3, 3)] * 3)
    with pytest.raises(ValueError, match="crs names 1 systems for 2 rows"):
        processor([1, 2], [1, 2], (0, 0, 3, 3), crs=["EPSG:4326"])
    with pytest.raises(ValueError, match="expected a scalar"):
        processor(np.zeros((1, 1, 1)), np.zeros((1, 1, 1)))


def test_saving_and_loading_changes_nothing(tmp_path):
    processor.save_pretrained(tmp_path)
    assert GairCoordinateProcessor.from_pretrained(tmp_path).to_dict() == processor.to_dict()


def test_positions_equal_the_published_ones(data_dir, reference_dir):
    rasterio = pytest.importorskip("rasterio")
    reference = load_file(reference_dir / "parity.safetensors")
    for city, lon, lat in (("detroit", -83.258332, 42.482289), ("tokyo", 139.75009, 35.657349)):
        with rasterio.open(data_dir / f"{city}_rs.tif") as file:
            located = processor.locate(lon, lat, file.bounds)
        np.testing.assert_allclose(located, reference[f"{city}.relative_xy"][0], atol=3e-4)


@pytest.mark.parametrize(
    ("bounds", "crs"),
    [((179.99, -17.01, -179.99, -16.99), "EPSG:4326"), ((500000.0, 4998800.0, 501920.0, 5000720.0), "EPSG:32633")],
)
def test_places_at_inverts_locate(bounds, crs):
    if crs != "EPSG:4326":
        pytest.importorskip("pyproj", reason="UTM needs the geo extra")
    points = np.array([[0.0, 0.0], [0.3, 0.8], [1.0, 1.0]])
    places = processor.places_at(points, bounds, crs)
    assert ((places[:, 0] >= -180) & (places[:, 0] < 180)).all()
    np.testing.assert_allclose(processor.locate(places[:, 0], places[:, 1], bounds, crs), points, atol=1e-8)
