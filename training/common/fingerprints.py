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
"""Digests of models and of code, for the keys of caches."""

import hashlib
import json
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import torch


def fingerprint_of(model: Any, processor: Any) -> str:
    """Digest of a model's weights, settings and code, and of its processor's, 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=8)
    # The code may lie beside the weights and not be that of this repository.
    modules = [sys.modules[type(one).__module__] for one in (model, processor)]
    digest.update(fingerprint_of_code(*sorted({Path(str(module.__file__)).parent for module in modules})).encode())
    settings = model.config.to_dict() | {"_name_or_path": None, "_commit_hash": None}
    # Neither the version of the library that saved a model nor what was measured on it changes its embeddings.
    for name in ("transformers_version", "similarity_ranges"):
        settings.pop(name, None)
    digest.update(json.dumps([settings, processor.to_dict()], sort_keys=True, default=str).encode())
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@cache
def fingerprint_of_code(*folders: Path) -> str:
    """
    Digest of the Python files in some folders and below, 16 hexadecimal digits: embeddings that were computed before a
    processor or a model was mended are not found after it.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in _python_files(folders):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _python_files(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]
