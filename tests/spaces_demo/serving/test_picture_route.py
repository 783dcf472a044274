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
"""The gallery's pictures over HTTP."""

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from starlette.applications import Starlette
from starlette.testclient import TestClient

from serving.picture_route import ROUTES
from serving.pictures import data_uri, published


def test_only_what_is_published_is_sent():
    address = published(b"a picture")
    with TestClient(Starlette(routes=ROUTES)) as client:
        answer = client.get(f"/{address}")
        assert answer.content == b"a picture" and answer.headers["content-type"] == "image/jpeg"
        assert "immutable" in answer.headers["cache-control"]
        data_uri(b"a visitor's picture")
        for name in ("none.jpg", "..%2Fapp.py", ""):
            assert client.get(f"/pictures/{name}").status_code == 404
