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
"""Searches find what a comparison of all rows finds, in one index or several, with and without filters."""

import json
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.helpers.embeddings import clustered, write_folder
from tests.training.searching.conftest import DIMENSION, ROWS, true_nearest, unit
from training.search import main
from training.searching.index import open_index
from training.searching.parts import keep_best, nearest_exactly, read_part_info


def ids(hits) -> list[str]:
    return hits.table.column("id").to_pylist()


def names(rows) -> list[str]:
    return [f"row-{row}" for row in rows]


def test_the_most_similar_rows_come_first(folder, vectors):
    index = open_index(folder)
    assert len(index) == ROWS and index.dimension == DIMENSION
    query = vectors[10] + 0.3 * vectors[11]
    hits = index.search(query, top=7)
    assert ids(hits) == names(true_nearest(vectors, query, 7))
    expected = unit(vectors[true_nearest(vectors, query, 7)]) @ unit(query)
    np.testing.assert_allclose(hits.table.column("similarity").to_numpy(), expected, atol=1e-6)
    row = hits.table.slice(0, 1).to_pylist()[0]
    number = int(row["id"].removeprefix("row-"))
    assert row["population"] == number and row["city"] == f"city {number % 7}" and "embedding" not in row


def test_several_queries_keep_their_order(folder, vectors):
    hits = open_index(folder).search(torch.from_numpy(vectors[[5, 900, 17]]), top=3)
    assert hits.table.column("query").to_pylist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert ids(hits)[::3] == names([5, 900, 17])
    assert ids(hits)[3:6] == names(true_nearest(vectors, vectors[900], 3))


def test_a_filter_comes_first_and_loses_no_row(folder, vectors):
    index = open_index(folder)
    where = "population % 100 = 3 AND city <> 'city 2'"
    allowed = np.array([row for row in range(ROWS) if row % 100 == 3 and row % 7 != 2])
    hits = index.search(vectors[0], top=100, where=where)
    assert ids(hits) == names(true_nearest(vectors, vectors[0], 100, allowed)) and len(hits) == len(allowed)
    assert len(index.search(vectors[0], where="population > 1e9")) == 0
    # A condition cannot reach beyond the box.
    inside = index.search(vectors[0], top=ROWS, bbox=(0, 0, 20, 20), where="true OR true")
    assert 0 < len(inside) < 100


@pytest.mark.parametrize("box", [(-10.0, 35.0, 30.0, 60.0), (170.0, -50.0, -160.0, 50.0)])
def test_a_box_may_cross_the_antimeridian(folder, vectors, box):
    west, south, east, north = box
    hits = open_index(folder).search(vectors[0], top=ROWS, bbox=box)
    lon, lat = (hits.table.column(axis).to_numpy() for axis in ("lon", "lat"))
    inside = (lon >= west) & (lon <= east) if west < east else (lon >= west) | (lon <= east)
    assert inside.all() and ((lat >= south) & (lat <= north)).all()
    everything = open_index(folder).search(vectors[0], top=ROWS).table
    lon, lat = (everything.column(axis).to_numpy() for axis in ("lon", "lat"))
    inside = (lon >= west) & (lon <= east) if west < east else (lon >= west) | (lon <= east)
    assert len(hits) == (inside & (lat >= south) & (lat <= north)).sum() > 5


def test_conditions_cannot_read_files(folder, vectors, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with pytest.raises(ValueError, match="cannot be evaluated"):
        open_index(folder).search(vectors[0], where=f"(SELECT count(*) FROM read_csv('{secret}')) > 0")


@pytest.mark.parametrize(
    "where",
    [
        "true; DROP TABLE embeddings",
        "true) ; DROP VIEW embeddings; SELECT (true",
        "false) UNION SELECT 7 FROM embeddings WHERE (true",
        "population > 3) LIMIT (1",
        "true) OR (true",
        "population > 3 ORDER BY population",
        "population, lat",
        "ATTACH 'other.db'",
        "COPY embeddings TO 'rows.csv'",
        "  ",
    ],
)
def test_a_condition_is_one_expression(folder, vectors, where, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    index = open_index(folder)
    with pytest.raises(ValueError, match="expected one condition in SQL on the columns id"):
        index.check_where(where)
    with pytest.raises(ValueError, match="expected one condition in SQL on the columns id"):
        index.search(vectors[0], where=where)
    assert not list(tmp_path.iterdir()) and len(index.search(vectors[0], where="true -- all of them")) == 10


@pytest.mark.parametrize("dtype", ["float16", "int8"])
def test_vectors_of_every_dtype_are_searched(tmp_path, vectors, dtype):
    write_folder(tmp_path, vectors, dtype=dtype, files=2)
    main(["index", str(tmp_path)])
    hits = open_index(tmp_path).search(vectors[42], top=5, where="lat > -90")
    assert ids(hits)[0] == "row-42" and len(set(ids(hits)) & set(names(true_nearest(vectors, vectors[42], 5)))) >= 4


def test_an_index_of_lists_finds_nearly_all(ivf_folder, large_vectors):
    info = read_part_info(ivf_folder / "index" / "part-00000")
    assert info.lists > 100 and info.recall >= 0.99
    index = open_index(ivf_folder)
    queries = clustered(100, 48, seed=3)[:50] + clustered(50, 48, seed=9) * 0.3
    hits = index.search(queries, top=10)
    found = np.array(ids(hits)).reshape(50, 10)
    shares = [
        len(set(names(true_nearest(large_vectors, query, 10))) & set(row)) / 10 for query, row in zip(queries, found)
    ]
    assert np.mean(shares) >= 0.98
    # Many rows, and rows that pass a filter, are found exactly.
    many = index.search(queries[0], top=500)
    true = names(true_nearest(large_vectors, queries[0], 500))
    assert len(set(ids(many)) & set(true)) >= 498
    assert ids(index.search(queries[0], top=10, where="lat > -91")) == true[:10]


def test_dense_rows_are_told_apart_by_more_candidates(tmp_path):
    """Rows so close to each other that eight bits cannot order them, as places a few kilometres apart are."""
    from training.searching.ivf import build_lists, choose_reading

    generator = np.random.default_rng(5)
    rows = unit(np.repeat(generator.normal(size=(30, 16)), 400, axis=0) + 1e-2 * generator.normal(size=(12_000, 16)))
    rows = rows.astype(np.float32)
    lists = build_lists(rows, tmp_path / "ivf.faiss", SimpleNamespace(update=lambda count: None))
    probes, candidates, recall = choose_reading(rows, tmp_path / "ivf.faiss", lists)
    assert candidates > 100 and probes < lists and recall >= 0.99


def test_lists_without_enough_rows_are_completed(ivf_folder, large_vectors):
    from training.searching.ivf import InvertedLists

    part = open_index(ivf_folder)._parts[0]
    lists = InvertedLists(part.folder / "ivf.faiss", part.vectors, probes=1, candidates=100)
    similarities, rows = lists.nearest(unit(large_vectors[:3]), 100)
    assert similarities.shape == (3, 100) and (rows >= 0).all() and all(len(set(row)) == 100 for row in rows.tolist())


def test_little_memory_makes_several_parts_that_are_merged(tmp_path, vectors):
    write_folder(tmp_path, vectors, files=3)
    main(["index", str(tmp_path), "--memory_gb", "0.0001"])
    assert len(list((tmp_path / "index").glob("part-*"))) == 3
    hits = open_index(tmp_path).search(vectors[2500], top=9)
    assert ids(hits) == names(true_nearest(vectors, vectors[2500], 9))
    # With more memory, the parts that are not needed are deleted.
    main(["index", str(tmp_path)])
    assert [path.name for path in (tmp_path / "index").glob("part-*")] == ["part-00000"]
    assert ids(open_index(tmp_path).search(vectors[2500], top=9)) == ids(hits)


def test_an_interrupted_build_goes_on_where_it_stopped(tmp_path, vectors, monkeypatch):
    write_folder(tmp_path, vectors, files=3)
    import training.searching.build as build

    whole = build._write_rows
    built = []

    def interrupted(collection, files, *rest):
        if len(built) == 2:
            raise KeyboardInterrupt
        built.append(files[0].name)
        whole(collection, files, *rest)

    monkeypatch.setattr(build, "_write_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(["index", str(tmp_path), "--memory_gb", "0.0001"])
    with pytest.raises(ValueError, match=r"has no index; run training/search.py index"):
        open_index(tmp_path)
    assert not list((tmp_path / "index").glob(".unfinished-*"))
    monkeypatch.setattr(build, "_write_rows", lambda *given: (built.append(given[1][0].name), whole(*given)))
    main(["index", str(tmp_path), "--memory_gb", "0.0001"])
    assert built == ["00000.parquet", "00001.parquet", "00002.parquet"]
    assert ids(open_index(tmp_path).search(vectors[1], top=1)) == ["row-1"]


def test_an_index_older_than_its_embeddings_is_refused(tmp_path, vectors):
    write_folder(tmp_path / "out", vectors, files=2)
    main(["index", str(tmp_path / "out")])
    # A copy has other times, and the same content.
    shutil.copytree(tmp_path / "out", tmp_path / "copy", copy_function=shutil.copyfile)
    assert len(open_index(tmp_path / "copy")) == ROWS
    write_folder(tmp_path / "out", vectors + 1, files=2)
    with pytest.raises(
        ValueError, match=r"older than its embeddings.*of 2 files that differ the first is 00000.parquet"
    ):
        open_index(tmp_path / "out")
    main(["index", str(tmp_path / "out")])
    assert len(open_index(tmp_path / "out")) == ROWS
    write_folder(tmp_path / "copy", vectors, files=3)
    with pytest.raises(ValueError, match="older than its embeddings"):
        open_index(tmp_path / "copy")


def test_folders_of_one_model_are_searched_together(folder, tmp_path, vectors):
    other = write_folder(tmp_path / "other", clustered(100, DIMENSION, seed=5), columns={"height": range(100)})
    main(["index", str(other)])
    index = open_index([folder, other])
    assert len(index) == ROWS + 100
    query = clustered(100, DIMENSION, seed=5)[7]
    both = np.concatenate([vectors, clustered(100, DIMENSION, seed=5)])
    expected = true_nearest(both, query, 20)
    hits = index.search(query, top=20).table.to_pylist()
    assert [row["id"] for row in hits] == names(np.where(expected < ROWS, expected, expected - ROWS))
    # Columns that a folder lacks are empty.
    assert hits[0]["height"] == 7 and hits[0]["population"] is None
    with pytest.raises(ValueError, match=r"2 rows have the id 'row-5'"):
        index.vector_of("row-5")
    write_folder(tmp_path / "other", clustered(100, DIMENSION), fingerprint="fedcba9876543210", model="org/else")
    with pytest.raises(ValueError, match=r"embedded by 'made' .* by 'org/else' .* cannot be compared"):
        open_index([folder, other])


def test_a_damaged_index_is_refused(tmp_path, vectors):
    write_folder(tmp_path, vectors)
    main(["index", str(tmp_path)])
    rows = tmp_path / "index" / "part-00000" / "rows.arrow"
    rows.write_bytes(rows.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"damaged .* delete that folder"):
        open_index(tmp_path)
    about = tmp_path / "index" / "index.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "layout": 0}))
    with pytest.raises(ValueError, match="another version"):
        open_index(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", "", '{"layout": 1}'])
def test_an_index_that_is_half_written_is_refused(tmp_path, content):
    write_folder(tmp_path, clustered(5, 8))
    main(["index", str(tmp_path)])
    (tmp_path / "index" / "index.json").write_text(content)
    with pytest.raises(ValueError, match=r"has no index; run training/search.py index"):
        open_index(tmp_path)
    main(["index", str(tmp_path)])
    (tmp_path / "index" / "part-00000" / "part.json").unlink()
    with pytest.raises(ValueError, match="of another version or incomplete"):
        open_index(tmp_path)
    main(["index", str(tmp_path)])
    assert len(open_index(tmp_path)) == 5


def test_an_index_of_another_folder_is_refused(tmp_path):
    one, other = (write_folder(tmp_path / str(seed), clustered(5, 8, seed=seed)) for seed in (1, 2))
    main(["index", str(one)])
    shutil.copytree(one / "index", other / "index")
    with pytest.raises(ValueError, match="or of others"):
        open_index(other)


@pytest.mark.parametrize(
    "settings", [{"dtype": "int8"}, {"columns": {"height": range(6)}}, {"fingerprint": "fedcba9876543210"}]
)
def test_files_of_several_jobs_are_not_mixed(tmp_path, settings):
    one = write_folder(tmp_path / "one", clustered(6, 8), files=2)
    other = write_folder(tmp_path / "other", clustered(6, 8), files=2, **settings)
    shutil.copy(other / "embeddings" / "00001.parquet", one / "embeddings")
    with pytest.raises(ValueError, match=r"00001.parquet' belongs to another job than '00000.parquet'"):
        main(["index", str(one)])


def test_a_folder_is_searched_once(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(ValueError, match="is given twice"):
        open_index([folder, tmp_path / "link"])


def test_an_embedding_without_direction_is_refused(tmp_path):
    vectors = clustered(5, 8)
    vectors[3] = 0
    write_folder(tmp_path, vectors)
    with pytest.raises(ValueError, match=r"row 'row-3' is zero or not finite"):
        main(["index", str(tmp_path)])
    assert [path.name for path in (tmp_path / "index").iterdir()] == []


def test_vectors_of_float16_are_compared_alike_with_and_without_pytorch(large_vectors, monkeypatch):
    halves = unit(large_vectors[:500]).astype(np.float16)
    halves.flags.writeable = False
    expected = [nearest_exactly(halves, halves[:3].astype(np.float32), 5, rows) for rows in (None, np.arange(100, 400))]
    monkeypatch.delitem(sys.modules, "torch")
    for (best, found), rows in zip(expected, (None, np.arange(100, 400))):
        slowly = nearest_exactly(halves, halves[:3].astype(np.float32), 5, rows)
        np.testing.assert_array_equal(found, slowly[1])
        np.testing.assert_array_equal(best, slowly[0])


def test_equal_similarities_are_ordered_by_row():
    best = np.array([[0.5, 0.7, 0.5, 0.7, 0.5]], np.float32)
    similarities, rows = keep_best(best, np.array([[9, 4, 3, 1, 6]]), 4)
    assert rows.tolist() == [[1, 4, 3, 6]] and similarities[0, 0] == np.float32(0.7)
