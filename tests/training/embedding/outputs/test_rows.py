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
"""Rows of embeddings: what is written is what geopandas, DuckDB, `datasets` and the project's own reader read."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

pytest.importorskip("datatrove", reason="the extra embed is not installed")
from training.embedding.outputs import rows as rows_module
from training.embedding.outputs.rows import (
    OWN_COLUMNS,
    carried_names,
    embedding_file,
    embedding_files,
    embedding_schema,
    embedding_writer,
    read_vectors,
    stored_vectors,
    write_embeddings,
)

DIMENSION, ROWS = 24, 300
LEAST_COSINE = {"float32": 1.0, "float16": 0.999999, "int8": 0.9999}
CARRIED = pa.schema([("name", pa.string()), ("input_source", pa.int64())])


def made(rows=ROWS):
    random = np.random.default_rng(0)
    lon, lat = random.uniform(-179, 179, rows), random.uniform(-80, 80, rows)
    # The values of an embedding differ in size from row to row, as they do without normalisation.
    vectors = (random.standard_normal((rows, DIMENSION)) * random.uniform(0.01, 50, (rows, 1))).astype(np.float32)
    columns = {
        "id": [f"place {row}" for row in range(rows)],
        "geometry": shapely.points(lon, lat),
        "lon": lon,
        "lat": lat,
        "modality": ["location"] * rows,
        "source": ["places.csv"] * rows,
        "name": [None if row % 7 == 0 else f"ñ {row}" for row in range(rows)],
        "input_source": np.arange(rows),
    }
    return columns, vectors


def cosine(a, b):
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.fixture(params=list(LEAST_COSINE))
def written(request, tmp_path):
    columns, vectors = made()
    path = tmp_path / "e.parquet"
    write_embeddings(path, columns, vectors, request.param, {"emb:dimensions": DIMENSION}, CARRIED, ["Point"])
    return path, request.param, columns, vectors


def test_own_reader(written):
    path, dtype, columns, vectors = written
    table = pq.read_table(path)
    assert table.schema.equals(embedding_schema(DIMENSION, dtype, CARRIED), check_metadata=False)
    assert cosine(read_vectors(table), vectors).min() >= LEAST_COSINE[dtype] - 1e-6
    np.testing.assert_allclose(np.linalg.norm(read_vectors(table), axis=1), np.linalg.norm(vectors, axis=1), rtol=5e-3)
    # A slice has its own rows.
    np.testing.assert_array_equal(read_vectors(table.slice(100, 7)), read_vectors(table)[100:107])
    assert table["lon"].to_pylist() == columns["lon"].tolist() and table["datetime"].null_count == ROWS
    assert table["name"].to_pylist() == columns["name"]


def test_geopandas_reads_places_and_filters_by_the_bbox(written):
    import geopandas

    path, _, columns, _ = written
    frame = geopandas.read_parquet(path)
    assert frame.crs == "OGC:CRS84" and list(frame.geometry.x) == columns["lon"].tolist()
    inside = geopandas.read_parquet(path, bbox=(0, 0, 90, 80))
    expected = (columns["lon"] >= 0) & (columns["lon"] <= 90) & (columns["lat"] >= 0) & (columns["lat"] <= 80)
    assert sorted(inside["id"]) == sorted(np.array(columns["id"])[expected])


def test_duckdb_compares_the_vectors(written):
    duckdb = pytest.importorskip("duckdb")
    path, dtype, _, vectors = written
    if dtype == "float16" and int(duckdb.__version__.split(".")[0]) < 2:
        pytest.skip("DuckDB reads float16 from version 2 on")
    vector = f"embedding::FLOAT[{DIMENSION}]"
    query = (
        f"SELECT id, array_cosine_similarity({vector}, ?::FLOAT[{DIMENSION}]) c FROM '{path}' ORDER BY c DESC LIMIT 1"
    )
    assert duckdb.execute(query, [vectors[17].tolist()]).fetchall()[0][0] == "place 17"


def test_datasets_reads_it(written, tmp_path):
    datasets = pytest.importorskip("datasets")
    path, dtype, columns, vectors = written
    loaded = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded["id"][:3] == columns["id"][:3]
    stored = stored_vectors(vectors, dtype)["embedding"]
    np.testing.assert_array_equal(np.array(loaded[5]["embedding"], stored.dtype), stored[5])


def test_the_footer(written):
    path, *_ = written
    metadata = pq.ParquetFile(path).schema_arrow.metadata
    assert json.loads(metadata[b"emb"]) == {"emb:dimensions": DIMENSION}
    geo = json.loads(metadata[b"geo"])
    column = geo["columns"][geo["primary_column"]]
    assert geo["version"] == "1.1.0" and column["encoding"] == "WKB" and column["geometry_types"] == ["Point"]
    assert column["covering"]["bbox"]["xmax"] == ["bbox", "xmax"]


def test_bboxes_are_rounded_outward(written):
    path, *_, columns, _ = written
    boxes = pq.read_table(path, columns=["bbox"])["bbox"].to_pylist()
    for box, lon, lat in zip(boxes, columns["lon"], columns["lat"]):
        assert box["xmin"] <= lon <= box["xmax"] and box["ymin"] <= lat <= box["ymax"]
        assert box["xmax"] - box["xmin"] < 1e-4


def test_row_groups_are_cut_by_bytes_and_batches_do_not_change_the_file(tmp_path, monkeypatch):
    columns, vectors = made()
    monkeypatch.setattr(rows_module, "_ROW_GROUP_BYTES", 15_000)
    with embedding_writer(tmp_path / "a.parquet", DIMENSION, "float32", {}, CARRIED) as writer:
        for start in range(0, ROWS, 50):
            part = {name: values[start : start + 50] for name, values in columns.items()}
            writer.write(part, vectors[start : start + 50])
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert file.num_row_groups == 3 and file.metadata.num_rows == ROWS == writer.rows
    np.testing.assert_array_equal(read_vectors(file.read()), vectors)


def test_a_file_without_rows_is_read(tmp_path):
    with embedding_writer(tmp_path / "e.parquet", DIMENSION, "int8", {}):
        pass
    table = pq.read_table(tmp_path / "e.parquet")
    assert read_vectors(table).shape == (0, DIMENSION)


def test_an_error_leaves_no_file(tmp_path):
    columns, vectors = made()
    vectors[3, 2] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        write_embeddings(tmp_path / "e.parquet", columns, vectors, "float32", {}, CARRIED)
    with pytest.raises(ValueError, match="too large for float16"):
        stored_vectors(np.full((1, 2), 1e5, np.float32), "float16")
    assert not list(tmp_path.iterdir())


def test_zero_is_stored_as_zero():
    stored = stored_vectors(np.zeros((2, 4), np.float32), "int8")
    assert not stored["embedding"].any() and np.isfinite(stored["embedding_scale"]).all()


def test_carried_columns_keep_their_names():
    assert carried_names(["name", "source"]) == {"name": "name", "source": "input_source"}
    assert set(carried_names(OWN_COLUMNS).values()).isdisjoint(OWN_COLUMNS)
    with pytest.raises(ValueError, match="'source' and 'input_source'"):
        carried_names(["source", "input_source"])


def test_files_are_those_of_the_job(tmp_path):
    with pytest.raises(ValueError, match=r"holds no job.json; pass a folder"):
        embedding_files(tmp_path)
    (tmp_path / "job.json").write_text('{"tasks": 2}', encoding="utf-8")
    (tmp_path / "embeddings").mkdir()
    for name in ("00000", "stray"):
        (tmp_path / "embeddings" / f"{name}.parquet").touch()
    with pytest.raises(ValueError, match=r"1 of the 2 files .* first '00001.parquet'"):
        embedding_files(tmp_path)
    embedding_file(tmp_path, 1).touch()
    assert [path.name for path in embedding_files(tmp_path)] == ["00000.parquet", "00001.parquet"]
