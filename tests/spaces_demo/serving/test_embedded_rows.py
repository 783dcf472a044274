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
"""Rows of embeddings that the Space searches: read from GeoParquet, checked against its model, and found."""

import numpy as np
import pytest

pytest.importorskip("shapely", reason="the extra embed is not installed")

import serving.embedded_rows as embedded_rows
from serving.embedded_rows import load_embedded_rows
from tests.helpers.embeddings import write_folder


@pytest.fixture(scope="module")
def places():
    return np.random.default_rng(0).uniform((-180, -60), (180, 75), (300, 2))


def written(folder, served, places, **settings) -> str:
    vectors = 3 * served.places(*places.T)
    return str(write_folder(folder, vectors, places, files=2, **settings) / "embeddings")


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
def test_places_find_themselves(served_model, places, tmp_path, monkeypatch, dtype):
    monkeypatch.setenv("GAIR_EMBEDDINGS", written(tmp_path, served_model, places, dtype=dtype))
    rows = load_embedded_rows(served_model)
    assert rows.note == "The search covers 300 rows. "
    query = served_model.places(*places[123:124].T)[0]
    found = rows.find(query, 3)
    assert found[0]["id"] == "row-123" and (found[0]["lon"], found[0]["lat"]) == tuple(places[123])
    assert found[0]["similarity"] > 0.999 >= found[1]["similarity"] - 0.001 and len(found) == 3


def test_without_a_folder_there_are_no_rows(served_model, monkeypatch):
    monkeypatch.delenv("GAIR_EMBEDDINGS", raising=False)
    assert load_embedded_rows(served_model) is None


def test_many_rows_are_thinned_evenly(served_model, places, tmp_path, monkeypatch):
    monkeypatch.setattr(embedded_rows, "MAX_ROWS", 70)
    rows = load_embedded_rows(served_model, written(tmp_path, served_model, places))
    assert rows.ids == [f"row-{number}" for number in range(0, 300, 5)]
    assert rows.note.startswith("The search covers 60 of 300 rows, evenly spread.")


def test_rows_of_another_model_are_refused(served_model, places, tmp_path):
    vectors = np.random.default_rng(0).standard_normal((300, 96), dtype=np.float32)
    write_folder(tmp_path, vectors, places)
    with pytest.raises(ValueError, match="were embedded by another model"):
        load_embedded_rows(served_model, str(tmp_path / "embeddings"))
    # Photos cannot be embedded again here, and the page says so.
    write_folder(tmp_path, vectors, places, columns={"modality": ["street_view"] * 300})
    assert "cannot be checked" in load_embedded_rows(served_model, str(tmp_path / "embeddings")).note
    write_folder(tmp_path, vectors[:, :64], places, columns={"modality": ["street_view"] * 300})
    with pytest.raises(ValueError, match="were embedded by another model"):
        load_embedded_rows(served_model, str(tmp_path / "embeddings"))


def test_folders_without_embeddings_are_refused(served_model, tmp_path):
    with pytest.raises(ValueError, match=r"expected a folder of embeddings .* \(no rows\)"):
        load_embedded_rows(served_model, str(tmp_path))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="expected a folder of embeddings"):
        load_embedded_rows(served_model, str(tmp_path))
