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
"""Search in made vectors by `training/search.py`, on the CPU."""

from tests.speed.rows import Row, Settings
from tests.speed.search import search_rows


def measure(settings: Settings) -> list[Row]:
    """Building, recall and queries; of enough rows for lists of FAISS, but for a quick run."""
    return search_rows(*((20_000, 64) if settings.quick else (400_000, 256)))
