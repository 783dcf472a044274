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
"""GAIR: remote-sensing tiles, street views and places on Earth in one embedding space, and any point of a tile."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutput
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple
from transformers.utils.output_capturing import capture_outputs

from .configuration_gair import GAIR_RS_MODEL_TYPE, QUERY_MODES, TIMM_MODEL_TYPE, GairConfig, GairRSConfig
from .geo_gair import great_circle_distance_m
from .location_gair import LOCATION_ENCODER_CLASSES, GairGaussianFeatures, GairLocationLinear, GairSineLinear

NILI_METHODS = ("auto", "dense", "points")


@dataclass
class GairOutput(ModelOutput):
    """
    Output of [`GairModel`]. Embeddings are L2-normalised; what was not given is None.

    Args:
        loss (scalar `torch.Tensor`, *optional*):
            The contrastive loss, with `return_loss=True`.
        rs_embeds (`torch.Tensor` of shape `(T, D)`, *optional*):
            Whole tiles: the mean of their tokens.
        localized_rs_embeds (`torch.Tensor` of shape `(B, Q, D)`, *optional*):
            Tiles read at the query points by NILI; B = T unless `tile_index` names the tile of each row.
        sv_embeds (`torch.Tensor` of shape `(B, D)`, *optional*):
            Street views, projected.
        location_embeds (`torch.Tensor` of shape `(..., D)`, *optional*):
            Places, in the leading shape of `coordinates`.
        similarity_sv_localized (`torch.Tensor` of shape `(SV, RS)`, *optional*):
            Cosines of street views (rows) and localized tiles (columns), for one query point a tile.
        similarity_sv_location (`torch.Tensor` of shape `(SV, locations)`, *optional*):
            Cosines of street views (rows) and places (columns), for one place a row of `coordinates`.
        similarity_localized_location (`torch.Tensor` of shape `(RS, locations)`, *optional*):
            Cosines of localized tiles (rows) and places (columns), likewise.
    """

    loss: torch.Tensor | None = None
    rs_embeds: torch.Tensor | None = None
    localized_rs_embeds: torch.Tensor | None = None
    sv_embeds: torch.Tensor | None = None
    location_embeds: torch.Tensor | None = None
    similarity_sv_localized: torch.Tensor | None = None
    similarity_sv_location: torch.Tensor | None = None
    similarity_localized_location: torch.Tensor | None = None


# ---------------------------------------------------------------------------------------------------------------------
# The remote-sensing tower
# ---------------------------------------------------------------------------------------------------------------------


def alibi_slopes(num_heads: int) -> torch.Tensor:
    """
    Slope of each head's distance penalty: `2 ** (-8 (h + 1) / n)` for a power of two (Press et al., 2022). For another
    number of heads, the slopes of the power of two below and every other one of the next, as in that paper's code.

    Returns:
        `torch.Tensor` of shape `(num_heads,)`, float32 on the CPU.
    """
    power = 2 ** int(math.log2(num_heads))
    slopes = [2 ** (-8 * (head + 1) / power) for head in range(power)]
    slopes += [2 ** (-4 * (head + 1) / power) for head in range(0, 2 * power, 2)][: num_heads - power]
    return torch.tensor(slopes, device="cpu", dtype=torch.float32)


class GairRSEmbeddings(nn.Module):
    """Patches of a tile, each flattened as (channel, row, column) mapped to a token; no class token, no positions."""

    def __init__(self, config: GairRSConfig):
        super().__init__()
        self.num_channels, self.patch_size = config.num_channels, config.patch_size
        self.projection = nn.Conv2d(
            config.num_channels, config.hidden_size, kernel_size=config.patch_size, stride=config.patch_size
        )

    def forward(self, rs_pixel_values: torch.Tensor) -> torch.Tensor:
        _check_tiles(rs_pixel_values, self.num_channels)
        side = rs_pixel_values.shape[-1]
        if side % self.patch_size:
            raise ValueError(
                f"rs_pixel_values has a side of {side} pixels; the tower needs a multiple of its patch of "
                f"{self.patch_size} pixels: resize the tile with the processor."
            )
        return self.projection(rs_pixel_values).flatten(2).transpose(1, 2)


class GairRSAlibi(nn.Module):
    """2D-ALiBi: attention scores fall off with the distance of the patches, `-slope_h * ||centre_i - centre_j||`."""

    slopes: torch.Tensor

    def __init__(self, config: GairRSConfig):
        super().__init__()
        self.register_buffer("slopes", alibi_slopes(config.num_attention_heads), persistent=False)

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


class GairPreTrainedModel(PreTrainedModel):
    """Weight initialisation, loading and saving of the GAIR models."""

    config: GairConfig
    base_model_prefix = "gair"
    main_input_name = "rs_pixel_values"
    input_modalities = ["image"]
    supports_gradient_checkpointing = True
    _no_split_modules = ["GairRSLayer"]
    _supports_sdpa = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True
    # The Gaussian frequencies of the location encoder: see `GairGaussianFeatures`.
    _keep_in_fp32_modules_strict = {"frequencies"}

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, GairRSAlibi):
            init.copy_(module.slopes, alibi_slopes(module.slopes.numel()))
        elif isinstance(module, GairGaussianFeatures):
            init.normal_(module.frequencies, std=module.scale)
        elif isinstance(module, GairLocationLinear):
            init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, GairSineLinear):
            for parameter in (module.weight, module.bias):
                init.uniform_(parameter, -module.initial_bound, module.initial_bound)
        elif isinstance(module, GairNILIAffine) and self.config.nili_init == "center_token":
            init.copy_(module.weight, module.center_token_weight())


class GairRSModel(GairPreTrainedModel):
    """GAIR's own RS tower: optical CROMA's vision transformer, from a tile to its tokens."""

    config: GairRSConfig  # type: ignore[assignment]
    config_class = GairRSConfig
    base_model_prefix = "rs_model"
    _can_record_outputs = {"hidden_states": GairRSLayer, "attentions": GairRSAttention}
    # The rest of a whole GAIR model, when the tower alone is loaded from one.
    _keys_to_ignore_on_load_unexpected = [r"^(sv_model|sv_projection|location_model|nili)\."]

    def __init__(self, config: GairRSConfig):
        super().__init__(config)
        self.hidden_size = config.hidden_size
        self.embeddings = GairRSEmbeddings(config)
        self.alibi = GairRSAlibi(config)
        self.layers = nn.ModuleList(GairRSLayer(config) for _ in range(config.num_hidden_layers))
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings.projection

    @capture_outputs(tie_last_hidden_states=False)
    def forward(self, rs_pixel_values: torch.Tensor, **kwargs) -> BaseModelOutput:
        """
        Args:
            rs_pixel_values (`torch.Tensor` of shape `(B, 10, H, H)`):
                Tiles as the processor prepares them, row 0 in the north; H any multiple of the patch size.

        Returns:
            `BaseModelOutput` with `last_hidden_state` `(B, N, D)`: one token a patch, row-major from the north-west; on
            request `hidden_states` (the layers' inputs and the last output) and `attentions`.

        Raises:
            ValueError: the shape is not that of square tiles with the config's bands and a fitting side.
        """
        hidden_states = self.embeddings(rs_pixel_values.to(self.embeddings.projection.weight.dtype))
        patches_per_side = rs_pixel_values.shape[-1] // self.config.patch_size
        attention_bias = self.alibi(patches_per_side, hidden_states.dtype)
        for layer in self.layers:
            hidden_states = layer(hidden_states, attention_bias, **kwargs)
        return BaseModelOutput(last_hidden_state=hidden_states)


class GairTimmRSModel(nn.Module):
    """
    An RS tower from timm: its patch tokens, without class or register tokens.

    Args:
        config (`TimmWrapperConfig`): `model_args` states the bands (`in_chans`), usually also `img_size`, `patch_size`.
    """

    def __init__(self, config: PreTrainedConfig):
        super().__init__()
        # Tokens are read before pooling, so a pooled head (and its norm, in place of the tokens') would be dead weight.
        config = copy.deepcopy(config)
        config.do_pooling = False
        config.model_args = {"global_pool": "", **(config.model_args or {})}
        self.architecture = config.architecture
        self.num_channels = config.model_args.get("in_chans", 3)
        self.backbone = AutoModel.from_config(config)
        self.hidden_size = self.backbone.timm_model.num_features

    def forward(self, rs_pixel_values: torch.Tensor, **kwargs) -> BaseModelOutput:
        """See [`GairRSModel`]; N is the number of patch tokens, which must form a square."""
        _check_tiles(rs_pixel_values, self.num_channels)
        tokens = self.backbone(pixel_values=rs_pixel_values, **kwargs).last_hidden_state
        if tokens.ndim == 3:
            tokens = tokens[:, getattr(self.backbone.timm_model, "num_prefix_tokens", 0) :]
        if tokens.ndim != 3 or math.isqrt(tokens.shape[1]) ** 2 != tokens.shape[1]:
            raise ValueError(
                f"The timm model {self.architecture!r} gives features of shape {tuple(tokens.shape)}, no square grid "
                "of tokens (B, N, D) that NILI could read; choose a plain vision transformer."
            )
        return BaseModelOutput(last_hidden_state=tokens)


def _check_tiles(rs_pixel_values: torch.Tensor, num_channels: int) -> None:
    shape = tuple(rs_pixel_values.shape)
    if len(shape) != 4 or shape[1] != num_channels or shape[2] != shape[3]:
        raise ValueError(
            f"rs_pixel_values has the shape {shape}; expected (B, {num_channels}, H, H): square tiles with "
            f"{num_channels} bands, as the processor gives them."
        )


# ---------------------------------------------------------------------------------------------------------------------
# NILI and the other ways to read a tile at a point
# ---------------------------------------------------------------------------------------------------------------------


class GairNILIAffine(nn.Linear):
    """
    NILI's affine map, `Linear(9 D + 2, D)`: the features of a 3x3 neighbourhood first (channel-major: channel, row,
    column), then the offset x, y. A class of its own so that it can be initialised in its own way.
    """

    def center_token_weight(self) -> torch.Tensor:
        """The weight that returns the neighbourhood's centre token."""
        weight = torch.zeros_like(self.weight)
        weight[:, 4:-2:9] = torch.eye(self.out_features, dtype=weight.dtype, device=weight.device)
        return weight


class GairNILI(nn.Module):
    """
    Neural implicit local interpolation: the tile's representation at any point.

    By definition (LIIF's local ensemble with an affine decoder), the 3x3 neighbourhoods of the four cells around a
    point and the point's offsets from their centres pass one affine map, and the four results are blended by area. As
    the map is affine, this equals, for `c = 2 q - 1` and P cells a side,

        bilinear(conv3x3(F; W_U, b), c; border) + W_r · P · (c - clip(c, ±(1 - 1/P)))

    which `dense` evaluates literally, while `points` blends the neighbourhoods before the one product. On the two lines
    x or y = 1 - 1/(2P) the definition is degenerate; this is its continuous extension.

    Args:
        hidden_size (`int`): width D of the tokens and of the result.
    """

    def __init__(self, hidden_size: int):
        super().__init__()
        self.affine = GairNILIAffine(9 * hidden_size + 2, hidden_size)

    def forward(
        self,
        feature_map: torch.Tensor,
        query_points: torch.Tensor,
        method: str = "auto",
        tile_index: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        Args:
            feature_map (`torch.Tensor` of shape `(B, D, P, P)`): tokens as a map, row 0 in the north.
            query_points (`torch.Tensor` of shape `(R, Q, 2)`): x east, y south, in [0, 1]; neither checked nor clamped.
            method (`str`): `"dense"` (one convolution of the map, four reads a point), `"points"` (one product a point)
                or `"auto"`, the cheaper one for Q points a row. Name one when exporting with a dynamic Q.
            tile_index (`torch.Tensor` of shape `(R,)`, *optional*): the tile of each row; without it R = B, in order.

        Returns:
            `torch.Tensor` of shape `(R, Q, D)`.
        """
        if method == "auto":
            method = "dense" if query_points.shape[1] >= feature_map.shape[-1] ** 2 else "points"
        return (self._dense if method == "dense" else self._points)(feature_map, query_points, tile_index)

    def sample_map(self, feature_map: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """
        The same at the half-pixel centres of an image of `size` (h, w): on a regular grid, bilinear reading with border
        padding is a resize, and the offset term is a sum of a row and a column.

        Returns:
            `torch.Tensor` of shape `(B, D, h, w)`, row 0 in the north.
        """
        patches_per_side = feature_map.shape[-1]
        sampled = F.interpolate(self._convolve(feature_map), size=size, mode="bilinear", align_corners=False)
        weight_x, weight_y = self.affine.weight[:, -2:, None].unbind(1)
        x, y = (half_pixel_centers(length, sampled) for length in reversed(size))
        column = weight_x * self._border_offset(2 * x - 1, patches_per_side)
        row = weight_y * self._border_offset(2 * y - 1, patches_per_side)
        return sampled + column[:, None, :] + row[:, :, None]

    def _dense(
        self, feature_map: torch.Tensor, query_points: torch.Tensor, tile_index: torch.Tensor | None
    ) -> torch.Tensor:
        position = (2 * query_points - 1).to(feature_map.dtype)
        convolved = self._convolve(feature_map)
        if tile_index is not None:
            convolved = convolved[tile_index]
        sampled = F.grid_sample(
            convolved, position[:, None], mode="bilinear", padding_mode="border", align_corners=False
        )
        offset = self._border_offset(position, feature_map.shape[-1])
        return sampled[:, :, 0].transpose(1, 2) + F.linear(offset, self.affine.weight[:, -2:])

    def _points(
        self, feature_map: torch.Tensor, query_points: torch.Tensor, tile_index: torch.Tensor | None
    ) -> torch.Tensor:
        if tile_index is None:
            tile_index = torch.arange(feature_map.shape[0], device=feature_map.device)
        patches_per_side = feature_map.shape[-1]
        position = (2 * query_points - 1).to(feature_map.dtype)
        # In cells from the first centre, clipped to the ring of outer centres as border padding does.
        cell = (((position + 1) * patches_per_side - 1) / 2).clamp(0, patches_per_side - 1)
        first = cell.detach().floor().clamp(max=max(patches_per_side - 2, 0))
        fraction = (cell - first)[:, :, None, None, :]
        # The two neighbourhoods along an axis overlap: 4x4 tokens, from one cell before `first`, hold all four.
        padded = F.pad(feature_map, (1, 2, 1, 2)).permute(0, 2, 3, 1)
        taps = torch.arange(4, device=feature_map.device)
        column, row = (first.long()[..., None] + taps).unbind(2)
        tokens = padded[tile_index[:, None, None, None], row[..., None], column[:, :, None]]
        blended = torch.lerp(tokens[:, :, :3], tokens[:, :, 1:], fraction[..., 1:])
        blended = torch.lerp(blended[:, :, :, :3], blended[:, :, :, 1:], fraction[..., :1])
        neighbourhood = blended.permute(0, 1, 4, 2, 3).flatten(2)
        offset = self._border_offset(position, patches_per_side)
        return self.affine(torch.cat([neighbourhood, offset], dim=-1))

    def _convolve(self, feature_map: torch.Tensor) -> torch.Tensor:
        weight = self.affine.weight[:, :-2].unflatten(1, (-1, 3, 3))
        # Tokens seen as a map are channels-last, where sampling many points is half as fast.
        return F.conv2d(feature_map.contiguous(), weight, self.affine.bias, padding=1)

    @staticmethod
    def _border_offset(position: torch.Tensor, patches_per_side: int) -> torch.Tensor:
        limit = 1 - 1 / patches_per_side
        return patches_per_side * (position - position.clamp(-limit, limit))


def half_pixel_centers(length: int, like: torch.Tensor) -> torch.Tensor:
    """The centres (i + ½) / length of `length` pixels over [0, 1], in the dtype and on the device of `like`."""
    return (torch.arange(length, device=like.device, dtype=like.dtype) + 0.5) / length


def sample_tokens(feature_map: torch.Tensor, query_points: torch.Tensor, mode: str) -> torch.Tensor:
    """
    Plain interpolation of the tokens at half-pixel centres with zeros outside, for comparison with NILI.

    Args:
        feature_map (`torch.Tensor` of shape `(B, D, P, P)`): tokens as a map.
        query_points (`torch.Tensor` of shape `(B, Q, 2)`): x east, y south, in [0, 1].
        mode (`str`): `"bilinear"` or `"bicubic"`.

    Returns:
        `torch.Tensor` of shape `(B, Q, D)`.
    """
    position = (2 * query_points - 1).to(feature_map.dtype)[:, None]
    sampled = F.grid_sample(feature_map, position, mode=mode, padding_mode="zeros", align_corners=False)
    return sampled[:, :, 0].transpose(1, 2)


# ---------------------------------------------------------------------------------------------------------------------
# The objective
# ---------------------------------------------------------------------------------------------------------------------


def info_nce(queries: torch.Tensor, keys: torch.Tensor, temperature: float, masked: torch.Tensor) -> torch.Tensor:
    """
    InfoNCE (van den Oord et al., 2018): cross-entropy of each query against all keys, its own at the same index.

    Args:
        queries (`torch.Tensor` of shape `(N, D)`): L2-normalised.
        keys (`torch.Tensor` of shape `(M, D)`, M ≥ N): L2-normalised, the first N the queries' own.
        temperature (`float`): τ.
        masked (`torch.Tensor` of shape `(N, M)`, bool): keys that are no negatives of a query; the own one is kept.

    Returns:
        Scalar `torch.Tensor`: the mean over the queries.
    """
    labels = torch.arange(queries.shape[0], device=queries.device)
    own = torch.zeros_like(masked)
    own[labels, labels] = True
    logits = (queries @ keys.T / temperature).masked_fill(masked & ~own, float("-inf"))
    return F.cross_entropy(logits, labels)


def gair_contrastive_loss(
    sv_embeds: torch.Tensor,
    localized_rs_embeds: torch.Tensor,
    location_embeds: torch.Tensor,
    coordinates: torch.Tensor,
    *,
    temperature: float = 0.07,
    incl_min_distance_m: float = 150.0,
    secl_min_distance_m: float = 1000.0,
) -> torch.Tensor:
    """
    The contrastive objective of GAIR, `(INCL + SECL) / 2`, with in-batch negatives (arXiv 2503.16683).

    INCL aligns street views and localized tiles, `CE(s qᵀ/τ) + CE(q sᵀ/τ)`; SECL aligns both with their place,
    `CE(s lᵀ/τ) + CE(q lᵀ/τ)`. Pairs nearer than the stated distances are no negatives of each other.

    Args:
        sv_embeds (`torch.Tensor` of shape `(B, D)`): s, L2-normalised.
        localized_rs_embeds (`torch.Tensor` of shape `(B, D)`): q, the tile at the photo's point, L2-normalised.
        location_embeds (`torch.Tensor` of shape `(B, D)`): l, L2-normalised.
        coordinates (`torch.Tensor` of shape `(B, 2)`): lon, lat of the photos in degrees.
        temperature (`float`): τ.
        incl_min_distance_m (`float`): least distance in metres of INCL's negatives; 0 keeps them all.
        secl_min_distance_m (`float`): least distance in metres of SECL's negatives; 0 keeps them all.

    Returns:
        Scalar `torch.Tensor`.
    """
    lon, lat = coordinates.float().unbind(dim=-1)
    distance = great_circle_distance_m(lon[:, None], lat[:, None], lon, lat)
    near = distance < incl_min_distance_m
    incl = info_nce(sv_embeds, localized_rs_embeds, temperature, near)
    incl = incl + info_nce(localized_rs_embeds, sv_embeds, temperature, near)
    near = distance < secl_min_distance_m
    secl = info_nce(sv_embeds, location_embeds, temperature, near)
    secl = secl + info_nce(localized_rs_embeds, location_embeds, temperature, near)
    return (incl + secl) / 2


# ---------------------------------------------------------------------------------------------------------------------
# The whole
# ---------------------------------------------------------------------------------------------------------------------


class GairModel(GairPreTrainedModel):
    """
    Three encoders in one embedding space of width D, the RS tower's: tiles, street views, and places; and NILI, which
    reads a tile at any point.

    The model checks shapes; values (coordinate ranges, points inside their tile, pixel units) are the processor's.

    Args:
        config (`GairConfig`): sizes, settings of the loss.
    """

    config_class = GairConfig

    def __init__(self, config: GairConfig):
        super().__init__(config)
        if config.rs_config.model_type == GAIR_RS_MODEL_TYPE:
            self.rs_model = GairRSModel._from_config(config.rs_config)
        else:
            self.rs_model = GairTimmRSModel(config.rs_config)
        hidden_size = self.rs_model.hidden_size
        self.sv_model = AutoModel.from_config(config.sv_config)
        self.sv_projection = nn.Linear(_pooled_width(self.sv_model), hidden_size)
        location_encoder = LOCATION_ENCODER_CLASSES[config.location_config.encoder]
        self.location_model = location_encoder(config.location_config, hidden_size)
        self.nili = GairNILI(hidden_size)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module | None:  # type: ignore[override]
        """None: the inputs are pixels and coordinates, not tokens of a vocabulary."""
        return None

    def get_rs_features(self, rs_pixel_values: torch.Tensor) -> torch.Tensor:
        """
        Embeddings of whole tiles: the mean of their tokens, not normalised.

        Args:
            rs_pixel_values (`torch.Tensor` of shape `(B, 10, H, H)`): tiles as the processor prepares them.

        Returns:
            `torch.Tensor` of shape `(B, D)`.
        """
        return self.rs_model(rs_pixel_values).last_hidden_state.mean(dim=1)

    def get_sv_features(self, sv_pixel_values: torch.Tensor) -> torch.Tensor:
        """
        Embeddings of street views, projected to the shared space, not normalised.

        Args:
            sv_pixel_values (`torch.Tensor` of shape `(B, 3, h, w)`): photos as the processor prepares them.

        Returns:
            `torch.Tensor` of shape `(B, D)`.
        """
        pooled = self.sv_model(pixel_values=sv_pixel_values.to(self.sv_projection.weight.dtype)).pooler_output
        if pooled is None:
            raise ValueError(
                f"The SV tower of type {self.config.sv_config.model_type!r} gives no pooler_output; choose another."
            )
        return self.sv_projection(pooled)

    def get_location_features(self, coordinates: torch.Tensor) -> torch.Tensor:
        """
        Embeddings of places, not normalised.

        Args:
            coordinates (`torch.Tensor` of shape `(..., 2)`):
                lon, lat in degrees. Neither wrapped nor checked here: to the published encoder 180° and −180° differ.

        Returns:
            `torch.Tensor` of shape `(..., D)`.
        """
        if coordinates.ndim == 0 or coordinates.shape[-1] != 2:
            raise ValueError(f"coordinates has the shape {tuple(coordinates.shape)}; expected (..., 2): lon, lat.")
        return self.location_model(coordinates)

    def get_localized_rs_features(
        self, rs_pixel_values: torch.Tensor, query_points: torch.Tensor, mode: str | None = None, method: str = "auto"
    ) -> torch.Tensor:
        """
        Embeddings of points in tiles, not normalised.

        Args:
            rs_pixel_values (`torch.Tensor` of shape `(B, 10, H, H)`): tiles as the processor prepares them.
            query_points (`torch.Tensor` of shape `(B, Q, 2)`):
                x east, y south from the tile's north-west corner, in [0, 1]; neither checked nor clamped here.
            mode (`str`, *optional*):
                `"nili"`, `"bilinear"`, `"bicubic"`, or `"mean"` (the tile's mean at every point); by default the config's
                `query_mode`.
            method (`str`): how NILI is evaluated, with equal results: `"dense"` costs by the tile, `"points"` by the
                point, `"auto"` takes the cheaper. The other modes have one way only.

        Returns:
            `torch.Tensor` of shape `(B, Q, D)`.
        """
        return self.localize(self.rs_model(rs_pixel_values).last_hidden_state, query_points, mode, method)

    def localize(
        self,
        rs_tokens: torch.Tensor,
        query_points: torch.Tensor,
        mode: str | None = None,
        method: str = "auto",
        tile_index: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """
        As [`~GairModel.get_localized_rs_features`], from tokens at hand, so that many queries share one encoding.

        Args:
            rs_tokens (`torch.Tensor` of shape `(B, N, D)`): `rs_model(...).last_hidden_state`.
            query_points (`torch.Tensor` of shape `(R, Q, 2)`): x east, y south, in [0, 1].
            mode, method (`str`, *optional*): see [`~GairModel.get_localized_rs_features`].
            tile_index (`torch.Tensor` of shape `(R,)`, *optional*): the tile of each row of points, as tiles may hold
                differing numbers of photos; without it R = B, in order.

        Returns:
            `torch.Tensor` of shape `(R, Q, D)`.
        """
        mode = self.config.query_mode if mode is None else mode
        _check_choice("mode", mode, QUERY_MODES)
        _check_choice("method", method, NILI_METHODS)
        shape, rows = tuple(query_points.shape), (rs_tokens if tile_index is None else tile_index).shape[0]
        if len(shape) != 3 or shape[0] != rows or shape[2] != 2:
            raise ValueError(
                f"query_points has the shape {shape}; expected ({rows}, Q, 2): x, y of Q points in each of {rows} "
                f"{'tiles' if tile_index is None else 'rows of tile_index'}."
            )
        if mode == "nili":
            return self.nili(_as_map(rs_tokens), query_points, method, tile_index)
        if mode == "mean":
            means = rs_tokens.mean(dim=1, keepdim=True)
            return (means if tile_index is None else means[tile_index]).expand(-1, shape[1], -1)
        return sample_tokens(_as_map(rs_tokens if tile_index is None else rs_tokens[tile_index]), query_points, mode)

    def get_rs_feature_map(
        self, rs_pixel_values: torch.Tensor, size: tuple[int, int], mode: str | None = None
    ) -> torch.Tensor:
        """
        Embeddings over tiles as images of any size, not normalised: the points ((j + ½)/w, (i + ½)/h).

        Args:
            rs_pixel_values (`torch.Tensor` of shape `(B, 10, H, H)`): tiles as the processor prepares them.
            size (`tuple[int, int]`): h, w.
            mode (`str`, *optional*): see [`~GairModel.get_localized_rs_features`].

        Returns:
            `torch.Tensor` of shape `(B, D, h, w)`, row 0 in the north.
        """
        return self.feature_map(self.rs_model(rs_pixel_values).last_hidden_state, size, mode)

    def feature_map(self, rs_tokens: torch.Tensor, size: tuple[int, int], mode: str | None = None) -> torch.Tensor:
        """
        As [`~GairModel.get_rs_feature_map`], from tokens at hand.

        Args:
            rs_tokens (`torch.Tensor` of shape `(B, N, D)`): `rs_model(...).last_hidden_state`.
            size (`tuple[int, int]`): h, w.
            mode (`str`, *optional*): see [`~GairModel.get_localized_rs_features`].

        Returns:
            `torch.Tensor` of shape `(B, D, h, w)`, row 0 in the north.
        """
        mode = self.config.query_mode if mode is None else mode
        _check_choice("mode", mode, QUERY_MODES)
        height, width = size
        if height < 1 or width < 1:
            raise ValueError(f"size is {tuple(size)}; expected (h, w), each at least 1.")
        if mode == "nili":
            return self.nili.sample_map(_as_map(rs_tokens), (height, width))
        y, x = torch.meshgrid(
            half_pixel_centers(height, rs_tokens), half_pixel_centers(width, rs_tokens), indexing="ij"
        )
        points = torch.stack([x, y], dim=-1).flatten(0, 1).expand(rs_tokens.shape[0], -1, -1)
        return self.localize(rs_tokens, points, mode).transpose(1, 2).unflatten(2, (height, width))

    @can_return_tuple
    def forward(
        self,
        rs_pixel_values: torch.Tensor | None = None,
        sv_pixel_values: torch.Tensor | None = None,
        coordinates: torch.Tensor | None = None,
        query_points: torch.Tensor | None = None,
        tile_index: torch.Tensor | None = None,
        return_loss: bool = False,
        **kwargs,
    ) -> GairOutput:
        """
        Embeds what is given, L2-normalised. Photos of one tile share its encoding by `tile_index`.

        Args:
            rs_pixel_values (`torch.Tensor` of shape `(T, 10, H, H)`, *optional*): tiles.
            sv_pixel_values (`torch.Tensor` of shape `(B, 3, h, w)`, *optional*): street views.
            coordinates (`torch.Tensor` of shape `(B, 2)` or `(B, Q, 2)`, *optional*): lon, lat in degrees.
            query_points (`torch.Tensor` of shape `(B, Q, 2)`, *optional*):
                x east, y south in the tiles, in [0, 1]; needs `rs_pixel_values`.
            tile_index (`torch.Tensor` of shape `(B,)`, *optional*):
                the tile, from 0 to T - 1, in which row b's points lie; without it T = B, in order. Not checked here.
            return_loss (`bool`): also compute the contrastive loss; needs tiles, photos, places and points, and Q = 1.

        Returns:
            [`GairOutput`]

        Raises:
            ValueError: nothing is given, `query_points` without tiles, or `return_loss` without all it needs.
        """
        if rs_pixel_values is None and sv_pixel_values is None and coordinates is None:
            raise ValueError("No input was given; pass at least one of rs_pixel_values, sv_pixel_values, coordinates.")
        if query_points is not None and rs_pixel_values is None:
            raise ValueError("query_points were given without rs_pixel_values; pass the tiles that they lie in.")
        if return_loss:
            _check_pairs(rs_pixel_values, sv_pixel_values, coordinates, query_points, tile_index)

        rs_embeds = localized_rs_embeds = sv_embeds = location_embeds = None
        if rs_pixel_values is not None:
            rs_tokens = self.rs_model(rs_pixel_values).last_hidden_state
            rs_embeds = F.normalize(rs_tokens.mean(dim=1), dim=-1)
            if query_points is not None:
                localized_rs_embeds = F.normalize(self.localize(rs_tokens, query_points, tile_index=tile_index), dim=-1)
        if sv_pixel_values is not None:
            sv_embeds = F.normalize(self.get_sv_features(sv_pixel_values), dim=-1)
        if coordinates is not None:
            location_embeds = F.normalize(self.get_location_features(coordinates), dim=-1)

        localized, locations = _one_per_row(localized_rs_embeds, 3), _one_per_row(location_embeds, 2)
        loss = None
        if return_loss:
            # `_check_pairs` has seen to it.
            assert sv_embeds is not None and localized is not None and locations is not None and coordinates is not None
            loss = gair_contrastive_loss(
                sv_embeds,
                localized,
                locations,
                coordinates.flatten(0, -2),
                temperature=self.config.temperature,
                incl_min_distance_m=self.config.incl_min_distance_m,
                secl_min_distance_m=self.config.secl_min_distance_m,
            )
        return GairOutput(
            loss=loss,
            rs_embeds=rs_embeds,
            localized_rs_embeds=localized_rs_embeds,
            sv_embeds=sv_embeds,
            location_embeds=location_embeds,
            similarity_sv_localized=_cosines(sv_embeds, localized),
            similarity_sv_location=_cosines(sv_embeds, locations),
            similarity_localized_location=_cosines(localized, locations),
        )


def _pooled_width(sv_model: PreTrainedModel) -> int:
    config: Any = sv_model.config
    if config.model_type == TIMM_MODEL_TYPE:
        timm_model: Any = sv_model.timm_model
        return timm_model.num_features
    return getattr(config, "pooler_output_size", None) or config.hidden_size


def _as_map(rs_tokens: torch.Tensor) -> torch.Tensor:
    """Tokens (B, N, D) as a map (B, D, P, P)."""
    patches_per_side = math.isqrt(rs_tokens.shape[1])
    return rs_tokens.transpose(1, 2).unflatten(2, (patches_per_side, patches_per_side))


def _one_per_row(embeds: torch.Tensor | None, ndim: int) -> torch.Tensor | None:
    """Embeddings as (B, D) where there is one a row, else None; `ndim` counts the dimensions without a Q of one."""
    if embeds is None or (embeds.ndim == 3 and embeds.shape[1] != 1) or embeds.ndim not in (ndim, 3):
        return None
    return embeds.squeeze(1) if embeds.ndim == 3 else embeds


def _cosines(rows: torch.Tensor | None, columns: torch.Tensor | None) -> torch.Tensor | None:
    return None if rows is None or columns is None else rows @ columns.T


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(map(repr, choices))}.")


def _check_pairs(rs_pixel_values, sv_pixel_values, coordinates, query_points, tile_index) -> None:
    """Whether the inputs make B pairs, each a street view, a place and one query point in its tile."""
    if any(value is None for value in (rs_pixel_values, sv_pixel_values, coordinates, query_points)):
        raise ValueError("return_loss needs rs_pixel_values, sv_pixel_values, coordinates and query_points, all four.")
    batch = (rs_pixel_values if tile_index is None else tile_index).shape[0]
    shapes = tuple(sv_pixel_values.shape[:1]), tuple(coordinates.shape), tuple(query_points.shape)
    if shapes[0] != (batch,) or shapes[1] not in ((batch, 2), (batch, 1, 2)) or shapes[2] != (batch, 1, 2):
        raise ValueError(
            f"return_loss needs a photo, a place and a point for each of {batch} "
            f"{'tiles' if tile_index is None else 'rows of tile_index'}, but {shapes[0][0]} photos came with coordinates "
            f"of shape {shapes[1]} and query_points of shape {shapes[2]}."
        )


__all__ = [
    "GairModel",
    "GairOutput",
    "GairPreTrainedModel",
    "GairRSModel",
    "gair_contrastive_loss",
    "info_nce",
]
