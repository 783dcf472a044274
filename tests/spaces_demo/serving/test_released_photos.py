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
"""Embeddings of photos that are released with a model."""

import numpy as np
import pytest

from serving.released_photos import digest_of, read_photos, write_photos

PHOTOS = [b"one", b"two", b"three"]
FINGERPRINT = "0123456789abcdef"


def embed(photo):
    direction = np.random.default_rng(list(photo)).standard_normal(8).astype(np.float32)
    return direction / np.linalg.norm(direction)


@pytest.fixture
def folder(tmp_path):
    write_photos(tmp_path, FINGERPRINT, PHOTOS, embed)
    return tmp_path


def test_photos_are_read_back_with_length_one(folder):
    found = read_photos(folder, FINGERPRINT, 8)
    assert set(found) == {digest_of(photo) for photo in PHOTOS}
    for photo in PHOTOS:
        own = found[digest_of(photo)]
        assert own.dtype == np.float32 and np.linalg.norm(own) == pytest.approx(1, abs=1e-6)
        assert own @ embed(photo) == pytest.approx(1, abs=1e-5)


def test_a_file_of_other_weights_or_of_another_width_is_not_read(folder):
    assert read_photos(folder, "fedcba9876543210", 8) == {}
    assert read_photos(folder, FINGERPRINT, 16) == {}


def test_a_damaged_file_is_not_read(folder):
    (file,) = folder.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:40], whole[:-1]):
        file.write_bytes(damaged)
        assert read_photos(folder, FINGERPRINT, 8) == {}
    np.save(file, np.zeros((3, 8), np.float16))
    assert read_photos(folder, FINGERPRINT, 8) == {}
