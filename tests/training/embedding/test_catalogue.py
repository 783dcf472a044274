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
"""The catalogue, the data card and the picture of a job, and the Hub that it is pushed to."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import shapely

pytest.importorskip("datatrove", reason="the extra embed is not installed")
from huggingface_hub import DatasetCard
from PIL import Image

from modeling_gair.crs_gair import unproject
from tests.helpers.embedding import run_embed, write_places, write_tiles
from training.common.footprints import footprint_of
from training.hub.push_embeddings import push_embeddings


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    path = write_places(folder / "p.csv", 120)
    path.write_text(path.read_text(encoding="utf-8") + "bad,nowhere,0,99,0\n", encoding="utf-8")
    run_embed(path, folder / "out", items_per_task=61, dtype="int8")
    return folder / "out"


@pytest.fixture(scope="module")
def tiles(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("catalogue")
    run_embed(write_tiles(folder / "tiles", 5), folder / "out")
    return folder / "out"


@pytest.fixture(params=["places", "tiles"])
def output(request) -> Path:
    return request.getfixturevalue(request.param)


def documents(output: Path) -> tuple[dict, list[dict]]:
    items = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((output / "items").iterdir())]
    return json.loads((output / "collection.json").read_text(encoding="utf-8")), items


def test_it_is_valid_stac_with_the_embeddings_extension(output, reference_dir):
    """By the extension's own schema; what it refers to elsewhere is not fetched but left to the test of STAC itself."""
    jsonschema = pytest.importorskip("jsonschema")
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT7

    schema = json.loads((reference_dir / "schemas" / "stac-embeddings-v0.0.1.json").read_text(encoding="utf-8"))
    link = {"type": "object", "required": ["rel", "href"]}
    elsewhere = {"definitions": {"link": link, "fields": {"properties": {"processing:expression": {"type": "object"}}}}}

    def retrieve(uri: str) -> Resource:
        return Resource.from_contents(elsewhere, default_specification=DRAFT7)

    validator = jsonschema.Draft7Validator(schema, registry=Registry(retrieve=retrieve))
    collection, items = documents(output)
    for document in (collection, *items):
        validator.validate(document)
    # The schema does find faults.
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({name: value for name, value in collection.items() if name != "emb:dimensions"})


def test_pystac_reads_it(output):
    pystac = pytest.importorskip("pystac")
    collection = pystac.Collection.from_file(str(output / "collection.json"))
    items = list(collection.get_items())
    assert len(items) == len(list((output / "embeddings").iterdir()))
    west, south, east, north = collection.extent.spatial.bboxes[0]
    for item in items:
        path = Path(item.assets["embeddings"].get_absolute_href())
        table = pq.read_table(path, columns=["lon", "lat", "geometry"])
        assert item.properties["emb:runtime_parameters"]["rows"] == len(table)
        box = shapely.box(*item.bbox)
        assert shapely.covers(box, shapely.from_wkb(table["geometry"].to_pylist())).all()
        assert shapely.box(west, south, east, north).covers(box)


def test_the_card_says_what_it_is(places):
    card = DatasetCard.load(places / "README.md")
    assert card.data.embedding_dimension == 96 and card.data.embedding_spatial_types == ["location"]
    assert card.data.size_categories == "n<1K" and "int8" in card.data.quantization
    assert (
        "120 embeddings" in card.text
        and "1 embedding could not be made" in card.text
        and "raw, not normalised" in card.text
    )
    with Image.open(places / "preview.png") as picture:
        assert picture.width > 500


@pytest.mark.usefixtures("here")
def test_it_is_pushed_without_what_is_of_this_machine_only(places, hub):
    (places / "index").mkdir(exist_ok=True)
    (places / "index" / "faiss").write_text("x", encoding="utf-8")
    push_embeddings(places, "org/places", private=True)
    stored = hub.repository("org/places", "datasets")
    assert stored.private
    names = set(stored.files())
    assert {
        "README.md",
        "job.json",
        "collection.json",
        "errors.jsonl",
        "preview.png",
        "embeddings/00001.parquet",
        "items/00000.json",
    } <= names
    assert not [name for name in names if name.startswith(("plan", "logs", "index"))]
    assert not [name for name, file in stored.files().items() if str(places.parent).encode() in file.content]
    with pytest.raises(ValueError, match="write access"):
        hub.repositories.clear()
        push_with_no_token(places)


def push_with_no_token(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_TOKEN", "hf_wrong")
        push_embeddings(folder, "org/other", private=False)


def test_a_footprint_around_a_pole_reaches_it_from_all_sides():
    around = footprint_of((-960, -960, 960, 960), "EPSG:3031")
    assert around.bounds == pytest.approx((-180, -90, 180, -89.9875), abs=1e-4)
    assert around.is_valid and all(around.covers(shapely.Point(lon, -89.995)) for lon in (-180, -90, 0, 90, 180))
    # The pole at a corner, and beside the tile.
    corner = footprint_of((0, 0, 1920, 1920), "EPSG:3031")
    assert corner.is_valid and corner.bounds == pytest.approx((0, -90, 90, -89.975), abs=1e-3)
    beside = footprint_of((1e6, 1e6, 1e6 + 1920, 1e6 + 1920), "EPSG:3031")
    assert beside.is_valid and beside.exterior.is_ccw and beside.area < 0.01


def test_a_footprint_across_the_antimeridian_is_two_polygons():
    whole = footprint_of((699_000, 8_000_000, 705_000, 8_004_000), "EPSG:32760")
    lon, _ = unproject(699_000, 8_000_000, "EPSG:32760")
    assert whole.geom_type == "Polygon" and whole.exterior.is_ccw and 170 < lon < 180
    crossing = footprint_of((179.99, -17.0, -179.99, -16.98), "EPSG:4326")
    assert crossing.geom_type == "MultiPolygon" and crossing.bounds == pytest.approx((-180, -17, 180, -16.98))
    assert crossing.area == pytest.approx(0.02 * 0.02)
