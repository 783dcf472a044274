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
"""A small data set of the sample world, written once for the tests of this package."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.helpers.sample_world import SETTINGS
from tests.helpers.shared import made_once


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """The data set that most tests read, with its files; rendered in a thread, since starting processes takes seconds."""
    from training.world.writer import write_sample_dataset

    def write(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("training.world.writer.worker_pool", ThreadPoolExecutor)
            write_sample_dataset(folder, SETTINGS, workers=1, files=True)

    return made_once(tmp_path_factory, "world-with-files", write)


@pytest.fixture(scope="session")
def splits(folder) -> dict[str, list[dict]]:
    """The rows of the data set by split."""
    from datasets import load_dataset

    return {name: list(rows) for name, rows in load_dataset(str(folder), streaming=True).items()}


@pytest.fixture(scope="session")
def rows(splits) -> list[dict]:
    """The rows of both splits, train first."""
    return [*splits["train"], *splits["test"]]


@pytest.fixture(scope="session")
def places() -> list:
    """The places of `rows`, computed again."""
    from training.world.places import place_splits

    with ThreadPoolExecutor(1) as pool:
        found = place_splits(pool, SETTINGS, ahead=0)
    return [*found["train"], *found["test"]]


@pytest.fixture
def no_processes(monkeypatch) -> None:
    """Render in a thread, since starting processes takes seconds."""
    monkeypatch.setattr("training.world.writer.worker_pool", ThreadPoolExecutor)
