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
"""MoCo v3 (Chen, Xie and He, 2021, arXiv 2104.02057) of tiles and of photos, trained separately."""

import copy
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from modeling_gair import GairModel, GairProcessor
from training.common.distributed import gather_rows, row_counts, row_offset
from training.objectives.base import Objective, Tensors, precise, row_losses, share_of_mean
from training.objectives.settings import MocoV3Settings
from training.pairs.augmentation import Augmentation, crop


class MocoV3Objective(Objective):
    """
    Contrasts two views of an image: the query of one view, from an encoder with projection and prediction heads, must match
    the key of the other view, from a momentum encoder, among the images of all processes' batches:
    `2τ (CE(q₁ k₂ᵀ/τ) + CE(q₂ k₁ᵀ/τ))`. Tiles and photos are trained independently, and locations are not used: the location
    encoder, NILI and the pixel query are frozen.

    The heads have layer norms where the paper has batch norms, so that the loss depends neither on how a batch is divided
    among processes nor on gradient caching; the momentum is constant.

    Args:
        model (`GairModel`): the model to train; the momentum encoder starts as a copy of its towers.
        processor (`GairProcessor`): the processor of the model's inputs.
        settings (`MocoV3Settings`): views, heads, momentum.
    """

    aligns = False

    def __init__(self, model: GairModel, processor: GairProcessor, settings: MocoV3Settings):
        super().__init__()
        self.settings = settings
        self._augment = Augmentation(settings.view_settings(), processor)
        width, hidden, size = model.rs_model.hidden_size, settings.projection_hidden_size, settings.projection_size
        self.projections = nn.ModuleDict({name: _head([width, hidden, hidden, size]) for name in ("rs", "sv")})
        self.predictions = nn.ModuleDict({name: _head([size, hidden, size]) for name in ("rs", "sv")})
        self.momentum_encoder = copy.deepcopy(_encoder(model, self.projections)).requires_grad_(False)
        for part in (model.location_model, model.nili, model.pixel_query):
            if part is not None:
                part.requires_grad_(False)

    def embed(self, model: GairModel, inputs: Tensors) -> Tensors:
        """
        Embed two views of each tile and photo.

        Returns:
            `dict[str, torch.Tensor]`: for tiles `(T, P)` and photos `(N, P)`, L2-normalised, `rs_query_0`, `rs_query_1`,
            `rs_key_0`, `rs_key_1` (of the two views, the keys without gradient) and the same of `sv`.
        """
        rows = {}
        encoder = _encoder(model, self.projections)
        for number in range(2):
            view = self._view(inputs)
            for name, pixels in view.items():
                rows[f"{name}_query_{number}"] = F.normalize(
                    self.predictions[name](_embed(encoder, name, pixels)), dim=-1
                )
                with torch.no_grad():
                    rows[f"{name}_key_{number}"] = F.normalize(_embed(self.momentum_encoder, name, pixels), dim=-1)
        return rows

    def loss(self, rows: Tensors, shared: Tensors) -> tuple[torch.Tensor, Tensors]:
        """The terms are `rs` and `sv`, unweighted, and `accuracy_rs`, `accuracy_sv`: shares of views retrieved first."""
        terms = {}
        for name in ("rs", "sv"):
            found = [self._contrast(rows[f"{name}_query_{own}"], rows[f"{name}_key_{1 - own}"]) for own in range(2)]
            terms[name] = found[0][0] + found[1][0]
            terms[f"accuracy_{name}"] = (found[0][1] + found[1][1]) / 2
        loss = self.settings.rs_weight * terms["rs"] + self.settings.sv_weight * terms["sv"]
        return loss, {name: value.detach() for name, value in terms.items()}

    @torch.no_grad()
    def after_step(self, model: GairModel, rows: Tensors) -> None:
        """Move the momentum encoder towards the encoder."""
        encoder = _encoder(model, self.projections)
        for slow, fast in zip(self.momentum_encoder.parameters(), encoder.parameters(), strict=True):
            slow.lerp_(fast, 1 - self.settings.momentum)

    def _contrast(self, queries: torch.Tensor, keys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        counts = row_counts(len(queries))
        own = torch.arange(len(queries), device=queries.device) + row_offset(counts)
        with torch.autocast(queries.device.type, enabled=False):
            all_keys = gather_rows(precise(keys), counts)
            none = torch.zeros(len(queries), len(all_keys), dtype=torch.bool, device=queries.device)
            temperature = all_keys.new_full((), self.settings.temperature)
            losses, right = row_losses(precise(queries), all_keys, own, none, temperature)
        return 2 * temperature * share_of_mean(losses, counts), share_of_mean(right, counts)

    def _view(self, inputs: Tensors) -> dict[str, torch.Tensor]:
        """One random view of each tile and photo, drawn from torch's global generator, which gradient caching replays."""
        varied = self._augment(inputs, torch.default_generator)
        pixels = {"rs": varied["rs_pixel_values"], "sv": varied["sv_pixel_values"]}
        return {name: _random_crops(images, self.settings.crop_scale) for name, images in pixels.items()}


def _encoder(model: GairModel, projections: nn.ModuleDict) -> nn.ModuleDict:
    """The part with a momentum copy: the towers and projection heads."""
    return nn.ModuleDict(
        {"rs": model.rs_model, "sv": model.sv_model, "sv_projection": model.sv_projection, "heads": projections}
    )


def _embed(encoder: Any, name: str, pixels: torch.Tensor) -> torch.Tensor:
    """Projected embeddings `(B, P)` of one view of tiles or photos."""
    if name == "rs":
        features = encoder["rs"](pixels).pooler_output
    else:
        features = encoder["sv_projection"](encoder["sv"](pixel_values=pixels).pooler_output)
    return encoder["heads"][name](features)


def _head(widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width, following in pairwise(widths):
        layers += [nn.Linear(width, following, bias=False), nn.LayerNorm(following), nn.ReLU()]
    # The last norm has no learned scale and shift, as in the paper, and no ReLU follows.
    layers[-2:] = [nn.LayerNorm(widths[-1], elementwise_affine=False)]
    return nn.Sequential(*layers)


def _random_crops(images: torch.Tensor, least_side: float) -> torch.Tensor:
    """Crop each image at random to between `least_side` and 1 of its sides, and resample the crop to the image's size."""
    side, *corner = torch.rand(3, len(images), 1).to(images, non_blocking=True)
    side = torch.lerp(torch.full_like(side, least_side), torch.ones_like(side), side)
    corners = torch.cat(corner, dim=1) * (1 - side)
    nowhere = images.new_zeros(0, 1, 2)
    cropped, _ = crop(images, nowhere, torch.zeros(0, dtype=torch.int64, device=images.device), corners, side)
    return cropped
