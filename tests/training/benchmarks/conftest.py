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
"""Fixtures of the benchmarks' tests."""

from pathlib import Path

import pytest

from modeling_gair import GairModel, GairProcessor


@pytest.fixture(scope="session")
def encoder(tiny_model: GairModel):
    """A tiny GAIR model under test; its weights are random."""
    pytest.importorskip("rasterio", reason="the extra eval is not installed")
    from training.benchmarks.encoders.gair import GairEncoder

    return GairEncoder(tiny_model, GairProcessor.for_config(tiny_model.config), "tiny")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with small files in the published layout of each image data set, by the name of its task."""
    from tests.helpers.image_layouts import MAKERS

    made = {}
    for name, make in MAKERS.items():
        made[name] = tmp_path_factory.mktemp("data") / name
        make(made[name])
    return made
