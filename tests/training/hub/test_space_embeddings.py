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
"""The land of the world beside the weights of a release."""

import numpy as np
import pytest

pytest.importorskip("datasets", reason="the extra train is not installed")
from training.hub.space_embeddings import write_space_embeddings
from training.hub.verify import verify


@pytest.mark.slow
def test_world_and_photos_are_published_as_the_space_reads_them(release):
    write_space_embeddings(release)
    verify(release, ())
    (file,) = release.glob("world-*.npy")
    world = np.load(file)
    assert world.dtype == np.float16 and world.shape == (24_710, 96)
    np.testing.assert_allclose(np.linalg.norm(world.astype(np.float32), axis=1), 1, atol=2e-3)
    (file,) = release.glob("photos-*.npy")
    photos = np.load(file)["embedding"]
    assert photos.dtype == np.float16 and photos.shape == (96, 96)
    np.testing.assert_allclose(np.linalg.norm(photos.astype(np.float32), axis=1), 1, atol=2e-3)
    (release / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="The Space cannot embed the world and its photos with this model"):
        write_space_embeddings(release)
