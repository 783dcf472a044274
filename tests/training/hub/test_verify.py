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
"""Unexpected and missing files, and local paths, stop a release."""

import re

import pytest

pytest.importorskip("datasets", reason="the extra train is not installed")
from training.hub.verify import check_same_embeddings, verify


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("optimizer.bin", b"", "'optimizer.bin' is not part of a release"),
        ("example/more.pkl", b"", "'example/more.pkl' is not part"),
        ("onnx/rs.onnx", b"\x08\x00PLACE/model.py", "'onnx/rs.onnx' names the local path"),
        ("metrics.json", b'{"data": "/srv/photos/pairs.csv"}', "names the local path '/srv/photos/pairs.csv'"),
        ("README.md", b"trained on C:\\data\\pairs.csv", "names the local path 'C:\\\\data\\\\pairs.csv'"),
        ("config.json", b'{"_name_or_path": "~/models/gair"}', "names the local path '~/models/gair'"),
    ],
)
def test_unexpected_files_and_local_paths_are_named(whole_release, release, name, content, message):
    trained, _ = whole_release
    path = release / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.replace(b"PLACE", str(trained).encode()))
    with pytest.raises(ValueError, match=re.escape(message)):
        verify(release, (str(trained),))


@pytest.mark.parametrize("name", ["raster_gair.py", "LICENSE", "model.safetensors"])
def test_missing_files_are_named(release, name):
    (release / name).unlink()
    with pytest.raises(ValueError, match=f"^{name} is missing from the release"):
        verify(release, ())


def test_urls_and_code_are_not_local_paths(release):
    (release / "README.md").write_text(
        "https://hf.co/org/gair, 10 km/h, and/or, </b>/x, org/gair/resolve, a / b / c, ~96 px"
    )
    verify(release, ())


def test_files_that_embed_differently_stop_the_release(release, tiny_model, monkeypatch):
    from modeling_gair import GairModel, GairProcessor

    changed = GairModel.from_pretrained(release).eval()
    changed.sv_projection.weight.data.mul_(-1.0)
    with pytest.raises(ValueError, match="sv_embeds of the files to publish differ from those of the model"):
        check_same_embeddings(changed, GairProcessor.from_pretrained(release), release)
