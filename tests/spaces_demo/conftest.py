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
"""Fixtures of the Space's tests: the bundled gallery, a tile and a query."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch

from modeling_gair import GairConfig, GairModel
from tests.helpers.shared import made_once

UTM_BOUNDS = (500000.0, 4998800.0, 501920.0, 5000720.0)


@pytest.fixture(scope="session")
def space_cache(tmp_path_factory, served_model):
    """A cache that holds the embeddings of the bundled gallery; computed once a session."""

    def embed(folder):
        with pytest.MonkeyPatch.context() as patch:
            _load_bundled(patch, folder, served_model)

    return made_once(tmp_path_factory, "space-cache", embed)


@pytest.fixture(scope="session")
def bundled_gallery(space_cache, served_model):
    """The bundled gallery: 24 tiles, 96 photos."""
    with pytest.MonkeyPatch.context() as patch:
        return _load_bundled(patch, space_cache, served_model)


def _load_bundled(patch, cache, served):
    from serving.gallery import load_gallery

    patch.setattr("serving.gallery.constants.HF_HOME", str(cache))
    patch.delenv("GAIR_GALLERY", raising=False)
    return load_gallery(None, served)


@pytest.fixture(scope="session")
def pixels():
    """The pixels of a tile as prepared for the model."""
    torch.manual_seed(0)
    return torch.rand(1, 10, 96, 96)


@pytest.fixture(scope="session")
def encoded(pixels):
    """The tile encoded by a tiny model that reads pixels, with random weights: a new model's pixels would add nothing."""
    from serving.encoded_tile import encode_tile

    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(nili_init="normal")).eval()
    torch.nn.init.normal_(model.pixel_query.out_proj.weight, std=0.2)
    return encode_tile(model, pixels)


@pytest.fixture(scope="session")
def tile_without_pixels(pixels):
    """The tile encoded by a tiny model that reads tokens alone."""
    from serving.encoded_tile import encode_tile
    from serving.gallery import Tile

    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny(nili_init="normal", pixel_window=0)).eval()
    layers = {"True colour": "data:image/jpeg;base64,"}
    return Tile("made", layers, UTM_BOUNDS, "EPSG:32633", 1.0, encode_tile(model, pixels))


@pytest.fixture
def tile(encoded):
    """The encoded tile in UTM zone 33 N."""
    from serving.gallery import Tile

    return Tile("made", {"True colour": "data:image/jpeg;base64,"}, UTM_BOUNDS, "EPSG:32633", 1.0, encoded)


@pytest.fixture(scope="session")
def photo_query():
    """A random query of the kind "photo"."""
    from serving.tile_maps import TileQuery

    direction = np.random.default_rng(0).standard_normal(96).astype(np.float32)
    return TileQuery(direction / np.linalg.norm(direction), "photo", "a photo")


@pytest.fixture
def unnamed_model():
    """Stands for a served model where only coordinates and similarity ranges are used."""
    from modeling_gair import GairCoordinateProcessor

    @dataclass
    class Unnamed:
        similarity_ranges: dict[str, Any]
        coordinates: Any

    return Unnamed({}, GairCoordinateProcessor())
