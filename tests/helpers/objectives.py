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
"""A small model and batches for tests of objectives."""

import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import ViTConfig, ViTImageProcessor, ViTModel

from modeling_gair import GairConfig, GairModel, GairProcessor
from training.objectives.gair import GairObjective
from training.objectives.settings import GairSettings

TOWER = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
# Metres east of the first photo: some nearer than INCL's least distance, some than SECL's, one far away.
EAST_M = [0, 100, 500, 5_000, 5_050, 50_000, 900_000, 900_700]
METRES_PER_DEGREE = 6_371_008.8 * math.pi / 180
# Channel means and standard deviations of the teachers' image processors.
MEAN, STD = [0.4, 0.5, 0.6], [0.1, 0.2, 0.3]
TILE_INDEX = torch.tensor([0, 0, 1, 2, 2, 3, 4, 4])
# What two processes get of eight photos in five tiles: five in three, three in two.
PHOTOS, TILES = [5, 3], [3, 2]


def small_model(dtype: torch.dtype = torch.float32, **config) -> GairModel:
    torch.manual_seed(0)
    parts = {
        "rs_config": {**TOWER, "image_size": 16, "patch_size": 8},
        "sv_config": {**TOWER, "image_size": 16, "patch_size": 8},
        "location_config": {"scales": [1.0], "num_frequencies": 8, "hidden_size": 16, "num_hidden_layers": 1},
    }
    return GairModel(GairConfig(**{**parts, "nili_init": "normal", "initializer_range": 0.2, **config})).to(dtype)


PROCESSOR = GairProcessor.for_config(small_model().config)


def inputs(seed: int = 1) -> dict[str, torch.Tensor]:
    """Eight photos in five tiles; other seeds move all of them by some kilometres."""
    generator = torch.Generator().manual_seed(seed)
    longitude = 10 + 0.1 * seed + torch.tensor(EAST_M) / METRES_PER_DEGREE
    return {
        "rs_pixel_values": torch.rand(5, 10, 16, 16, generator=generator),
        "sv_pixel_values": torch.randn(8, 3, 16, 16, generator=generator),
        "coordinates": torch.stack([longitude, torch.zeros(8)], dim=1),
        "query_points": torch.rand(8, 1, 2, generator=generator),
        "tile_index": TILE_INDEX,
    }


def part(whole: dict[str, torch.Tensor], number: int) -> dict[str, torch.Tensor]:
    """The part of a batch for one of two processes."""
    split = {name: value.split(TILES if name == "rs_pixel_values" else PHOTOS)[number] for name, value in whole.items()}
    return split | {"tile_index": split["tile_index"] - sum(TILES[:number])}


def rows_of(count: int = 8, seed: int = 0, width: int = 6) -> dict[str, torch.Tensor]:
    """Random rows like those of `embed`, in float64."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(3, count, width, generator=generator, dtype=torch.float64)
    embeds = dict(zip(("sv", "localized", "location"), F.normalize(drawn, dim=-1)))
    return embeds | {"coordinates": inputs()["coordinates"][:count]}


def objective_of(model: GairModel | None = None, **settings) -> GairObjective:
    return GairObjective(model or small_model(), PROCESSOR, GairSettings(**settings))


def filled(objective: GairObjective, coordinates: torch.Tensor) -> GairObjective:
    objective.after_step(small_model(), {"coordinates": coordinates})
    return objective


def random_places(count: int, seed: int = 5) -> torch.Tensor:
    scale = torch.tensor([360.0, 180.0])
    return (torch.rand(count, 2, generator=torch.Generator().manual_seed(seed)) - 0.5) * scale


def save_teacher(folder: Path, width: int = 16, processor: ViTImageProcessor | None = None, pooled: bool = True) -> str:
    """Save a small ViT with its image processor as a teacher; return its directory."""
    torch.manual_seed(7)
    config = ViTConfig(**{**TOWER, "hidden_size": width}, image_size=24, patch_size=8, initializer_range=0.3)
    ViTModel(config, add_pooling_layer=pooled).save_pretrained(folder)
    size = {"height": 24, "width": 24}
    (processor or ViTImageProcessor(size=size, image_mean=MEAN, image_std=STD)).save_pretrained(folder)
    return str(folder)


def check_sentence(raised: pytest.ExceptionInfo) -> None:
    text = str(raised.value)
    assert "\n" not in text and text.endswith(".") and not re.search(r"[a-z]\. [A-Z]", text)


def dot(one: torch.Tensor, other: torch.Tensor) -> float:
    return sum(a * b for a, b in zip(one.tolist(), other.tolist()))
