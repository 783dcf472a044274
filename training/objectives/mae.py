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
"""Masked autoencoders (He et al., 2022, arXiv 2111.06377) of tiles and of photos, trained separately."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from modeling_gair import GairModel, GairProcessor, GairRSModel
from modeling_gair.rs_tower_gair import take_patches
from training.common.distributed import row_counts
from training.objectives.base import Objective, Tensors, precise, share_of_mean
from training.objectives.settings import MaeSettings

# Added to the variance of a patch's pixels, as in the paper's code.
_VARIANCE_FLOOR = 1e-6


class MaeObjective(Objective):
    """
    Each tower sees a random subset of an image's patches, and a small decoder reconstructs the others. The loss is the mean
    squared error of the masked patches' pixels, with each patch standardised. Tiles and photos are trained independently,
    and locations are not used: the location encoder, NILI, the pixel query, the SV pooler and projection are frozen.

    Args:
        model (`GairModel`): the model to train; no reference is kept.
        processor (`GairProcessor`): the processor of the model's inputs.
        settings (`MaeSettings`): masking, decoders, weights.

    Raises:
        ValueError: a tower cannot leave out patches.
    """

    aligns = False

    def __init__(self, model: GairModel, processor: GairProcessor, settings: MaeSettings):
        super().__init__()
        self.settings = settings
        _check_towers(model)
        rs, sv = model.config.rs_config, model.config.sv_config
        self.decoders = nn.ModuleDict(
            {
                "rs": _Decoder(settings, rs.hidden_size, rs.patch_size, rs.num_channels),
                "sv": _Decoder(settings, sv.hidden_size, sv.patch_size, sv.num_channels),
            }
        )
        queries = (model.nili, model.pixel_query)
        for part in (model.location_model, *queries, model.sv_projection, getattr(model.sv_model, "pooler", None)):
            if part is not None:
                part.requires_grad_(False)

    def embed(self, model: GairModel, inputs: Tensors) -> Tensors:
        """
        Reconstruct the masked patches of a part of a batch.

        Returns:
            `dict[str, torch.Tensor]`: `rs` `(T,)` and `sv` `(N,)`, the error of each tile and each photo.
        """
        return {
            "rs": self._errors("rs", model.rs_model, inputs["rs_pixel_values"]),
            "sv": self._errors("sv", model.sv_model, inputs["sv_pixel_values"]),
        }

    def loss(self, rows: Tensors, shared: Tensors) -> tuple[torch.Tensor, Tensors]:
        """The terms are `rs` and `sv`, unweighted."""
        terms = {name: share_of_mean(precise(errors), row_counts(len(errors))) for name, errors in rows.items()}
        loss = self.settings.rs_weight * terms["rs"] + self.settings.sv_weight * terms["sv"]
        return loss, {name: value.detach() for name, value in terms.items()}

    def _errors(self, name: str, tower: Any, pixels: torch.Tensor) -> torch.Tensor:
        decoder: Any = self.decoders[name]
        targets = patches_of(precise(pixels), decoder.patch_size)
        order = torch.rand(targets.shape[:2]).argsort(dim=1).to(pixels.device, non_blocking=True)
        # At least one patch is visible and one is masked.
        seen = min(max(round(order.shape[1] * (1 - self.settings.mask_ratio)), 1), order.shape[1] - 1)
        visible, masked = order[:, :seen], order[:, seen:]
        painted = decoder(tokens_of_visible(tower, pixels, visible, order.shape[1]), visible, masked)
        wanted = _standardised(take_patches(targets, masked))
        return (precise(painted) - wanted).square().mean(dim=(1, 2))


class _Decoder(nn.Module):
    """
    Predicts the pixels of masked patches from the tokens of visible ones.

    Args:
        settings (`MaeSettings`): width, blocks and heads.
        width (`int`): width of the tower's tokens.
        patch_size, channels (`int`): patch size and number of channels of the images.
    """

    def __init__(self, settings: MaeSettings, width: int, patch_size: int, channels: int):
        super().__init__()
        self.patch_size, self.size = patch_size, settings.decoder_size
        self.enter = nn.Linear(width, self.size)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, self.size))
        block = nn.TransformerEncoderLayer(
            self.size,
            settings.decoder_heads,
            4 * self.size,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.blocks = nn.TransformerEncoder(
            block, settings.decoder_layers, nn.LayerNorm(self.size), enable_nested_tensor=False
        )
        self.leave = nn.Linear(self.size, channels * patch_size**2)

    def forward(self, tokens: torch.Tensor, visible: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
        """
        Reconstruct masked patches.

        Args:
            tokens (`torch.Tensor` of shape `(B, V, width)`): tokens of the visible patches.
            visible, masked (`torch.Tensor` of shape `(B, V)`, `(B, M)`): indices of the visible and masked patches.

        Returns:
            `torch.Tensor` of shape `(B, M, channels · patch_size²)`: pixels of the masked patches.
        """
        entered = self.enter(tokens)
        hidden = self.mask_token.to(entered.dtype).expand(*masked.shape, -1)
        patches = torch.cat([visible, masked], dim=1)
        side = round(patches.shape[1] ** 0.5)
        positions = sine_cosine_positions(side, self.size, tokens.device)[patches]
        all_tokens = torch.cat([entered, hidden], dim=1) + positions.to(entered.dtype)
        return self.leave(self.blocks(all_tokens)[:, visible.shape[1] :])


def patches_of(pixels: torch.Tensor, patch_size: int) -> torch.Tensor:
    """
    Divide images into patches, row-major from the upper left, each flattened as (channel, row, column).

    Args:
        pixels (`torch.Tensor` of shape `(B, C, H, W)`): images.
        patch_size (`int`): side of a patch; must divide H and W.

    Returns:
        `torch.Tensor` of shape `(B, H W / patch_size², C · patch_size²)`.
    """
    return F.unfold(pixels, patch_size, stride=patch_size).transpose(1, 2)


def sine_cosine_positions(side: int, size: int, device: torch.device) -> torch.Tensor:
    """
    Fixed position embeddings of the cells of a square grid: sines and cosines of column and row at decreasing frequencies
    (Vaswani et al., 2017), each a quarter of the width.

    Args:
        side (`int`): number of cells along a side.
        size (`int`): width of the embeddings, a multiple of 4.
        device (`torch.device`): device of the result.

    Returns:
        `torch.Tensor` of shape `(side², size)`, row-major.
    """
    quarter = size // 4
    frequencies = 10_000.0 ** -(torch.arange(quarter, device=device) / quarter)
    row, column = torch.meshgrid(*(2 * [torch.arange(side, device=device)]), indexing="ij")
    angles = torch.stack([column.flatten(), row.flatten()], dim=1)[:, :, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=2).flatten(1)


def _standardised(patches: torch.Tensor) -> torch.Tensor:
    """Scale each patch to mean 0 and variance 1, which the paper found to work better than raw pixels."""
    variance, mean = torch.var_mean(patches, dim=2, keepdim=True)
    return (patches - mean) / (variance + _VARIANCE_FLOOR).sqrt()


def tokens_of_visible(tower: Any, pixels: torch.Tensor, visible: torch.Tensor, patches: int) -> torch.Tensor:
    """
    Run a tower on a subset of the patches of each image.

    Args:
        tower: the RS or the SV tower of a model.
        pixels (`torch.Tensor` of shape `(B, C, H, W)`): images.
        visible (`torch.Tensor` of shape `(B, V)`): indices of the patches that the tower sees.
        patches (`int`): number of patches in an image.

    Returns:
        `torch.Tensor` of shape `(B, V, D)`: the tokens of these patches, in the order of `visible`.
    """
    if isinstance(tower, GairRSModel):
        return tower(pixels, visible_patches=visible).last_hidden_state
    with _dropping_patches(tower, visible, patches):
        # Class and register tokens come first.
        return tower(pixels).last_hidden_state[:, -visible.shape[1] :]


@contextmanager
def _dropping_patches(tower: Any, visible: torch.Tensor, patches: int) -> Iterator[None]:
    """Make a vision transformer of transformers see only the patches `(B, V)`: a hook drops the embeddings of the others."""

    def drop(module: nn.Module, arguments: Any, tokens: torch.Tensor) -> torch.Tensor:
        # Class and register tokens come first.
        first = tokens.shape[1] - patches
        return torch.cat([tokens[:, :first], take_patches(tokens[:, first:], visible)], dim=1)

    hook = tower.embeddings.register_forward_hook(drop)
    try:
        yield
    finally:
        hook.remove()


def _check_towers(model: GairModel) -> None:
    sv = model.config.sv_config
    if not isinstance(model.rs_model, GairRSModel):
        raise ValueError(
            f"The RS tower is of type {model.config.rs_config.model_type!r}, whose patches mae cannot leave out; use GAIR's "
            "own RS tower."
        )
    try:
        _see_one_patch(model.sv_model, sv)
    # Other towers fail in many different ways.
    except Exception as error:
        raise ValueError(
            f"The SV tower is of type {sv.model_type!r}, whose patches mae cannot leave out; use a vision transformer of "
            "transformers, e.g. vit."
        ) from error


def _see_one_patch(tower: Any, config: Any) -> None:
    """Run the tower on one visible patch, without changing the state of the random number generators."""
    image = torch.zeros(1, config.num_channels, config.image_size, config.image_size)
    patches, first = (config.image_size // config.patch_size) ** 2, torch.zeros(1, 1, dtype=torch.int64)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        tokens_of_visible(tower, image, first, patches)
