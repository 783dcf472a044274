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
"""Frozen teachers of tiles and photos, and distillation from them."""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoImageProcessor, AutoModel

from modeling_gair import GairModel, GairProcessor
from training.objectives.base import precise

# Name of the RS teacher that is the model's own tower before training.
INITIAL = "initial"
# Settings that determine the pixel values of tiles. A teacher sees the student's pixels, so these must agree.
_TILE_SETTINGS = ("bands", "band_mean", "band_std", "clip_range")


class Distillation(nn.Module):
    """Cosines between the student's embeddings, or a learned linear map of them, and a frozen teacher's."""

    def __init__(self, teacher: "Teacher", width: int, setting: str, projection: str | None):
        super().__init__()
        self.teacher = teacher
        self.projection = nn.Identity() if projection is None else nn.Linear(width, teacher.width)
        if projection is None and teacher.width != width:
            raise ValueError(
                f"The embeddings of {setting} are {teacher.width} wide and the model's {width}; set {setting}_projection "
                "to 'linear'."
            )

    def forward(self, student: torch.Tensor, pixel_values: torch.Tensor) -> torch.Tensor:
        student, teacher = self.projection(student), self.teacher(pixel_values)
        return F.cosine_similarity(precise(student), precise(teacher), dim=-1)


class Teacher(nn.Module):
    """A frozen model that always stays in evaluation mode. Its embeddings are `width` wide."""

    width: int

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model
        self.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> "Teacher":
        return super().train(False)


class RSTeacher(Teacher):
    """An RS tower as teacher: the mean of its tokens, for tiles prepared by the student's processor."""

    def __init__(self, name: str, model: GairModel, processor: GairProcessor):
        tower = copy.deepcopy(model.rs_model) if name == INITIAL else _rs_teacher_tower(name, processor)
        super().__init__(tower)
        self.width = tower.hidden_size

    @torch.no_grad()
    def forward(self, rs_pixel_values: torch.Tensor) -> torch.Tensor:
        return self.model(rs_pixel_values).pooler_output


class SVTeacher(Teacher):
    """
    An image model as teacher: its pooled output, or the mean of its tokens if it has none, for photos prepared by the
    student's processor. Pixels are rescaled and resized as the teacher's own processor would; photos are never cropped.
    """

    scale: torch.Tensor
    shift: torch.Tensor

    def __init__(self, name: str, processor: GairProcessor):
        model = _load_model(name, "sv_teacher")
        theirs = _load(AutoImageProcessor, name, "sv_teacher")
        if model.main_input_name != "pixel_values" or not hasattr(theirs, "image_mean"):
            raise ValueError(
                f"sv_teacher {name!r} is a {type(model).__name__} with a {type(theirs).__name__}; expected an image model "
                "of transformers whose processor states image_mean and image_std: name another."
            )
        super().__init__(model)
        self.size = _side_lengths(theirs)
        # Both processors are affine: ours computes (x - mean) / std for x in 0-255, theirs the same for x times a factor.
        ours = processor.sv_image_processor
        ours_mean, ours_std = torch.tensor(ours.image_mean), torch.tensor(ours.image_std)
        factor = theirs.rescale_factor if theirs.do_rescale else 1.0
        mean, std = map(torch.tensor, (theirs.image_mean, theirs.image_std) if theirs.do_normalize else ([0.0], [1.0]))
        self.register_buffer("scale", (ours_std * factor / std)[:, None, None], persistent=False)
        self.register_buffer("shift", ((ours_mean * factor - mean) / std)[:, None, None], persistent=False)
        self.width = self(torch.zeros(1, 3, *self.size)).shape[1]

    @torch.no_grad()
    def forward(self, sv_pixel_values: torch.Tensor) -> torch.Tensor:
        pixels = sv_pixel_values * self.scale + self.shift
        if pixels.shape[-2:] != self.size:
            pixels = F.interpolate(pixels, size=self.size, mode="bicubic", align_corners=False, antialias=True)
        outputs = self.model(pixel_values=pixels.to(self.scale.dtype))
        pooled = getattr(outputs, "pooler_output", None)
        return outputs.last_hidden_state.mean(dim=1) if pooled is None else pooled.flatten(1)


def _side_lengths(image_processor: Any) -> tuple[int, int]:
    """Height and width of the output of an image processor of transformers."""
    size = image_processor.crop_size if getattr(image_processor, "do_center_crop", False) else image_processor.size
    side = size.get("shortest_edge")
    return (size["height"], size["width"]) if side is None else (side, side)


def _rs_teacher_tower(name: str, processor: GairProcessor) -> Any:
    model = _load_model(name, "rs_teacher")
    if not isinstance(model, GairModel):
        raise ValueError(f"rs_teacher {name!r} is a {type(model).__name__}; expected a GairModel, or {INITIAL!r}.")
    ours, theirs = processor.image_processor, _load(GairProcessor, name, "rs_teacher").image_processor
    for setting in _TILE_SETTINGS:
        if getattr(theirs, setting) != getattr(ours, setting):
            raise ValueError(
                f"rs_teacher {name!r} was trained on tiles with {setting} {getattr(theirs, setting)}, but these come with "
                f"{getattr(ours, setting)}; name a teacher with the same tile processor."
            )
    return model.rs_model


def _load_model(name: str, setting: str) -> Any:
    """Load a model in float32 and check that no weights are missing."""
    model, found = _load(AutoModel, name, setting, dtype=torch.float32, output_loading_info=True)
    if found["missing_keys"]:
        # Missing weights would be random.
        raise ValueError(
            f"{setting} {name!r} lacks weights of a {type(model).__name__}, e.g. {min(found['missing_keys'])}; name one "
            "that has them all."
        )
    return model


def _load(kind: Any, name: str, setting: str, **more: Any) -> Any:
    try:
        return kind.from_pretrained(name, **more)
    except (OSError, ValueError) as error:
        # The library's errors run over many sentences.
        reason = str(error).split("\n")[0].split(". ")[0].rstrip(".")
        raise ValueError(
            f"{setting} {name!r} cannot be loaded ({reason}); expected a model id on the Hub or a directory with a saved "
            "model and its processor."
        ) from error
