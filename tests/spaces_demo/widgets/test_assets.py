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

import re

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from starlette.applications import Starlette
from starlette.testclient import TestClient

from widgets.assets import HEAD, ROUTES


def test_the_page_names_its_files_relative_to_itself_and_browsers_keep_them():
    addresses = re.findall(r'(?:href|src)="([^"]+)"', HEAD)
    assert len(addresses) > 10 and not [address for address in addresses if address.startswith(("/", "http"))]
    with TestClient(Starlette(routes=ROUTES)) as client:
        for address in addresses:
            answer = client.get(f"/{address}")
            assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
        folder = addresses[0].rpartition("/")[0]
        assert client.get(f"/{folder}/land.json").json()["land"]
        for other in (f"{folder}/assets.py", f"{folder}/..%2Fassets.py", "files/0/map.js"):
            assert client.get(f"/{other}").status_code == 404
