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
"""Places, photos, tiles and data sets are embedded in this process as the model embeds them one by one, and nothing is lost."""

import json
import shutil
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
import torch

pytest.importorskip("datatrove", reason="the extra embed is not installed")
from modeling_gair import GairModel, GairProcessor
from tests.helpers.embedding import BANDS, MODEL, jpeg, run_embed, vectors_of, write_places, write_tiles
from tests.helpers.rasters import made_pixels, write_tif
from training.embedding.command import SOME_BAD
from training.embedding.options import EmbedOptions
from training.embedding.ordering import hilbert_distance
from training.embedding.plan import plan
from training.embedding.run import run_task


@pytest.fixture(scope="module")
def model():
    return GairModel.from_pretrained(MODEL).eval()


@pytest.fixture(scope="module")
def processor():
    return GairProcessor.from_pretrained(MODEL)


def errors_of(output):
    return [json.loads(line) for line in (output / "errors.jsonl").read_text(encoding="utf-8").splitlines()]


def close(found, expected):
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-4, atol=1e-4)


def test_places_of_a_csv(tmp_path, model, capsys):
    path = write_places(tmp_path / "cities.csv", 300)
    status, table = run_embed(path, tmp_path / "out", items_per_task=110, batch_size=64)
    assert status == 0 and errors_of(tmp_path / "out") == []
    assert sorted(path.name for path in (tmp_path / "out" / "embeddings").iterdir()) == [
        f"0000{n}.parquet" for n in range(3)
    ]
    # Each once, with its columns, in Hilbert order.
    assert sorted(table["id"].to_pylist()) == sorted(f"p{row}" for row in range(300))
    lon, lat = table["lon"].to_numpy(), table["lat"].to_numpy()
    assert (np.diff(hilbert_distance(lon, lat)) >= 0).all()
    for row in table.slice(0, 20).to_pylist():
        number = int(row["id"][1:])
        assert row["name"] == f"place {number}" and row["people"] == 10 * number and row["source"] == "cities.csv"
        assert row["modality"] == "location" and row["datetime"] is None
        point = shapely.from_wkb(row["geometry"])
        assert (point.x, point.y) == (row["lon"], row["lat"])
    places = torch.from_numpy(np.stack([lon, lat], axis=1)).float()
    close(vectors_of(table), model.get_location_features(places))
    about = json.loads(pq.read_schema(tmp_path / "out" / "embeddings" / "00000.parquet").metadata[b"emb"])
    job = json.loads((tmp_path / "out" / "job.json").read_text(encoding="utf-8"))
    assert about["fingerprint"] == job["fingerprint"] and about["normalised"] is False
    assert str(tmp_path) not in json.dumps(job)
    assert "300 embeddings" in capsys.readouterr().out


def test_precision_is_written_beside_the_embeddings_and_used_by_every_task(tmp_path, model):
    path, output = write_places(tmp_path / "p.csv", 20), tmp_path / "out"
    _, table = run_embed(path, output, precision="bfloat16", items_per_task=10)
    coordinates = torch.tensor([table["lon"].to_pylist(), table["lat"].to_pylist()]).T
    expected, found = model.get_location_features(coordinates).detach(), torch.from_numpy(vectors_of(table))
    assert torch.cosine_similarity(found, expected).min() > 0.999 and not torch.allclose(found, expected, rtol=1e-5)
    assert json.loads((output / "job.json").read_text())["options"]["precision"] == "bfloat16"
    footer = pq.read_schema(output / "embeddings" / "00001.parquet").metadata[b"emb"]
    assert json.loads(footer)["precision"] == "bfloat16"
    assert "| products of matrices in | bfloat16 |" in (output / "README.md").read_text()


def test_bad_places_are_listed_and_the_rest_is_done(tmp_path):
    path = tmp_path / "p.parquet"
    columns = {
        "longitude": [10.0, None, 20.0, 190.0, 30.0],
        "latitude": [50.0, 1.0, 95.0, 1.0, float("nan")],
        "id": [1, 2, 2, 4, 5],
    }
    pq.write_table(pa.table({**columns, "source": ["a"] * 5, "bbox": ["x"] * 5}), path)
    status, table = run_embed(path, tmp_path / "out")
    # Numbers beyond 180 are one turn off, which is no error; the ids are not unique.
    assert status == SOME_BAD and sorted(table["lon"].to_pylist()) == [-170.0, 10.0]
    assert sorted(table["input_id"].to_pylist()) == ["1", "4"] and len(set(table["id"].to_pylist())) == 2
    assert table["input_source"].to_pylist() == ["a", "a"] and table["input_bbox"].to_pylist() == ["x", "x"]
    reasons = sorted(error["reason"] for error in errors_of(tmp_path / "out"))
    assert [reason.split(",")[0][:14] for reason in reasons] == ["lat is 95.0", "lon or lat is ", "lon or lat is "]


def test_columns_keep_their_values_whatever_their_names(tmp_path, capsys):
    path = tmp_path / "p.csv"
    path.write_text(",ID,Lon,Lat,Source,MODALITY\n7,a,1,2,x,y\n8,,3,4,x,y\n", encoding="utf-8")
    _, table = run_embed(path, tmp_path / "out")
    assert "Column 1 of 'p.csv' has no name and becomes 'column_1'" in capsys.readouterr().out
    # An empty id is none, so that rows are named by hashes.
    rows = {row["column_1"]: row for row in table.to_pylist()}
    assert (rows[7]["input_id"], rows[8]["input_id"]) == ("a", None) and len({row["id"] for row in rows.values()}) == 2
    assert all(
        (row["input_Source"], row["input_MODALITY"], row["modality"]) == ("x", "y", "location") for row in rows.values()
    )
    assert [row["lon"] for row in rows.values()] == [1.0, 3.0]


def test_one_run_at_a_time(tmp_path):
    path = write_places(tmp_path / "p.csv", 3)
    options = EmbedOptions(model=MODEL, input=str(path), output=tmp_path / "out")
    with plan(options), pytest.raises(ValueError, match=r"Another run is at work in .*out'; wait until"):
        run_embed(path, tmp_path / "out")
    assert run_embed(path, tmp_path / "out")[1].num_rows == 3


def test_geoparquet_with_points_and_times(tmp_path):
    geopandas = pytest.importorskip("geopandas")
    points = geopandas.GeoDataFrame(
        {"when": [1, 2]}, geometry=geopandas.points_from_xy([1e6, 2e6], [5e6, 6e6]), crs=3857
    )
    points["datetime"] = np.array(["2024-01-02T03:04:05", "2024-02-02"], "datetime64[us]")
    points.to_parquet(tmp_path / "p.geoparquet")
    _, table = run_embed(tmp_path / "p.geoparquet", tmp_path / "out", dtype="int8")
    expected = points.to_crs(4326).geometry
    np.testing.assert_allclose(np.sort(table["lon"].to_numpy()), np.sort(expected.x), atol=1e-9)
    assert datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC) in table["datetime"].to_pylist()
    assert sorted(table["when"].to_pylist()) == [1, 2] and table.schema.field("embedding").type.value_type == pa.int8()


def test_photos_of_a_folder(tmp_path, model, processor):
    folder = tmp_path / "photos"
    (folder / "a b").mkdir(parents=True)
    (folder / "a b" / "one.jpg").write_bytes(jpeg(-83.25, 42.5, "2024:05:01 12:30:00+02:00", seed=1))
    (folder / "two.JPG").write_bytes(jpeg(13.4, -52.25, seed=2))
    (folder / "nowhere.jpg").write_bytes(jpeg())
    (folder / "cut.jpg").write_bytes(jpeg(1, 2)[:700])
    (folder / "notes.txt").write_text("no photo", encoding="utf-8")
    status, table = run_embed(folder, tmp_path / "out")
    assert status == SOME_BAD and sorted(table["id"].to_pylist()) == ["a b/one.jpg", "two.JPG"]
    rows = {row["id"]: row for row in table.to_pylist()}
    one = rows["a b/one.jpg"]
    assert (one["lon"], one["lat"]) == pytest.approx((-83.25, 42.5), abs=1e-6)
    assert one["datetime"] == datetime(2024, 5, 1, 10, 30, tzinfo=UTC) and rows["two.JPG"]["datetime"] is None
    assert one["modality"] == "street_view" and rows["two.JPG"]["lat"] == pytest.approx(-52.25)
    pixels = processor(sv=str(folder / "a b" / "one.jpg"), return_tensors="pt")["sv_pixel_values"]
    close(np.float32(one["embedding"])[None], model.get_sv_features(pixels))
    errors = {error["source"]: error["reason"] for error in errors_of(tmp_path / "out")}
    assert "no position in its EXIF" in errors["nowhere.jpg"] and "cut.jpg" in errors and len(errors) == 2
    assert not any(str(folder) in reason for reason in errors.values())


def test_photos_of_a_table(tmp_path):
    (tmp_path / "x.jpg").write_bytes(jpeg(5, 6))
    (tmp_path / "t.csv").write_text(
        "photo_path,lng,lat,city\nx.jpg,7,8,A\nmissing.jpg,7,8,B\n,7,8,C\n", encoding="utf-8"
    )
    status, table = run_embed(tmp_path / "t.csv", tmp_path / "out")
    assert status == SOME_BAD and table["city"].to_pylist() == ["A"] and table["lon"].to_pylist() == [7.0]
    assert {error["source"] for error in errors_of(tmp_path / "out")} == {"missing.jpg", ""}
    # Without lon and lat, EXIF metadata place the photos.
    (tmp_path / "e.csv").write_text("picture,city\nx.jpg,A\n", encoding="utf-8")
    _, table = run_embed(tmp_path / "e.csv", tmp_path / "out 2", what="photos", column="picture")
    assert table["lon"].to_pylist() == pytest.approx([5.0]) and table["source"].to_pylist() == ["x.jpg"]


def test_tiles_of_a_folder(tmp_path, model, processor):
    folder = write_tiles(tmp_path / "tiles", 7)
    (folder / "broken.tif").write_bytes(b"II*\0 no raster")
    status, table = run_embed(folder, tmp_path / "out", batch_size=3, items_per_task=5)
    assert status == SOME_BAD and len(table) == 7
    assert [error["source"] for error in errors_of(tmp_path / "out")] == ["broken.tif"]
    for row, vector in zip(table.to_pylist(), vectors_of(table)):
        footprint = shapely.from_wkb(row["geometry"])
        assert footprint.contains(shapely.Point(row["lon"], row["lat"])) and row["modality"] == "tile"
        assert row["bbox"]["xmin"] <= footprint.bounds[0] and row["valid_fraction"] == 1.0
        pixels = processor(rs=str(folder / row["source"]), return_tensors="pt")["rs_pixel_values"]
        close(vector[None], model.get_rs_features(pixels))


def test_tiles_whose_bands_and_time_only_the_command_names(tmp_path):
    folder = tmp_path / "tiles"
    folder.mkdir()
    pixels = made_pixels(height=60, width=60)
    write_tif(folder / "a.tif", pixels[::-1])
    write_tif(folder / "b.tif", pixels[::-1], transform=(10, 0, 600_000, 0, -10, 5_000_000))
    write_tif(folder / "nine.tif", pixels[:9])
    status, table = run_embed(folder, tmp_path / "out", bands=",".join(reversed(BANDS)), datetime="2026-06-01")
    assert status == SOME_BAD and sorted(table["id"].to_pylist()) == ["a.tif", "b.tif"]
    assert set(table["datetime"].to_pylist()) == {datetime(2026, 6, 1, tzinfo=UTC)}
    assert "has 9 bands but bands lists 10" in errors_of(tmp_path / "out")[0]["reason"]
    named = tmp_path / "named"
    named.mkdir()
    write_tif(named / "a.tif", pixels, names=BANDS)
    _, expected = run_embed(named, tmp_path / "out named")
    np.testing.assert_array_equal(vectors_of(table)[table["id"].to_pylist().index("a.tif")], vectors_of(expected)[0])
    with pytest.raises(ValueError, match="--bands is"):
        run_embed(folder, tmp_path / "out", bands=",".join(BANDS), datetime="2026-06-01")
    with pytest.raises(ValueError, match="not a known order"):
        run_embed(folder, tmp_path / "other", bands="landsat")


@pytest.mark.parametrize("name", ["table", "grid"])
def test_options_of_geotiffs_are_refused_elsewhere(tmp_path, name):
    inputs = {"table": write_places(tmp_path / "p.csv", 3), "grid": "grid:1000km"}
    with pytest.raises(ValueError, match="--datetime is for a raster or a folder of tiles"):
        run_embed(inputs[name], tmp_path / "out", datetime="2026-06-01")


def test_a_data_set_gives_tiles_and_points_and_photos(tmp_path, small_world, model, processor):
    rows = [row for path in sorted((small_world / "data").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    _, table = run_embed(small_world, tmp_path / "out", items_per_task=20)
    photos = sum(len(row["photos"]) for row in rows)
    assert len(list((tmp_path / "out" / "embeddings").iterdir())) == -(-len(rows) // 20)
    kinds = table["modality"].to_pylist()
    assert (kinds.count("tile"), kinds.count("tile_point")) == (len(rows), photos)
    assert len(set(table["id"].to_pylist())) == len(table) and table["datetime"].null_count == 0
    # Labels are carried; of those with one value for each photo, each point has its own.
    assert "country" in table.column_names
    by_id = {row["id"]: row for row in table.to_pylist()}
    row = rows[0]
    photo = row["photos"][1]
    found = by_id[f"{row['split']}/{row['id']}/{photo['id']}/point"]
    from training.common.schema import unpack_tile

    inputs = processor(rs=unpack_tile(row), bands=row["bands"], bounds=row["bounds"], crs=row["crs"], lon=photo["lon"], lat=photo["lat"], return_tensors="pt")  # fmt: skip
    point = model.get_localized_rs_features(inputs["rs_pixel_values"], inputs["query_points"])[0]
    close(np.float32(found["embedding"])[None], point)
    assert (found["lon"], found["lat"]) == pytest.approx((photo["lon"], photo["lat"]))
    _, table = run_embed(small_world, tmp_path / "photos", what="photos")
    assert len(table) == photos and set(table["modality"].to_pylist()) == {"street_view"}


def test_a_pairs_csv_carries_the_columns_of_its_photos(tmp_path):
    write_tiles(tmp_path / "tiles", 1)
    lines = ["id,rs,sv,longitude,latitude,street,lon_text,Source"]
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(seed=number))
        lines.append(f"p{number},tiles/tile 0.tif,{number}.jpg,13.54,52.337,street {number},{number},by {number}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    _, table = run_embed(tmp_path / "pairs.csv", tmp_path / "out")
    rows = {row["id"]: row for row in table.to_pylist()}
    tile = rows.pop("train/tiles/tile 0.tif")
    assert tile["modality"] == "tile" and tile["street"] is None
    for number in range(3):
        row = rows[f"train/tiles/tile 0.tif/p{number}/point"]
        assert (row["street"], row["lon_text"], row["input_Source"]) == (f"street {number}", number, f"by {number}")
    assert "longitude" not in table.column_names


def test_an_input_that_changes_meanwhile_is_refused(tmp_path, monkeypatch):
    folder = write_tiles(tmp_path / "tiles", 3)

    def change_and_run(output, rank):
        shutil.copy(folder / "tile 2.tif", folder / "tile 1.tif")
        run_task(output, rank)

    monkeypatch.setattr("training.embedding.command.run_task", change_and_run)
    with pytest.raises(ValueError, match="The input 'tiles' was changed while it was embedded"):
        run_embed(folder, tmp_path / "out")
    assert not (tmp_path / "out" / "collection.json").exists()


def test_files_that_were_lost_or_cut_off_are_made_again(tmp_path, capsys):
    path, output = write_places(tmp_path / "p.csv", 30), tmp_path / "out"
    run_embed(path, output, items_per_task=10)
    files = sorted((output / "embeddings").iterdir())
    before = [file.read_bytes() for file in files]
    files[0].unlink()
    files[2].write_bytes(before[2][:500])
    run_embed(path, output, items_per_task=10)
    assert "What 2 tasks wrote is missing or cut off, first task 0; it is made again." in capsys.readouterr().out
    assert [file.read_bytes() for file in files] == before


def test_a_resumed_run_must_be_the_same_job(tmp_path):
    path = write_places(tmp_path / "p.csv", 20)
    run_embed(path, tmp_path / "out")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out" / "embeddings").iterdir()}
    run_embed(path, tmp_path / "out")
    assert before == {file: file.stat().st_mtime_ns for file in (tmp_path / "out" / "embeddings").iterdir()}
    with pytest.raises(ValueError, match="--dtype is 'int8' and was 'float32'"):
        run_embed(path, tmp_path / "out", dtype="int8")
    with pytest.raises(ValueError, match="--precision is 'bfloat16' and was 'float32'"):
        run_embed(path, tmp_path / "out", precision="bfloat16")
    write_places(path, 21)
    with pytest.raises(ValueError, match="the content of the input"):
        run_embed(path, tmp_path / "out")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(ValueError, match="exists and is not an empty directory; pass a new folder"):
        run_embed(path, tmp_path / "other")
