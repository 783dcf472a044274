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
"""Hits are written in the formats of the trade, and read back by them."""

import json

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from tests.helpers.embeddings import clustered, write_folder
from training.search import main
from training.searching.index import open_index
from training.searching.map_figure import draw_hits


def test_geojson_geoparquet_and_csv_are_read_back(folder, vectors, tmp_path):
    hits = open_index(folder).search(vectors[0], top=4)
    for name in ("hits.geojson", "hits.parquet", "hits.csv"):
        hits.write(tmp_path / name)
    rows = hits.table.to_pylist()
    features = json.loads((tmp_path / "hits.geojson").read_text())["features"]
    assert [feature["properties"]["id"] for feature in features] == [row["id"] for row in rows]
    assert features[0]["geometry"]["coordinates"] == [rows[0]["lon"], rows[0]["lat"]]
    frame = geopandas.read_parquet(tmp_path / "hits.parquet")
    assert frame.crs.to_authority() == ("OGC", "CRS84") and frame.geometry.x.tolist() == [row["lon"] for row in rows]
    np.testing.assert_allclose(frame.similarity, [row["similarity"] for row in rows])
    geo = json.loads(pq.read_metadata(tmp_path / "hits.parquet").metadata[b"geo"])
    assert geo["version"] == "1.1.0" and "covering" in geo["columns"]["geometry"]
    table = pd.read_csv(tmp_path / "hits.csv")
    assert table.population.tolist() == [row["population"] for row in rows] and table.geometry[0].startswith("POINT (")


def test_the_table_shows_what_rows_have(folder, vectors):
    text = open_index(folder).search(vectors[3], top=2).to_text().splitlines()
    assert text[0].split() == ["#", "similarity", "id", "lon", "lat", "modality", "source"]
    assert text[1].split()[:3] == ["1", "1.0000", "row-3"] and len(text) == 3


def test_ids_are_printed_whole_so_that_they_can_be_searched_by(tmp_path):
    long = [f"photos of a long walk through the city/2024-05-01/camera {number}/front left.jpg" for number in range(4)]
    write_folder(tmp_path, clustered(4, 8), columns={"id": long})
    main(["index", str(tmp_path)])
    index = open_index(tmp_path)
    lines = index.search(index.vector_of(long[2]), top=4).to_text().splitlines()
    assert long[2] in lines[1] and all(any(name in line for line in lines) for name in long)


def test_no_hits_are_written_too(folder, vectors, tmp_path):
    hits = open_index(folder).search(vectors[3], where="false")
    assert len(hits) == 0 and hits.to_text().startswith("#")
    hits.write(tmp_path / "none.geojson")
    hits.write(tmp_path / "none.parquet")
    assert json.loads((tmp_path / "none.geojson").read_text())["features"] == []
    assert len(geopandas.read_parquet(tmp_path / "none.parquet")) == 0


def test_the_map_shows_land_hits_and_the_place(folder, vectors, tmp_path):
    hits = open_index(folder).search(vectors[0], top=30)
    draw_hits(tmp_path / "map.png", hits, "a place", (10.0, 50.0))
    with Image.open(tmp_path / "map.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**24)}
    # Sea, land, and the star.
    assert {(238, 243, 246), (246, 244, 238), (220, 20, 60)} <= colours
