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
"""Small pairs data sets that the tests of several packages read. A test may write further files beside the CSVs."""

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def eight(tmp_path_factory) -> Path:
    """A pairs CSV of 8 photos, each in a tile of its own."""
    from tests.helpers.pairs import write_pairs

    return write_pairs(tmp_path_factory.mktemp("eight"), 8)


@pytest.fixture(scope="module")
def sixty(tmp_path_factory) -> Path:
    """A pairs CSV of 60 photos in 20 tiles."""
    from tests.helpers.pairs import write_pairs

    return write_pairs(tmp_path_factory.mktemp("sixty"), 60, tiles=20)


@pytest.fixture(scope="module")
def parquet(sixty, tmp_path_factory) -> Path:
    """The rows of `sixty` as parquet files with the pixels inside, in 5 shards of 4 tiles."""
    from tests.helpers.pairs import write_parquet

    return write_parquet(tmp_path_factory.mktemp("parquet"), sixty, shards=5)
