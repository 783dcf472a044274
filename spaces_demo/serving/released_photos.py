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
"""
Embeddings of photos that a release puts beside the weights, for galleries that show these photos.

A photo at the published size takes half a second of a CPU, and a Space on the Hub starts with an empty cache.
"""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from serving.files import write_atomically


def write_photos(folder: Path, fingerprint: str, photos: Iterable[bytes], embed: Callable[[bytes], np.ndarray]) -> None:
    """
    Embeds photos and writes `photos-*.npy` into the folder of a model: one record a photo, float16, under its digest.

    Args:
        folder (`Path`): where the weights are.
        fingerprint (`str`): of the model; a part of it is in the name of the file, so that other weights do not read it.
        photos (`Iterable[bytes]`): their files.
        embed (`Callable`): a photo's file → `(D,)`, of length 1.
    """
    found = {digest_of(photo): embed(photo) for photo in photos}
    (width,) = {len(embedding) for embedding in found.values()}
    records = np.array(list(found.items()), _record(width))
    write_atomically(folder / _name(fingerprint), lambda file: np.save(file, records))


def read_photos(folder: Path, fingerprint: str, width: int) -> dict[bytes, np.ndarray]:
    """
    What [`write_photos`] wrote: embeddings `(width,)`, float32, of length 1, by the photos' digests. Empty if the file is missing,
    damaged or of another width, so that the photos are embedded.
    """
    try:
        records = np.load(folder / _name(fingerprint), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return {}
    if records.dtype != _record(width) or records.ndim != 1:
        return {}
    # Float16 changes cosines by about 1e-5.
    embeddings = records["embedding"].astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return dict(zip(records["digest"].tolist(), embeddings))


def digest_of(photo: bytes) -> bytes:
    """Stands for a photo's file."""
    return hashlib.sha256(photo).hexdigest()[:32].encode()


def _record(width: int) -> np.dtype:
    return np.dtype([("digest", "S32"), ("embedding", "<f2", (width,))])


def _name(fingerprint: str) -> str:
    return f"photos-{fingerprint[:8]}.npy"
