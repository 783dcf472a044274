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
"""Embeddings of batches on disk, so that measuring the same model on the same pairs again needs no model."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import constants
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

import modeling_gair
from modeling_gair import GairModel, GairProcessor
from training.common.files import written_whole
from training.common.fingerprints import fingerprint_of, fingerprint_of_code
from training.pairs.decoding import PairBatch

Embeddings = dict[str, torch.Tensor]


class EmbeddingCache:
    """
    A folder in the Hugging Face cache (`$HF_HOME/gair/embeddings`) for one model and its processor. An entry is found by the
    decoded pixels and places of a batch, so that no change of the data is missed. It saves time only: where it cannot be
    read or written, embeddings are computed.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): what the embeddings depend on, beside this code.
    """

    def __init__(self, model: GairModel, processor: GairProcessor):
        code = fingerprint_of_code(Path(modeling_gair.__file__).parent, Path(__file__).parent)
        self.folder = Path(constants.HF_HOME) / "gair" / "embeddings" / f"{fingerprint_of(model, processor)}-{code}"

    def get(self, batch: PairBatch, compute: Callable[[], Embeddings]) -> Embeddings:
        """The embeddings of a batch, from the folder or else from `compute`."""
        path = self.folder / f"{_digest_of(batch)}.safetensors"
        with suppress(OSError, SafetensorError):
            return load_file(path)
        embeddings = compute()
        with suppress(OSError, SafetensorError):
            self.folder.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as temporary:
                save_file({name: value.contiguous() for name, value in embeddings.items()}, temporary)
        return embeddings


def _digest_of(batch: PairBatch) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for part in (batch.tiles, batch.photos, batch.coordinates, batch.query_points, batch.tile_index):
        for array in _arrays(part):
            digest.update(f"{array.dtype} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _arrays(part: torch.Tensor | Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    return [part.numpy()] if isinstance(part, torch.Tensor) else part
