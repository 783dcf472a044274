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
"""Queries by photo, tile and place, embedded by the model of the rows."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from tests.bad_inputs.case import MODEL
from tests.helpers.embeddings import write_folder
from tests.helpers.rasters import made_pixels, write_tif
from tests.helpers.shared import made_once
from training.common.fingerprints import fingerprint_of
from training.common.models import load_gair
from training.search import main
from training.searching.index import open_index

LON_LAT = np.array([[13.4, 52.52], [-60.02, -3.1], [144.63, -35.97], [2.35, 48.86]])


@pytest.fixture(scope="module")
def loaded():
    return load_gair(str(MODEL))


@pytest.fixture(scope="module")
def places(tmp_path_factory, loaded):
    """Four places embedded by the bundled model, with their index."""
    model, processor = loaded

    def make(path):
        with torch.no_grad():
            inputs = processor(lon=LON_LAT[:, 0], lat=LON_LAT[:, 1], return_tensors="pt")
            vectors = model.get_location_features(inputs["coordinates"]).numpy()
        write_folder(path, vectors, LON_LAT, model=str(MODEL), fingerprint=fingerprint_of(model, processor))
        main(["index", str(path)])

    return made_once(tmp_path_factory, "search-places", make)


def test_a_place_finds_itself(places, capsys, tmp_path):
    output = [str(tmp_path / name) for name in ("hits.geojson", "hits.png")]
    main(["query", str(places), "--place", "-60.02,-3.1", "--top", "2", "--output", *output])
    text = capsys.readouterr().out.splitlines()
    assert text[0] == "The 2 most similar of 4 rows to the place -60.02,-3.1:"
    assert text[2].split()[:3] == ["1", "1.0000", "row-1"]
    assert all(f"Written: {path}" in text for path in output)


def test_photos_and_tiles_are_embedded_as_the_model_does(places, loaded, tmp_path):
    model, processor = loaded
    index = open_index(places)
    pixels = np.random.default_rng(0).integers(0, 255, (60, 80, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    (tmp_path / "photo.png").write_bytes(buffer.getvalue())
    tile = write_tif(tmp_path / "tile.tif", made_pixels(), names=processor.image_processor.bands)
    lon, lat = tile_centre(processor, tile)
    with torch.no_grad():
        inputs = processor(rs=str(tile), lon=lon, lat=lat, return_tensors="pt")
        expected = {
            "photo": model.get_sv_features(processor(sv=pixels, return_tensors="pt")["sv_pixel_values"]),
            "tile": model.get_rs_features(inputs["rs_pixel_values"]),
            "point": model.get_localized_rs_features(inputs["rs_pixel_values"], inputs["query_points"]),
        }
    found = {
        "photo": index.embed(photo=str(tmp_path / "photo.png")),
        "tile": index.embed(tile=str(tile)),
        "point": index.embed(tile=str(tile), place=(lon, lat)),
    }
    for name, vector in found.items():
        np.testing.assert_allclose(vector, expected[name].numpy().ravel(), rtol=1e-4, atol=1e-5)
    assert len(index.search(found["photo"], top=3)) == 3


def tile_centre(processor, tile):
    read = processor.image_processor.read(str(tile))
    lon, lat = processor.feature_extractor.places_at((0.5, 0.5), read.bounds, read.crs)
    return float(lon), float(lat)


def test_a_row_finds_others_without_the_model(places, capsys):
    main(["query", str(places), "--like", "row-0", "--model", "none", "--where", "lat > 0"])
    assert [line.split()[2] for line in capsys.readouterr().out.splitlines()[2:]] == ["row-3"]


def test_a_query_is_embedded_in_the_precision_of_the_rows(tmp_path, loaded):
    model, processor = loaded
    about = {"model": str(MODEL), "fingerprint": fingerprint_of(model, processor), "precision": "bfloat16"}
    write_folder(tmp_path, np.eye(4, 96, dtype=np.float32), LON_LAT, **about)
    main(["index", str(tmp_path)])
    found = torch.from_numpy(open_index(tmp_path).embed(place=LON_LAT[0]))
    rounded, _ = load_gair(str(MODEL), precision="bfloat16")
    with torch.no_grad():
        coordinates = torch.from_numpy(LON_LAT[:1]).float()
        assert torch.equal(found, rounded.get_location_features(coordinates)[0])
        assert not torch.equal(found, model.get_location_features(coordinates)[0])


def test_another_model_is_refused(tmp_path):
    write_folder(tmp_path, np.eye(4, 96, dtype=np.float32), LON_LAT, model=str(MODEL))
    main(["index", str(tmp_path)])
    with pytest.raises(ValueError, match=r"is not the one that embedded .*, or its code has changed"):
        open_index(tmp_path).embed(place=(0, 0))
