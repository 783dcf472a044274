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
Stands in for `hf_xet` where this folder is on the path: what `huggingface_hub` calls of it, with whole files over HTTP to the loopback Hub
(`tests/helpers/hub_buckets.py`). The Hub's own protocol of chunks is no part of what is tested.
"""

import hashlib
import json
import urllib.request
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

SKIP_SHA256 = object()


class XetFileInfo:
    def __init__(self, hash: str, file_size: int | None = None):
        self.hash, self.file_size = hash, file_size


class _Transfer:
    def __init__(self, token_refresh_url: str, token_refresh_headers: dict[str, str]):
        asked = urllib.request.Request(token_refresh_url, headers=token_refresh_headers)
        self._store = json.loads(_opened(asked))["casUrl"]

    def __enter__(self) -> "_Transfer":
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def start_upload_file(self, path: str, sha256: Any) -> Future:
        return self.start_upload_bytes(Path(path).read_bytes(), sha256)

    def start_upload_bytes(self, content: bytes, sha256: Any) -> Future:
        name = hashlib.sha256(content).hexdigest()
        _opened(urllib.request.Request(f"{self._store}/{name}", data=content, method="PUT"))
        done: Future = Future()
        done.set_result(SimpleNamespace(xet_info=XetFileInfo(name, len(content))))
        return done

    def start_download_file(self, info: XetFileInfo, path: str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(_opened(urllib.request.Request(f"{self._store}/{info.hash}")))


class XetSession:
    def new_upload_commit(self, token_refresh_url: str, token_refresh_headers: dict[str, str], **_: Any) -> _Transfer:
        return _Transfer(token_refresh_url, token_refresh_headers)

    new_file_download_group = new_upload_commit


def _opened(request: urllib.request.Request) -> bytes:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request) as answer:
        return answer.read()
