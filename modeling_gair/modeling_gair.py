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
"""GAIR: embeds remote-sensing tiles, points in them, street views and locations in one space."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AutoModel, PreTrainedModel
from transformers.utils import ModelOutput
from transformers.utils.generic import can_return_tuple

from .configuration_gair import GAIR_RS_MODEL_TYPE, TIMM_MODEL_TYPE, GairConfig, GairLocationConfig
from .geo_gair import great_circle_distance_m
from .keywords_gair import FORWARD_KEYWORDS, names_of, not_none, refuse_unknown
from .location_gair import LOCATION_ENCODER_CLASSES
from .nili_gair import GairNILI
from .pixel_query_gair import GairPixelQuery
from .pretrained_gair import GairPreTrainedModel, check_precise, compute_dtype
from .query_gair import GairEncodedTiles, feature_map, localize
from .rs_tower_gair import GairRSModel, GairTimmRSModel

# Some versions of transformers copy only the files that this one imports.
from .windows_gair import read_windows  # noqa: F401


@dataclass
class GairOutput(ModelOutput):
    """
    Output of [`GairModel`]. Embeddings are L2-normalised; those of inputs that were not given are None.

    Args:
        loss (scalar `torch.Tensor`, *optional*):
            The contrastive loss, with `return_loss=True`.
        rs_embeds (`torch.Tensor` of shape `(T, D)`, *optional*):
            Embeddings of whole tiles: the mean of their tokens.
        localized_rs_embeds (`torch.Tensor` of shape `(B, Q, D)`, *optional*):
            Embeddings of the query points, read from the tiles; B = T unless `tile_index` gives each row's tile.
        sv_embeds (`torch.Tensor` of shape `(B, D)`, *optional*):
            Embeddings of street views.
        location_embeds (`torch.Tensor` of shape `(..., D)`, *optional*):
            Embeddings of locations, with the leading dimensions of `coordinates`.
        similarity_sv_localized (`torch.Tensor` of shape `(SV, RS)`, *optional*):
            Cosine similarities of street views (rows) and localized tiles (columns), if there is one query point per tile.
        similarity_sv_location (`torch.Tensor` of shape `(SV, locations)`, *optional*):
            Cosine similarities of street views (rows) and locations (columns), if there is one location per row.
        similarity_localized_location (`torch.Tensor` of shape `(RS, locations)`, *optional*):
            Cosine similarities of localized tiles (rows) and locations (columns), under both conditions.
    """

    loss: torch.Tensor | None = None
    rs_embeds: torch.Tensor | None = None
    localized_rs_embeds: torch.Tensor | None = None
    sv_embeds: torch.Tensor | None = None
    location_embeds: torch.Tensor | None = None
    similarity_sv_localized: torch.Tensor | None = None
    similarity_sv_location: torch.Tensor | None = None
    similarity_localized_location: torch.Tensor | None = None


def info_nce(queries: torch.Tensor, keys: torch.Tensor, temperature: float, masked: torch.Tensor) -> torch.Tensor:
    """
    InfoNCE (van den Oord et al., 2018): the cross-entropy of each query against all keys, whose positive is at
    the same index.

    Args:
        queries (`torch.Tensor` of shape `(N, D)`): L2-normalised.
        keys (`torch.Tensor` of shape `(M, D)`, M ≥ N): L2-normalised; the first N are the queries' positives.
        temperature (`float`): τ.
        masked (`torch.Tensor` of shape `(N, M)`, bool): keys that are not negatives of a query; its positive is always kept.

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
    Computes GAIR's contrastive loss, `(INCL + SECL) / 2`, with in-batch negatives (arXiv 2503.16683).

    INCL aligns street views and localized tiles, `CE(s qᵀ/τ) + CE(q sᵀ/τ)`; SECL aligns both with their
    location, `CE(s lᵀ/τ) + CE(q lᵀ/τ)`. Pairs closer than the given distances are not negatives of each other.

    Args:
        sv_embeds (`torch.Tensor` of shape `(B, D)`): s, L2-normalised.
        localized_rs_embeds (`torch.Tensor` of shape `(B, D)`): q, the tile read at the photo's point, L2-normalised.
        location_embeds (`torch.Tensor` of shape `(B, D)`): l, L2-normalised.
        coordinates (`torch.Tensor` of shape `(B, 2)`): lon, lat of the photos in degrees.
        temperature (`float`): τ.
        incl_min_distance_m (`float`): minimum distance of INCL's negatives in metres; 0 keeps them all.
        secl_min_distance_m (`float`): minimum distance of SECL's negatives in metres; 0 keeps them all.

    Returns:
        Scalar `torch.Tensor`.
    """
    check_precise("coordinates", coordinates)
    lon, lat = coordinates.float().unbind(dim=-1)
    distance = great_circle_distance_m(lon[:, None], lat[:, None], lon, lat)
    near = distance < incl_min_distance_m
    incl = info_nce(sv_embeds, localized_rs_embeds, temperature, near)
    incl = incl + info_nce(localized_rs_embeds, sv_embeds, temperature, near)
    near = distance < secl_min_distance_m
    secl = info_nce(sv_embeds, location_embeds, temperature, near)
    secl = secl + info_nce(localized_rs_embeds, location_embeds, temperature, near)
    return (incl + secl) / 2


class GairModel(GairPreTrainedModel):
    """
    Encodes tiles, street views and locations in one embedding space, whose width D is that of the RS tower, and reads a tile
    at any point.

    The model checks shapes only; the processor checks values (coordinate ranges, points inside their tile, pixel units).

    Args:
        config (`GairConfig`): sizes, and settings of the loss.
    """

    config_class = GairConfig

    def __init__(self, config: GairConfig):
        # Loading assigns overrides such as `query_mode` one by one, which checks their types alone.
        config.validate()
        super().__init__(config)
        if config.rs_config.model_type == GAIR_RS_MODEL_TYPE:
            self.rs_model = GairRSModel._from_config(config.rs_config)
        else:
            self.rs_model = GairTimmRSModel(config.rs_config)
        hidden_size = self.rs_model.hidden_size
        self.sv_model = AutoModel.from_config(config.sv_config)
        self.sv_projection = nn.Linear(_pooled_width(self.sv_model), hidden_size)
        self.location_model = _location_model(config.location_config, hidden_size)
        self.nili = GairNILI(hidden_size, config.nili_init)
        self.pixel_query = _pixel_query(config, self.rs_model.num_channels, hidden_size)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module | None:  # type: ignore[override]
        """None: the inputs are pixels and coordinates, not tokens of a vocabulary."""
        return None

    def get_rs_features(self, rs_pixel_values: torch.Tensor) -> torch.Tensor:
        """
        Embeds whole tiles, as the mean of their tokens; not normalised.

        Args:
            rs_pixel_values (`torch.Tensor` of shape `(B, 10, H, H)`): tiles from the processor.

        Returns:
            `torch.Tensor` of shape `(B, D)`.
        """
        return self.rs_model(rs_pixel_values).pooler_output

    def get_sv_features(self, sv_pixel_values: torch.Tensor) -> torch.Tensor:
        """
        Embeds street views, projected to the shared space; not normalised.

        Args:
            sv_pixel_values (`torch.Tensor` of shape `(B, 3, h, w)`): photos from the processor.

        Returns:
            `torch.Tensor` of shape `(B, D)`.
        """
        pooled = self.sv_model(pixel_values=sv_pixel_values.to(compute_dtype(self.sv_model))).pooler_output
        if pooled is None:
            raise ValueError(
                f"The SV tower of type {self.config.sv_config.model_type!r} returns no pooler_output; choose another."
            )
        return self.sv_projection(pooled)

    def get_location_features(self, coordinates: torch.Tensor) -> torch.Tensor:
        """
        Embeds locations; not normalised.

        Args:
            coordinates (`torch.Tensor` of shape `(..., 2)`):
                lon, lat in degrees; neither wrapped nor checked here (180° and −180° differ in the published encoder).

        Returns:
            `torch.Tensor` of shape `(..., D)`.
        """
        if coordinates.ndim == 0 or coordinates.shape[-1] != 2:
            raise ValueError(f"coordinates has the shape {tuple(coordinates.shape)}; expected (..., 2): lon, lat.")
        return self.location_model(coordinates)

    def encode_tiles(self, rs_pixel_values: torch.Tensor) -> GairEncodedTiles:
        """
        Encodes tiles once, so that many queries share the work.

        Args:
            rs_pixel_values (`torch.Tensor` of shape `(B, 10, H, H)`): tiles from the processor.

        Returns:
            [`GairEncodedTiles`]: what [`~GairModel.localize`] and [`~GairModel.feature_map`] read: the tokens and, if the
            model reads them, the pixels.
        """
        tile = self.rs_model(rs_pixel_values)
        return GairEncodedTiles(
            last_hidden_state=tile.last_hidden_state,
            pooler_output=tile.pooler_output,
            rs_pixel_values=None if self.pixel_query is None else rs_pixel_values,
        )

    def get_localized_rs_features(
        self,
        rs_pixel_values: torch.Tensor,
        query_points: torch.Tensor,
        mode: str | None = None,
        method: str = "auto",
        with_pixels: bool = True,
    ) -> torch.Tensor:
        """
        Embeds points in tiles; not normalised.

        Args:
            rs_pixel_values (`torch.Tensor` of shape `(B, 10, H, H)`): tiles from the processor.
            query_points (`torch.Tensor` of shape `(B, Q, 2)`):
                x east, y south from the tile's north-west corner, in [0, 1]; neither checked nor clamped here.
            mode (`str`, *optional*), method (`str`), with_pixels (`bool`): see [`~GairModel.localize`].

        Returns:
            `torch.Tensor` of shape `(B, Q, D)`.
        """
        tiles = self.encode_tiles(rs_pixel_values)
        return self.localize(tiles, query_points, mode, method, with_pixels=with_pixels)

    def localize(
        self,
        tiles: GairEncodedTiles,
        query_points: torch.Tensor,
        mode: str | None = None,
        method: str = "auto",
        tile_index: torch.Tensor | None = None,
        with_pixels: bool = True,
    ) -> torch.Tensor:
        """
        Does the same as [`~GairModel.get_localized_rs_features`] for encoded tiles, so that many queries share one encoding.

        Args:
            tiles ([`GairEncodedTiles`]): B tiles from [`~GairModel.encode_tiles`].
            query_points (`torch.Tensor` of shape `(R, Q, 2)`): x east, y south, in [0, 1].
            mode (`str`, *optional*):
                What reads the tokens: `"nili"`, `"bilinear"`, `"bicubic"`, or `"mean"` (their mean, at every point); the
                config's `query_mode` by default.
            method (`str`): how NILI and the pixels are evaluated, with equal results: the cost of `"dense"` grows with the
                number of tiles, that of `"points"` with the number of points; `"auto"` selects the cheaper.
            tile_index (`torch.Tensor` of shape `(R,)`, *optional*): the tile of each row of points, since tiles may have
                different numbers of photos; without it R = B, in order.
            with_pixels (`bool`): whether to add what the model reads from the pixels, as it was trained. Without, the
                reading of the tokens alone is returned. No effect on a model that reads no pixels.

        Returns:
            `torch.Tensor` of shape `(R, Q, D)`.
        """
        pixel_query = self.pixel_query if with_pixels else None
        return localize(self.nili, pixel_query, tiles, query_points, self._mode(mode), method, tile_index)

    def get_rs_feature_map(
        self, rs_pixel_values: torch.Tensor, size: tuple[int, int], mode: str | None = None, with_pixels: bool = True
    ) -> torch.Tensor:
        """
        Embeds every pixel of an image of any size over each tile, at the points ((j + ½)/w, (i + ½)/h); not normalised.

        Args:
            rs_pixel_values (`torch.Tensor` of shape `(B, 10, H, H)`): tiles from the processor.
            size (`tuple[int, int]`): h, w.
            mode (`str`, *optional*), with_pixels (`bool`): see [`~GairModel.localize`].

        Returns:
            `torch.Tensor` of shape `(B, D, h, w)`, row 0 in the north.
        """
        return self.feature_map(self.encode_tiles(rs_pixel_values), size, mode, with_pixels)

    def feature_map(
        self, tiles: GairEncodedTiles, size: tuple[int, int], mode: str | None = None, with_pixels: bool = True
    ) -> torch.Tensor:
        """
        Does the same as [`~GairModel.get_rs_feature_map`] for encoded tiles.

        Args:
            tiles ([`GairEncodedTiles`]): B tiles from [`~GairModel.encode_tiles`].
            size (`tuple[int, int]`): h, w.
            mode (`str`, *optional*), with_pixels (`bool`): see [`~GairModel.localize`].

        Returns:
            `torch.Tensor` of shape `(B, D, h, w)`, row 0 in the north.
        """
        return feature_map(self.nili, self.pixel_query if with_pixels else None, tiles, size, self._mode(mode))

    def _mode(self, mode: str | None) -> str:
        return self.config.query_mode if mode is None else mode

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
        Embeds the given inputs, L2-normalised. With `tile_index`, photos of one tile share its encoding.

        Args:
            rs_pixel_values (`torch.Tensor` of shape `(T, 10, H, H)`, *optional*): tiles.
            sv_pixel_values (`torch.Tensor` of shape `(B, 3, h, w)`, *optional*): street views.
            coordinates (`torch.Tensor` of shape `(B, 2)` or `(B, Q, 2)`, *optional*): lon, lat in degrees.
            query_points (`torch.Tensor` of shape `(B, Q, 2)`, *optional*):
                x east, y south in the tiles, in [0, 1]; needs `rs_pixel_values`.
            tile_index (`torch.Tensor` of shape `(B,)`, *optional*):
                the tile, from 0 to T - 1, in which row b's points lie; without it T = B, in order. Not checked here.
            return_loss (`bool`): whether to compute the contrastive loss; needs tiles, photos, locations and points, with Q = 1.
            kwargs: `valid_fraction` from the processor and transformers' own output switches, which have no effect here.

        Returns:
            [`GairOutput`]

        Raises:
            ValueError: if nothing is given, for `query_points` without tiles, for `return_loss` without all inputs, for
                coordinates or points in half precision, and for unknown arguments.
        """
        refuse_unknown(not_none(kwargs), _FORWARD_ARGUMENTS, "GairModel.forward", FORWARD_KEYWORDS)
        if rs_pixel_values is None and sv_pixel_values is None and coordinates is None:
            raise ValueError("No input was given; pass at least one of rs_pixel_values, sv_pixel_values, coordinates.")
        if query_points is not None and rs_pixel_values is None:
            raise ValueError("query_points were given without rs_pixel_values; pass their tiles too.")
        if return_loss:
            _check_pairs(rs_pixel_values, sv_pixel_values, coordinates, query_points, tile_index)

        rs_embeds = localized_rs_embeds = sv_embeds = location_embeds = None
        if rs_pixel_values is not None:
            tiles: Any = self.encode_tiles(rs_pixel_values)
            rs_embeds = F.normalize(tiles.pooler_output, dim=-1)
            if query_points is not None:
                localized_rs_embeds = F.normalize(self.localize(tiles, query_points, tile_index=tile_index), dim=-1)
        if sv_pixel_values is not None:
            sv_embeds = F.normalize(self.get_sv_features(sv_pixel_values), dim=-1)
        if coordinates is not None:
            location_embeds = F.normalize(self.get_location_features(coordinates), dim=-1)

        localized, locations = _without_query_axis(localized_rs_embeds, 3), _without_query_axis(location_embeds, 2)
        return GairOutput(
            loss=self._loss(sv_embeds, localized, locations, coordinates) if return_loss else None,
            rs_embeds=rs_embeds,
            localized_rs_embeds=localized_rs_embeds,
            sv_embeds=sv_embeds,
            location_embeds=location_embeds,
            similarity_sv_localized=_cosines(sv_embeds, localized),
            similarity_sv_location=_cosines(sv_embeds, locations),
            similarity_localized_location=_cosines(localized, locations),
        )

    def _loss(self, sv_embeds: Any, localized: Any, locations: Any, coordinates: Any) -> torch.Tensor:
        """The contrastive loss with the config's settings; the arguments are tensors, as `_check_pairs` has checked."""
        return gair_contrastive_loss(
            sv_embeds,
            localized,
            locations,
            coordinates.flatten(0, -2),
            temperature=self.config.temperature,
            incl_min_distance_m=self.config.incl_min_distance_m,
            secl_min_distance_m=self.config.secl_min_distance_m,
        )


# The processor may return `valid_fraction`, which describes the tiles; the model does not use it.
_FORWARD_ARGUMENTS = names_of(GairModel.forward) | {"valid_fraction"}


def _location_model(config: GairLocationConfig, hidden_size: int) -> PreTrainedModel:
    """Creates the location encoder with the width of the RS tower."""
    if config.output_size not in (None, hidden_size):
        raise ValueError(
            f"GairLocationConfig.output_size is {config.output_size}, expected the RS tower's width, {hidden_size}; leave "
            "output_size out in the configuration of a GairModel."
        )
    # A copy: the configuration of the whole model gives the width once.
    config = copy.deepcopy(config)
    config.output_size = hidden_size
    return LOCATION_ENCODER_CLASSES[config.encoder](config)


def _pixel_query(config: GairConfig, num_channels: int, hidden_size: int) -> GairPixelQuery | None:
    if config.pixel_window == 0:
        return None
    return GairPixelQuery(
        num_channels,
        hidden_size,
        window=config.pixel_window,
        width=config.pixel_hidden_size,
        layers=config.pixel_layers,
        pooling=config.pixel_pooling,
        start=config.pixel_init,
    )


def _pooled_width(sv_model: PreTrainedModel) -> int:
    config: Any = sv_model.config
    if config.model_type == TIMM_MODEL_TYPE:
        timm_model: Any = sv_model.timm_model
        return timm_model.num_features
    return getattr(config, "pooler_output_size", None) or config.hidden_size


def _without_query_axis(embeds: torch.Tensor | None, ndim: int) -> torch.Tensor | None:
    """Returns embeddings of one point per row as (B, D), else None; `ndim` is 2 if they may lack the query axis."""
    if embeds is None or (embeds.ndim == 3 and embeds.shape[1] != 1) or embeds.ndim not in (ndim, 3):
        return None
    return embeds.squeeze(1) if embeds.ndim == 3 else embeds


def _cosines(rows: torch.Tensor | None, columns: torch.Tensor | None) -> torch.Tensor | None:
    return None if rows is None or columns is None else rows @ columns.T


def _check_pairs(rs_pixel_values, sv_pixel_values, coordinates, query_points, tile_index) -> None:
    """Checks that the inputs form B pairs, each of a street view, a location and one query point in a tile."""
    if any(value is None for value in (rs_pixel_values, sv_pixel_values, coordinates, query_points)):
        raise ValueError(
            "return_loss needs rs_pixel_values, sv_pixel_values, coordinates and query_points; pass all four."
        )
    batch = (rs_pixel_values if tile_index is None else tile_index).shape[0]
    shapes = tuple(sv_pixel_values.shape[:1]), tuple(coordinates.shape), tuple(query_points.shape)
    if shapes[0] != (batch,) or shapes[1] not in ((batch, 2), (batch, 1, 2)) or shapes[2] != (batch, 1, 2):
        raise ValueError(
            f"return_loss needs a photo, a location and a point for each of {batch} "
            f"{'tiles' if tile_index is None else 'rows of tile_index'}, but there are {shapes[0][0]} photos, coordinates "
            f"of shape {shapes[1]} and query_points of shape {shapes[2]}."
        )


__all__ = ["GairModel", "GairOutput", "gair_contrastive_loss", "info_nce"]
