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
"""Made scenes and the service that offers them, and short waits between attempts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.shared import made_once


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Between attempts; the tests' servers recover at once."""
    pytest.importorskip("httpx", reason="the extra streets is not installed")
    from training.street_pairs import http_client

    monkeypatch.setattr(http_client, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(http_client, "MOST_WAIT_S", 0.02)


@pytest.fixture(scope="session")
def made_world(tmp_path_factory) -> Path:
    """Scenes of three sites, as [`tests.helpers.loopback.world.write_world`] writes them; made once a session."""
    from tests.helpers.loopback.world import write_world

    return made_once(tmp_path_factory, "made-world", write_world)


@pytest.fixture
def scene_routes(made_world):
    """The providers of the made scenes."""
    from tests.helpers.loopback.stac import SceneRoutes

    return SceneRoutes(made_world)


@pytest.fixture
def service(scene_routes) -> Iterator:
    """The service of the made scenes on the loopback."""
    from tests.helpers.loopback.service import LoopbackService

    with LoopbackService(scene_routes.routes()) as running:
        yield running
