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
"""Which model the page serves, and what the page calls it."""

import shutil

import numpy as np
import pytest
import torch

pytest.importorskip("gradio", reason="the extra demo is not installed")
import serving.model as model
from training.common.precision import compute_in


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """A model other than the bundled one."""
    folder = tmp_path_factory.mktemp("secret") / "my-model"
    shutil.copytree(model.BUNDLED_MODEL, folder)
    config = folder / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace('"seed": 0', '"seed": 1') + "\n", encoding="utf-8")
    return folder


def test_the_bundled_model_is_the_default_and_says_what_it_was_trained_on(monkeypatch, served_model):
    monkeypatch.delenv("GAIR_MODEL", raising=False)
    found, _ = model.load_models()
    assert "bundled" in found.name and "sample world" in found.note
    assert found.fingerprint == served_model.fingerprint and not found.model.training


def test_the_environment_selects_a_model_and_no_path_is_shown(monkeypatch, other, served_model):
    monkeypatch.setenv("GAIR_MODEL", str(other))
    found, _ = model.load_models()
    assert found.name == "my-model" and str(other.parent) not in f"{found.name} {found.note}"
    assert "sample world" not in found.note and found.fingerprint != served_model.fingerprint


def test_two_models_are_compared_or_one_with_itself_untrained(monkeypatch, other, served_model):
    monkeypatch.setenv("GAIR_MODEL", f"{model.BUNDLED_MODEL}, {other}")
    first, second = model.load_models()
    assert (first.fingerprint, second().name) == (served_model.fingerprint, "my-model")
    monkeypatch.setenv("GAIR_MODEL", ",".join(3 * [str(other)]))
    with pytest.raises(ValueError, match="names 3 models, expected one or two"):
        model.load_models()
    monkeypatch.delenv("GAIR_MODEL")
    before = torch.random.get_rng_state()
    drawn, again = (model.load_models()[1]() for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    lon, lat = np.array([13.4]), np.array([52.52])
    assert np.array_equal(drawn.places(lon, lat), again.places(lon, lat))
    assert drawn.places(lon, lat)[0] @ served_model.places(lon, lat)[0] < 0.9
    assert drawn.fingerprint == again.fingerprint != served_model.fingerprint and "untrained" in drawn.name


@pytest.mark.parametrize("name", ["no/such/folder", "nobody-has-this/model"])
def test_a_model_that_is_not_found_is_reported(monkeypatch, name):
    monkeypatch.setattr(model, "snapshot_download", lambda *_, **__: (_ for _ in ()).throw(OSError("offline")))
    with pytest.raises(ValueError, match=r"GAIR_MODEL is .* expected a directory or a reachable repository"):
        model.load_model(name)


def test_a_folder_without_a_model_is_reported(tmp_path):
    with pytest.raises(ValueError, match="expected a complete model"):
        model.load_model(str(tmp_path))


def test_embeddings_have_length_one_whatever_the_size_of_chunks(monkeypatch, served_model):
    lon, lat = np.linspace(-180, 180, 50), np.linspace(-90, 90, 50)
    whole = served_model.places(lon, lat)
    assert np.linalg.norm(whole, axis=1) == pytest.approx(np.ones(50), abs=1e-5)
    monkeypatch.setattr(model, "_PLACES_AT_ONCE", 7)
    assert served_model.places(lon, lat) == pytest.approx(whole, abs=1e-5)


def test_the_environment_selects_a_precision(monkeypatch, served_model, bundled_gallery):
    monkeypatch.setenv("GAIR_PRECISION", "bfloat16")
    rounded = model.load_model(str(model.BUNDLED_MODEL))
    assert rounded.fingerprint != served_model.fingerprint and model.untrained(rounded).precision == "bfloat16"
    lon, lat = np.linspace(-180, 180, 50), np.linspace(-60, 70, 50)
    photo = bundled_gallery.photos[0].jpeg
    tile = torch.rand(1, 10, 96, 96)
    for exact, less in (
        (served_model.places(lon, lat), rounded.places(lon, lat)),
        (served_model.photo(photo)[None], rounded.photo(photo)[None]),
        (served_model.model.encode_tiles(tile).pooler_output, rounded.model.encode_tiles(tile).pooler_output),
    ):
        exact, less = torch.as_tensor(exact), torch.as_tensor(less)
        assert less.dtype == torch.float32 and not torch.equal(exact, less)
        assert torch.cosine_similarity(exact, less).min() > 0.999
    # As in training/embed.py, whose code the Space cannot import.
    embedding = model.AutoModel.from_pretrained(model.BUNDLED_MODEL, trust_remote_code=True).eval()
    compute_in(embedding, "bfloat16")
    with torch.no_grad():
        assert torch.equal(embedding.encode_tiles(tile).pooler_output, rounded.model.encode_tiles(tile).pooler_output)
    monkeypatch.setenv("GAIR_PRECISION", "float16")
    with pytest.raises(ValueError, match="GAIR_PRECISION is 'float16', expected float32 or bfloat16"):
        model.load_model(str(model.BUNDLED_MODEL))
