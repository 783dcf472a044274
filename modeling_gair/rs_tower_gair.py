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
"""The remote-sensing (RS) tower, which encodes a Sentinel-2 tile as tokens: GAIR's own vision transformer or one from timm."""

import copy
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModel, PreTrainedConfig
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils.output_capturing import capture_outputs

from .configuration_gair import GairRSConfig
from .keywords_gair import FORWARD_KEYWORDS, not_none, refuse_unknown
from .pretrained_gair import GairPreTrainedModel, compute_dtype, standard_score_start


def alibi_slopes(num_heads: int) -> torch.Tensor:
    """
    Computes the slope of each head's distance penalty: `2 ** (-8 (h + 1) / n)` if n is a power of two (Press et al., 2022).
    Otherwise, the slopes of the next lower power of two, then every other slope of the next higher one, as in that paper's
    code.

    Returns:
        `torch.Tensor` of shape `(num_heads,)`, float32 on the CPU.
    """
    power = 2 ** int(math.log2(num_heads))
    slopes = [2 ** (-8 * (head + 1) / power) for head in range(power)]
    slopes += [2 ** (-4 * (head + 1) / power) for head in range(0, 2 * power, 2)][: num_heads - power]
    return torch.tensor(slopes, device="cpu", dtype=torch.float32)


class GairRSPatchProjection(nn.Conv2d):
    """The map of a patch to a token. A separate class, so that it has its own initialisation."""

    def __init__(self, config: GairRSConfig):
        super().__init__(config.num_channels, config.hidden_size, config.patch_size, stride=config.patch_size)
        self.start = config.pixel_init

    def reset_weights(self) -> None:
        """Starts as standard scores if the config says so."""
        if self.start == "standard_score":
            standard_score_start(self)


class GairRSEmbeddings(nn.Module):
    """Projects each patch of a tile, flattened as (channel, row, column), to a token; no class token, no positions."""

    def __init__(self, config: GairRSConfig):
        super().__init__()
        self.num_channels, self.patch_size = config.num_channels, config.patch_size
        self.projection = GairRSPatchProjection(config)

    def forward(self, rs_pixel_values: torch.Tensor) -> torch.Tensor:
        _check_tiles(rs_pixel_values, self.num_channels)
        side = rs_pixel_values.shape[-1]
        if side % self.patch_size:
            raise ValueError(
                f"rs_pixel_values has a side of {side} pixels; expected a multiple of the patch size, "
                f"{self.patch_size} pixels: resize the tile with the processor."
            )
        return self.projection(rs_pixel_values).flatten(2).transpose(1, 2)


class GairRSAlibi(nn.Module):
    """2D-ALiBi: lowers attention scores with the distance between patches, `-slope_h * ||centre_i - centre_j||`."""

    slopes: torch.Tensor

    def __init__(self, config: GairRSConfig):
        super().__init__()
        self.register_buffer("slopes", alibi_slopes(config.num_attention_heads), persistent=False)

    def reset_weights(self) -> None:
        """Computes the slopes, which are not saved."""
        init.copy_(self.slopes, alibi_slopes(self.slopes.numel()))

    def forward(self, patches_per_side: int, dtype: torch.dtype) -> torch.Tensor:
        """Returns the bias `(1, heads, N, N)` of a grid of N = patches_per_side² tokens, distances in patches."""
        steps = torch.arange(patches_per_side, device=self.slopes.device, dtype=torch.float32)
        row, column = torch.meshgrid(steps, steps, indexing="ij")
        row, column = row.flatten(), column.flatten()
        distance = ((row[:, None] - row) ** 2 + (column[:, None] - column) ** 2).sqrt()
        return (-self.slopes.float()[:, None, None] * distance)[None].to(dtype)


def eager_attention_forward(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs,
) -> tuple[torch.Tensor, torch.Tensor]:
    scores = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = F.softmax(scores, dim=-1, dtype=torch.promote_types(scores.dtype, torch.float32)).to(query.dtype)
    weights = F.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


class GairRSAttention(nn.Module):
    """Multi-head self-attention with an additive bias."""

    def __init__(self, config: GairRSConfig):
        super().__init__()
        self.config = config
        self.num_heads = config.num_attention_heads
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.dropout = config.attention_dropout
        self.is_causal = False
        self.qkv_proj = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=False)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self, hidden_states: torch.Tensor, attention_bias: torch.Tensor, **kwargs
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        batch, tokens, _ = hidden_states.shape
        qkv = self.qkv_proj(hidden_states).view(batch, tokens, 3, self.num_heads, self.head_dim)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attention_interface: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(
            self.config._attn_implementation, eager_attention_forward
        )
        attended, weights = attention_interface(
            self,
            query,
            key,
            value,
            attention_bias,
            dropout=self.dropout if self.training else 0.0,
            scaling=self.scaling,
            **kwargs,
        )
        return self.o_proj(attended.reshape(batch, tokens, -1)), weights


class GairRSMLP(nn.Module):
    def __init__(self, config: GairRSConfig):
        super().__init__()
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size)
        self.act_fn = ACT2FN[config.hidden_act]

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self.down_proj(self.act_fn(self.up_proj(hidden_states)))


class GairRSLayer(GradientCheckpointingLayer):
    """A pre-norm transformer block."""

    def __init__(self, config: GairRSConfig):
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = GairRSAttention(config)
        self.mlp_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = GairRSMLP(config)

    def forward(self, hidden_states: torch.Tensor, attention_bias: torch.Tensor, **kwargs) -> torch.Tensor:
        attended, _ = self.attention(self.attention_norm(hidden_states), attention_bias, **kwargs)
        hidden_states = hidden_states + attended
        return hidden_states + self.mlp(self.mlp_norm(hidden_states))


class GairRSModel(GairPreTrainedModel):
    """GAIR's own RS tower: the vision transformer of optical CROMA, which encodes a tile as tokens."""

    config: GairRSConfig  # type: ignore[assignment]
    config_class = GairRSConfig
    base_model_prefix = "rs_model"
    _can_record_outputs = {"hidden_states": GairRSLayer, "attentions": GairRSAttention}
    # The other parts of a GAIR model, when the tower alone is loaded from one.
    _keys_to_ignore_on_load_unexpected = [r"^(sv_model|sv_projection|location_model|nili|pixel_query)\."]

    def __init__(self, config: GairRSConfig):
        super().__init__(config)
        self.hidden_size, self.num_channels = config.hidden_size, config.num_channels
        self.embeddings = GairRSEmbeddings(config)
        self.alibi = GairRSAlibi(config)
        self.layers = nn.ModuleList(GairRSLayer(config) for _ in range(config.num_hidden_layers))
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings.projection

    @capture_outputs(tie_last_hidden_states=False)
    def forward(
        self, rs_pixel_values: torch.Tensor, visible_patches: torch.Tensor | None = None, **kwargs
    ) -> BaseModelOutputWithPooling:
        """
        Args:
            rs_pixel_values (`torch.Tensor` of shape `(B, 10, H, H)`):
                Tiles from the processor, row 0 in the north; H is any multiple of the patch size.
            visible_patches (`torch.Tensor` of shape `(B, V)`, int64, *optional*):
                Indices of the patches that the tower sees, row-major from the north-west; the others are dropped after
                the embedding, as in a masked autoencoder. All N patches by default.

        Returns:
            `BaseModelOutputWithPooling` with `last_hidden_state` `(B, N, D)`, one token per patch, row-major from the
            north-west (`(B, V, D)` in the order of `visible_patches`); `pooler_output` `(B, D)`, the mean of these
            tokens; on request `hidden_states` (the inputs of the layers and the last output) and `attentions`.

        Raises:
            ValueError: for tiles that are not square, have another number of bands than the config, or a side that is not a
                multiple of the patch size, and for unknown arguments.
        """
        _check_arguments(kwargs)
        hidden_states = self.embeddings(rs_pixel_values.to(compute_dtype(self)))
        patches_per_side = rs_pixel_values.shape[-1] // self.config.patch_size
        attention_bias = self.alibi(patches_per_side, hidden_states.dtype)
        if visible_patches is not None:
            hidden_states = take_patches(hidden_states, visible_patches)
            rows = attention_bias[0][:, visible_patches]
            columns = visible_patches[None, :, None, :].expand(*rows.shape[:3], -1)
            attention_bias = rows.gather(3, columns).transpose(0, 1)
        for layer in self.layers:
            hidden_states = layer(hidden_states, attention_bias, **kwargs)
        return BaseModelOutputWithPooling(last_hidden_state=hidden_states, pooler_output=hidden_states.mean(dim=1))


class GairTimmRSModel(nn.Module):
    """
    An RS tower from timm. It returns patch tokens, without class or register tokens.

    Args:
        config (`TimmWrapperConfig`): `model_args` gives the bands (`in_chans`) and usually `img_size` and `patch_size`.
    """

    def __init__(self, config: PreTrainedConfig):
        super().__init__()
        # Tokens are read before pooling, so a pooling head (and its norm, which replaces the tokens') would never be used.
        config = copy.deepcopy(config)
        config.do_pooling = False
        config.model_args = {"global_pool": "", **(config.model_args or {})}
        self.architecture = config.architecture
        self.num_channels = config.model_args.get("in_chans", 3)
        self.backbone = AutoModel.from_config(config)
        self.hidden_size = self.backbone.timm_model.num_features

    def forward(self, rs_pixel_values: torch.Tensor, **kwargs) -> BaseModelOutputWithPooling:
        """See [`GairRSModel`]; N is the number of patch tokens, which must form a square."""
        _check_arguments(kwargs)
        _check_tiles(rs_pixel_values, self.num_channels)
        tokens = self.backbone(pixel_values=rs_pixel_values, **kwargs).last_hidden_state
        if tokens.ndim == 3:
            tokens = tokens[:, getattr(self.backbone.timm_model, "num_prefix_tokens", 0) :]
        if tokens.ndim != 3 or math.isqrt(tokens.shape[1]) ** 2 != tokens.shape[1]:
            raise ValueError(
                f"The timm model {self.architecture!r} returns features of shape {tuple(tokens.shape)}, expected a "
                "square grid of tokens (B, N, D); choose a plain vision transformer."
            )
        return BaseModelOutputWithPooling(last_hidden_state=tokens, pooler_output=tokens.mean(dim=1))


def take_patches(tokens: torch.Tensor, patches: torch.Tensor) -> torch.Tensor:
    """Returns the tokens `(B, V, D)` of the patches with the indices `(B, V)`, from all tokens `(B, N, D)`."""
    return tokens.gather(1, patches[:, :, None].expand(-1, -1, tokens.shape[2]))


def _check_arguments(arguments: dict[str, Any]) -> None:
    refuse_unknown(not_none(arguments), ("rs_pixel_values", "visible_patches"), "The RS tower", FORWARD_KEYWORDS)


def _check_tiles(rs_pixel_values: torch.Tensor, num_channels: int) -> None:
    shape = tuple(rs_pixel_values.shape)
    if len(shape) != 4 or shape[1] != num_channels or shape[2] != shape[3]:
        raise ValueError(
            f"rs_pixel_values has the shape {shape}; expected (B, {num_channels}, H, H): square tiles with "
            f"{num_channels} bands; prepare them with the processor."
        )


__all__ = ["GairRSModel", "GairTimmRSModel", "take_patches"]
