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
"""Maps of classes from twenty labels: matching, held-out accuracy, probabilities of all rows, and rasters."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import shapely
from sklearn.linear_model import LogisticRegression

from tests.helpers.embeddings import clustered, write_folder
from training.embedding.outputs.rows import stored_vectors
from training.search import main
from training.searching.labels import Labels, read_labels
from training.searching.matching import match_rows
from training.searching.regression import Classifier, fit_scaler, spatial_blocks

ROWS, DIMENSION = 2000, 48
NAMES = np.array(["crop", "forest"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory) -> tuple[Path, np.ndarray, np.ndarray]:
    """A folder of rows in southern Germany, their lon, lat, and their true classes, which the embeddings reflect."""
    generator = np.random.default_rng(0)
    lon_lat = generator.uniform((9, 47), (11, 49), (ROWS, 2))
    true = (np.sin(lon_lat[:, 0] * 8) + np.cos(lon_lat[:, 1] * 9) > 0).astype(int)
    vectors = clustered(ROWS, DIMENSION)
    vectors[:, :6] += 3 * true[:, None]
    return write_folder(tmp_path_factory.mktemp("scene"), vectors, lon_lat, files=2), lon_lat, true


def write_labels(path: Path, lon_lat: np.ndarray, classes: np.ndarray) -> Path:
    points = geopandas.points_from_xy(*lon_lat.T)
    geopandas.GeoDataFrame({"cover": classes}, geometry=points, crs=4326).to_file(path)
    return path


def ten_of_each(true: np.ndarray) -> np.ndarray:
    return np.concatenate([np.flatnonzero(true == one)[:10] for one in (0, 1)])


def test_ten_labels_a_class_make_a_map(scene, tmp_path, capsys):
    folder, lon_lat, true = scene
    chosen = ten_of_each(true)
    labels = write_labels(tmp_path / "points.geojson", lon_lat[chosen] + 5e-5, NAMES[true[chosen]])
    output = tmp_path / "map.parquet"
    main(["classify", str(folder), "--labels", str(labels), "--class_column", "cover", "--output", str(output)])
    text = capsys.readouterr().out
    assert (
        "20 labels of 2 classes, in the footprint of their row or at most 7 m from" in text
        and "always the commonest class: 50%" in text
    )
    frame = geopandas.read_parquet(output)
    assert len(frame) == ROWS and frame.id.is_unique and frame.crs is not None
    probabilities = frame[["probability_crop", "probability_forest"]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (frame.predicted_class == NAMES[probabilities.argmax(axis=1)]).all()
    others = np.setdiff1d(np.arange(ROWS), chosen)
    assert (frame.predicted_class == NAMES[true])[others].mean() > 0.8
    footer = json.loads(pq.read_metadata(output).metadata[b"classification"])
    assert (
        footer["classes"] == ["crop", "forest"] and footer["labels"] == [10, 10] and footer["held_out_accuracy"] > 0.6
    )
    assert output.with_suffix(".png").is_file()


def test_the_regression_is_that_of_scikit_learn_on_standardised_rows(scene):
    folder, lon_lat, true = scene
    vectors = np.concatenate([pq.read_table(path).column("embedding").combine_chunks().flatten().to_numpy().reshape(-1, DIMENSION)
                              for path in sorted(folder.glob("embeddings/*.parquet"))])  # fmt: skip
    chosen = ten_of_each(true)
    labels = Labels(lon_lat[chosen], true[chosen], ("crop", "forest"))
    classifier = Classifier(fit_scaler(np.array_split(vectors, 7)), vectors[chosen], labels)
    features = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0) / DIMENSION**0.5
    plain = LogisticRegression(C=classifier.strength, max_iter=500).fit(features[chosen], true[chosen])
    np.testing.assert_allclose(classifier.probabilities(vectors), plain.predict_proba(features), atol=2e-3)


def test_held_out_accuracy_is_honest_where_classes_follow_places():
    """Embeddings that say only which place a label lies in tell classes apart nowhere else, though a random split would pass."""
    generator = np.random.default_rng(0)
    lon_lat = np.repeat(np.stack(np.meshgrid(np.arange(6), np.arange(6)), axis=-1).reshape(-1, 2), 6, axis=0).astype(
        float
    )
    classes = np.repeat(generator.integers(0, 2, 36), 6)
    vectors = np.repeat(generator.standard_normal((36, 64)), 6, axis=0).astype(np.float32)
    vectors += 0.01 * generator.standard_normal(vectors.shape, dtype=np.float32)
    accuracy = {}
    for name, places in (("blocks", lon_lat), ("random", generator.permutation(lon_lat))):
        classifier = Classifier(fit_scaler([vectors]), vectors, Labels(places, classes, ("a", "b")))
        accuracy[name] = classifier.held_out.accuracy(classes)
    assert accuracy["random"] > 0.95 and accuracy["blocks"] < 0.7


def test_blocks_are_as_large_as_the_labels_allow():
    generator = np.random.default_rng(1)
    classes = np.arange(40) % 2
    for degrees, side_km in ((20, 100.0), (0.2, 10.0)):
        labels = Labels(generator.uniform(0, degrees, (40, 2)), classes, ("a", "b"))
        found, blocks = spatial_blocks(labels)
        assert found == side_km and len(blocks) == 40
    assert spatial_blocks(Labels(np.full((40, 2), 5.0), classes, ("a", "b"))) is None


def test_labels_in_one_place_are_mapped_but_not_measured(scene, tmp_path, capsys):
    folder, lon_lat, true = scene
    near = [np.flatnonzero(true == one)[0] for one in (0, 1)]
    labels = write_labels(tmp_path / "points.geojson", lon_lat[np.repeat(near, 5)], NAMES[np.repeat([0, 1], 5)])
    command = ["classify", str(folder), "--labels", str(labels), "--class_column", "cover"]
    main([*command, "--output", str(tmp_path / "map.parquet")])
    assert "Accuracy is not measured: the labels are too few, or lie too close together" in capsys.readouterr().out


def test_labels_take_the_footprint_they_lie_in(tmp_path):
    centres = np.array([[10.0, 50.0], [10.02, 50.0], [10.05, 50.0]])
    # The third footprint reaches beyond the centre of the second.
    boxes = [
        shapely.box(lon - reach, 49.99, lon + reach, 50.01) for (lon, _), reach in zip(centres, (0.01, 0.005, 0.04))
    ]
    folder = write_folder(tmp_path, np.eye(3, 4, dtype=np.float32), centres, geometry=boxes)
    table = pq.read_table(folder / "embeddings" / "00000.parquet")
    labels = Labels(
        np.array([[10.009, 50.0], [10.027, 50.0], [10.021, 50.005], [10.2, 50.0]]), np.zeros(4, int), ("a",)
    )
    matches = match_rows(labels, [table.slice(0, 2), table.slice(2, 1)], 4, 12_000)
    assert matches.ids.tolist() == ["row-0", "row-2", "row-1", "row-2"]
    assert matches.distance_m[:3].tolist() == [0, 0, 0] and 10_000 < matches.distance_m[3] < 11_000
    np.testing.assert_array_equal(matches.vectors, np.eye(3, 4)[[0, 2, 1, 2]])
    with pytest.raises(
        ValueError, match=r"1 of 4 labels lie farther than 1,000 m .* first lon, lat 10.20000, 50.00000"
    ):
        match_rows(labels, [table], 4, 1000)


def test_nearest_rows_are_found_across_the_antimeridian(tmp_path):
    folder = write_folder(tmp_path, np.eye(2, 4, dtype=np.float32), np.array([[179.999, 0.0], [170.0, 0.0]]))
    table = pq.read_table(folder / "embeddings" / "00000.parquet")
    matches = match_rows(Labels(np.array([[-179.999, 0.0]]), np.zeros(1, int), ("a",)), [table], 4, 500)
    assert matches.ids.tolist() == ["row-0"] and 200 < matches.distance_m[0] < 250


def test_labels_are_read_from_tables_and_other_crs(tmp_path):
    (tmp_path / "points.csv").write_text("lon,lat,kind\n10,50,3\n11,51,1\n12,52,3\n13,53,1\n")
    labels = read_labels(str(tmp_path / "points.csv"), "kind")
    assert (
        labels.names == ("1", "3")
        and labels.classes.tolist() == [1, 0, 1, 0]
        and labels.lon_lat[2].tolist() == [12, 52]
    )
    frame = geopandas.GeoDataFrame(
        {"kind": list("abab")}, geometry=geopandas.points_from_xy(*labels.lon_lat.T), crs=4326
    )
    frame.to_crs(32633).to_file(tmp_path / "points.gpkg")
    again = read_labels(str(tmp_path / "points.gpkg"), "kind")
    np.testing.assert_allclose(again.lon_lat, labels.lon_lat, atol=1e-9)
    assert again.names == ("a", "b")


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.ci), "int8"])
def test_a_dense_map_becomes_a_raster_of_classes(tmp_path, dtype, capsys):
    rasterio = pytest.importorskip("rasterio")
    true, centres = write_dense_map(tmp_path / "map.zarr", dtype)
    generator = np.random.default_rng(0)
    rows, columns = generator.integers(10, 250, 20), generator.integers(10, 260, 20)
    labels = write_labels(tmp_path / "points.geojson", centres[rows, columns], NAMES[true[rows, columns]])
    output = tmp_path / "classes.tif"
    command = ["classify", str(tmp_path), "--labels", str(labels), "--class_column", "cover"]
    main([*command, "--output", str(output)])
    assert "in other blocks" in capsys.readouterr().out
    with rasterio.open(output) as raster:
        found = raster.read(1)
        assert raster.crs.to_epsg() == 32633 and raster.transform.to_gdal() == (500000, 40, 0, 5000000, 0, -40)
        assert [raster.tags(1)[f"CLASS_{number}"] for number in (0, 1)] == ["crop", "forest"] and raster.nodata == 255
    assert (found[:5] == 255).all() and (found[5:] != 255).all()
    assert (found == true)[5:].mean() > 0.9
    outside = write_labels(tmp_path / "outside.geojson", centres[rows, columns] + (0, 5), NAMES[true[rows, columns]])
    with pytest.raises(ValueError, match="20 of 20 labels lie outside the map"):
        main(["classify", str(tmp_path), "--labels", str(outside), "--class_column", "cover", "--output", str(output)])
    missing = write_labels(tmp_path / "missing.geojson", centres[rows % 5, columns], NAMES[np.arange(20) % 2])
    with pytest.raises(ValueError, match="20 of 20 labels lie in cells without data"):
        main(["classify", str(tmp_path), "--labels", str(missing), "--class_column", "cover", "--output", str(output)])


def write_dense_map(path: Path, dtype: str, height: int = 260, width: int = 270) -> tuple[np.ndarray, np.ndarray]:
    """A map in UTM zone 33 N without data in its first five rows; returns true classes and lon, lat of the cells."""
    zarr, pyproj = pytest.importorskip("zarr"), pytest.importorskip("pyproj")
    y, x = np.mgrid[:height, :width]
    true = ((x // 40 + y // 40) % 2).astype(int)
    vectors = np.random.default_rng(0).standard_normal((height, width, 16), dtype=np.float32)
    vectors[..., :4] += 3 * true[..., None]
    stored = stored_vectors(vectors.reshape(-1, 16), dtype)
    values = np.moveaxis(stored["embedding"].reshape(height, width, 16), -1, 0).copy()
    values[:, :5] = -128 if dtype == "int8" else np.nan
    crs = pyproj.CRS(32633)
    group = zarr.create_group(
        path, attributes={"proj:wkt2": crs.to_wkt(), "spatial:transform": [40, 0, 500000, 0, -40, 5000000]}
    )
    group.create_array("embeddings", data=values, chunks=(16, 32, 32), shards=(16, 256, 256))
    if dtype == "int8":
        scales = stored["embedding_scale"].reshape(height, width).copy()
        scales[:5] = np.nan
        group.create_array("scales", data=scales, chunks=(32, 32), shards=(256, 256))
    to_degrees = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    centres = np.stack(to_degrees.transform(500000 + 40 * (x + 0.5), 5000000 - 40 * (y + 0.5)), axis=-1)
    return true, centres
