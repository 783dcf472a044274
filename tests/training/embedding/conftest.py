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
"""A model, its processor and a scene, small enough to embed whole maps."""

from pathlib import Path

import pytest
import torch

from modeling_gair import GairConfig, GairModel, GairProcessor
from modeling_gair.bands_gair import GAIR_BANDS
from tests.helpers.rasters import made_scene, write_tif


@pytest.fixture(scope="session")
def small_model() -> GairModel:
    """A model with D = 16 and tiles of 32 pixels, which reads tokens by NILI, and pixels. Tests must not change it."""
    torch.manual_seed(0)
    tower = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    rs_config = {**tower, "image_size": 32, "patch_size": 8, "pixel_init": "standard_score"}
    model = GairModel(
        GairConfig.tiny(nili_init="normal", rs_config=rs_config, pixel_window=3, pixel_hidden_size=16)
    ).eval()
    # A new model adds nothing from the pixels.
    assert model.pixel_query is not None
    torch.nn.init.normal_(model.pixel_query.out_proj.weight, std=0.05)
    return model


@pytest.fixture(scope="session")
def small_processor(small_model) -> GairProcessor:
    """The processor of `small_model`."""
    return GairProcessor.for_config(small_model.config)


@pytest.fixture(scope="session")
def scene(tmp_path_factory) -> Path:
    """A GeoTIFF of 330 x 300 pixels of 10 m."""
    return write_tif(tmp_path_factory.mktemp("scene") / "scene.tif", made_scene(300, 330), names=GAIR_BANDS)
