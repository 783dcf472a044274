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
"""Embedding places, photos, tiles and a scene by `training/embed.py`, in processes of its own; always on the CPU."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.speed.embedding import embedding_rows
from tests.speed.rows import Row, Settings


def measure(settings: Settings) -> list[Row]:
    """Rates, growth, tasks, workers and sizes; some twenty runs of the program."""
    places, images, side = (2000, 8, 400) if settings.quick else (200_000, 400, 2745)
    with TemporaryDirectory() as folder:
        return embedding_rows(Path(folder), places, images, side)
