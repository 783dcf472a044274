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
"""Fixtures of the Space's tests: the running Space, and a browser."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def space_url(tmp_path_factory) -> Iterator[str]:
    """The address of the Space, started from a copy of its folder."""
    from tests.helpers.space import running_space

    with running_space(tmp_path_factory.mktemp("space")) as url:
        yield url


@pytest.fixture(scope="session")
def chromium():
    """The system's Chromium, headless."""
    from tests.helpers.browser import browser

    with browser() as running:
        yield running
