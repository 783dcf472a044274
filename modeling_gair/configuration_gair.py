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
"""Configuration of GAIR: the remote-sensing (RS) tower, the street-view (SV) tower and the location encoder."""

import math
from functools import wraps
from typing import Any, TypeVar

from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from .keywords_gair import refuse_misspelt

# Values of `model_type` that say which tower a config describes.
GAIR_RS_MODEL_TYPE = "gair_rs"
TIMM_MODEL_TYPE = "timm_wrapper"
# How a tile's features are read at a point.
QUERY_MODES = ("nili", "bilinear", "bicubic", "mean")
# How maps of pixels are initialised.
PIXEL_STARTS = ("normal", "standard_score")
# Location encoders and the classes that implement them.
LOCATION_ENCODERS = {
    "equal_earth_rff": "GairLocationEncoder",
    "spherical_harmonics": "GairSphericalHarmonicsEncoder",
}


_Config = TypeVar("_Config", bound=type[PreTrainedConfig])


def _checked(cls: _Config) -> _Config:
    """Checks a config's types and validators as `strict` does, but raises a `ValueError` in one sentence instead of two lines."""
    made: Any = strict(cls)
    assign, validate = made.__setattr__, made.validate

    def __setattr__(self: Any, name: str, value: Any) -> None:
        try:
            assign(self, name, value)
        except StrictDataclassError as error:
            kind = made.__dataclass_fields__[name].type
            raise ValueError(
                f"{made.__name__}.{name} is {value!r:.80}, expected {getattr(kind, '__name__', kind)}; pass that."
            ) from error

    @wraps(validate)
    def in_one_sentence(self: Any) -> None:
        try:
            validate(self)
        except StrictDataclassError as error:
            raise ValueError(str(error.__cause__)) from error

    made.__setattr__, made.validate = __setattr__, in_one_sentence
    return made


def _require_positive(owner: str, **values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{owner}.{name} is {value}; it must be greater than 0.")


def _require_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(map(repr, choices))}.")


@_checked
class GairRSConfig(PreTrainedConfig):
    r"""
    The remote-sensing (RS) tower: a vision transformer over Sentinel-2 tiles with 2D-ALiBi instead of position
    embeddings. The defaults are the published sizes (optical CROMA-base).

    Args:
        hidden_size (`int`, defaults to 768):
            Width D of the tokens, and of all embeddings of a GAIR model with this tower.
        num_hidden_layers (`int`, defaults to 12):
            Number of transformer blocks.
        num_attention_heads (`int`, defaults to 16):
            Heads per block; must divide `hidden_size`.
        intermediate_size (`int`, defaults to 3072):
            Width of the MLP's hidden layer.
        num_channels (`int`, defaults to 10):
            Bands of a tile (B02 B03 B04 B05 B06 B07 B08 B8A B11 B12).
        image_size (`int`, defaults to 96):
            Side in pixels to which the processor resizes tiles. The tower itself accepts any square tile whose side is a
            multiple of `patch_size`.
        patch_size (`int`, defaults to 8):
            Side of a patch in pixels.
        hidden_act (`str`, defaults to `"gelu"`):
            Activation of the MLP (`"gelu"` is the exact GELU).
        attention_dropout (`float`, defaults to 0.0):
            Dropout probability of the attention weights during training.
        layer_norm_eps (`float`, defaults to 1e-5):
            Epsilon of the layer norms.
        initializer_range (`float`, defaults to 0.02):
            Standard deviation of initial weights.
        pixel_init (`str`, defaults to `"normal"`):
            Initialisation of the patch projection: `"normal"`, or `"standard_score"`, which makes it start as a map of the
            pixels' standard scores with unit variance. No effect on loaded weights.
    """

    model_type = GAIR_RS_MODEL_TYPE
    base_config_key = "rs_config"

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 16
    intermediate_size: int = 3072
    num_channels: int = 10
    image_size: int = 96
    patch_size: int = 8
    hidden_act: str = "gelu"
    attention_dropout: float | int = 0.0
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02
    pixel_init: str = "normal"

    def __post_init__(self, **kwargs):
        refuse_misspelt(kwargs, GairRSConfig.__annotations__, "GairRSConfig")
        super().__post_init__(**kwargs)

    def validate_architecture(self):
        """Checks that the sizes are consistent."""
        _require_positive(
            "GairRSConfig",
            hidden_size=self.hidden_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            intermediate_size=self.intermediate_size,
            num_channels=self.num_channels,
            image_size=self.image_size,
            patch_size=self.patch_size,
        )
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"GairRSConfig.hidden_size is {self.hidden_size}, which is not divisible by "
                f"{self.num_attention_heads} attention heads; choose a multiple of num_attention_heads."
            )
        if self.image_size % self.patch_size:
            raise ValueError(
                f"GairRSConfig.image_size is {self.image_size}, which is not a multiple of patch_size {self.patch_size}; "
                "change either."
            )
        _require_choice("GairRSConfig.pixel_init", self.pixel_init, PIXEL_STARTS)
        if not 0 <= self.attention_dropout < 1:
            raise ValueError(
                f"GairRSConfig.attention_dropout is {self.attention_dropout}; expected a probability, 0 <= p < 1."
            )


@_checked
class GairLocationConfig(PreTrainedConfig):
    r"""
    The location encoder. The defaults are the published values. In a [`GairModel`] its output width is that of the RS tower.
    Fields that only the other encoder uses are kept and have no effect.

    Args:
        encoder (`str`, defaults to `"equal_earth_rff"`):
            `"equal_earth_rff"`, as published: the Equal Earth projection, random Fourier features (RFF) at several
            scales, and one ReLU MLP per scale; it is discontinuous at ±180° and at the poles. Or
            `"spherical_harmonics"`: spherical harmonics and one sine MLP (SIREN), continuous everywhere.
        scales (`list[float]`, defaults to `[1, 16, 256]`):
            For `equal_earth_rff`: standard deviations σ of the Gaussian frequencies, one capsule per scale. Small scales give
            smooth embeddings; with few training locations, `[0.25, 1]` generalises better than the published scales.
        num_frequencies (`int`, defaults to 256):
            For `equal_earth_rff`: frequencies per capsule; each gives a cosine and a sine.
        degree (`int`, defaults to 10):
            For `spherical_harmonics`: the highest degree (inclusive), which gives `(degree + 1) ** 2` harmonics with
            wavelengths down to about `360 / degree` degrees. SatCLIP's `L` is the number of degrees: its L = 10 is degree
            9 here.
        hidden_size (`int`, defaults to 1024):
            Width of the hidden layers (of each capsule).
        num_hidden_layers (`int`, defaults to 3):
            Number of hidden layers (of each capsule) before the final linear layer.
        output_size (`int`, *optional*):
            Width D of the embeddings. Required for a standalone encoder; omit it within a [`GairModel`], which uses the
            width of the RS tower.
    """

    model_type = "gair_location"
    base_config_key = "location_config"

    encoder: str = "equal_earth_rff"
    scales: list[float | int] | tuple[float | int, ...] = (1.0, 16.0, 256.0)
    num_frequencies: int = 256
    degree: int = 10
    hidden_size: int = 1024
    num_hidden_layers: int = 3
    output_size: int | None = None

    def __post_init__(self, **kwargs):
        refuse_misspelt(kwargs, GairLocationConfig.__annotations__, "GairLocationConfig")
        super().__post_init__(**kwargs)
        if not self.architectures:
            # `AutoModel.from_config` selects the class by this name.
            self.architectures = [LOCATION_ENCODERS[self.encoder]] if self.encoder in LOCATION_ENCODERS else None

    def validate_architecture(self):
        """Checks that the encoder exists and that the sizes and scales are positive."""
        if self.encoder not in LOCATION_ENCODERS:
            raise ValueError(
                f"GairLocationConfig.encoder is {self.encoder!r}; expected {' or '.join(map(repr, LOCATION_ENCODERS))}."
            )
        _require_positive(
            "GairLocationConfig",
            num_frequencies=self.num_frequencies,
            degree=self.degree,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.num_hidden_layers,
        )
        if not self.scales or min(self.scales) <= 0:
            raise ValueError(
                f"GairLocationConfig.scales is {list(self.scales)}; expected at least one scale, all greater than 0."
            )


@_checked
class GairConfig(PreTrainedConfig):
    r"""
    Configuration of a [`GairModel`]. The defaults are those of the published model. To train a model, start from
    [`GairConfig.base`], of the same sizes, or [`GairConfig.tiny`], which trains on two CPU cores.

    Args:
        rs_config (`GairRSConfig`, `TimmWrapperConfig` or `dict`, *optional*):
            The RS tower. For GAIR's own tower, a dict needs no `model_type`; `{"model_type": "timm_wrapper",
            "architecture": ..., "model_args": {"in_chans": 10, "img_size": 96, "patch_size": 8}}` selects a tower from timm.
        sv_config (`PreTrainedConfig` or `dict`, *optional*):
            The street-view (SV) tower, any vision config of transformers whose model returns a `pooler_output`; a
            dict without `model_type` describes a ViT. Defaults to ViT-B/16.
        location_config (`GairLocationConfig` or `dict`, *optional*):
            The location encoder.
        nili_init (`str`, defaults to `"center_token"`):
            Initialisation of NILI: `"center_token"` (the identity on the centre of the 3x3 neighbourhood, which makes
            untrained NILI equal to bilinear interpolation) or `"normal"` (random).
        query_mode (`str`, defaults to `"nili"`):
            What reads the tokens of a tile at a point: `"nili"`, `"bilinear"`, `"bicubic"` or `"mean"` (their mean, at every
            point). NILI is trained only in mode `"nili"`.
        pixel_window (`int`, defaults to 0):
            Side K of the window of pixels about a point, whose features are added to what the tokens say; odd. 0, as
            published, adds nothing.
        pixel_hidden_size (`int`, defaults to 128):
            Width of the hidden layer between the window and the embedding.
        pixel_layers (`int`, defaults to 1):
            Number of layers with a window each; with 2 or more they form a stem of convolutions, which is evaluated for all
            pixels of a tile even if few points are read.
        pixel_pooling (`int`, defaults to 1):
            Side in pixels of blocks that are averaged before windows are read; must divide the tile's side.
        pixel_init (`str`, defaults to `"standard_score"`):
            Initialisation of the map of the window: `"standard_score"` or `"normal"`, as in [`GairRSConfig`].
        temperature (`float`, defaults to 0.07):
            Temperature τ of the contrastive loss.
        incl_min_distance_m (`float`, defaults to 150.0):
            In INCL, two photos closer than this distance in metres are not negatives of each other; with 0, every other
            photo is a negative, as published.
        secl_min_distance_m (`float`, defaults to 1000.0):
            In SECL, locations closer than this distance in metres to a pair's own are not its negatives; 0 as published.
        initializer_range (`float`, defaults to 0.02):
            Standard deviation of initial weights outside the towers.
        similarity_ranges (`dict`, *optional*):
            Typical cosine similarities between this model's embeddings, which make similarity maps comparable; the model
            itself does not use them. `percentiles` lists percentages, `measured_on` describes the pairs, and `pairs` maps
            `sv_localized`, `sv_location` … (two modalities, as in the `similarity_…` outputs) to `matched` and `others`:
            the cosines of matching and of other pairs at these percentiles.

    Example:

    ```python
    >>> from modeling_gair import GairConfig, GairModel

    >>> model = GairModel(GairConfig.tiny())
    ```
    """

    model_type = "gair"
    # The towers may come from other families, selected by their `model_type`; see `__post_init__`.
    sub_configs = {"rs_config": AutoConfig, "sv_config": AutoConfig, "location_config": GairLocationConfig}

    # A config, a dict or None; `__post_init__` turns them into configs.
    rs_config: Any = None
    sv_config: Any = None
    location_config: Any = None
    nili_init: str = "center_token"
    query_mode: str = "nili"
    pixel_window: int = 0
    pixel_hidden_size: int = 128
    pixel_layers: int = 1
    pixel_pooling: int = 1
    pixel_init: str = "standard_score"
    temperature: float | int = 0.07
    incl_min_distance_m: float | int = 150.0
    secl_min_distance_m: float | int = 1000.0
    initializer_range: float = 0.02
    similarity_ranges: Any = None

    def __post_init__(self, **kwargs):
        refuse_misspelt(kwargs, GairConfig.__annotations__, "GairConfig")
        self.rs_config = _as_config(self.rs_config, GAIR_RS_MODEL_TYPE)
        self.sv_config = _as_config(self.sv_config, "vit")
        self.location_config = _as_config(self.location_config, GairLocationConfig.model_type)
        super().__post_init__(**kwargs)

    def validate_architecture(self):
        """Checks the settings of the whole model; the towers' configs check their own."""
        if self.rs_config.model_type not in (GAIR_RS_MODEL_TYPE, TIMM_MODEL_TYPE):
            raise ValueError(
                f"GairConfig.rs_config is of type {self.rs_config.model_type!r}; expected {GAIR_RS_MODEL_TYPE!r} or "
                f"{TIMM_MODEL_TYPE!r}."
            )
        if self.location_config.model_type != GairLocationConfig.model_type:
            raise ValueError(
                f"GairConfig.location_config is of type {self.location_config.model_type!r}; expected "
                f"{GairLocationConfig.model_type!r}."
            )
        _require_choice("GairConfig.nili_init", self.nili_init, ("center_token", "normal"))
        _require_choice("GairConfig.query_mode", self.query_mode, QUERY_MODES)
        _require_choice("GairConfig.pixel_init", self.pixel_init, PIXEL_STARTS)
        if self.pixel_window != 0 and (self.pixel_window < 0 or self.pixel_window % 2 == 0):
            raise ValueError(
                f"GairConfig.pixel_window is {self.pixel_window}; expected 0 (no pixels), or an odd number of pixels."
            )
        _require_positive(
            "GairConfig",
            temperature=self.temperature,
            pixel_hidden_size=self.pixel_hidden_size,
            pixel_layers=self.pixel_layers,
            pixel_pooling=self.pixel_pooling,
        )
        for name in ("incl_min_distance_m", "secl_min_distance_m"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"GairConfig.{name} is {getattr(self, name)}; expected 0 metres or more.")

    @classmethod
    def base(cls, **overrides: Any) -> "GairConfig":
        """
        Returns the preset for training a model of the published sizes: with a pixel query of 5 × 5 pixels, and with maps of
        pixels that start as standard scores, neither of which the published model has.

        Args:
            overrides: fields of [`GairConfig`] that replace the preset's, e.g. `pixel_window=0`.
        """
        preset: dict[str, Any] = {"rs_config": {"pixel_init": "standard_score"}, "pixel_window": 5}
        return cls(**{**preset, **overrides})

    @classmethod
    def tiny(cls, **overrides: Any) -> "GairConfig":
        """
        Returns a preset with about one million parameters that trains on two CPU cores: D = 96, two blocks with four heads
        in each tower, tiles of 96 pixels with patches of 8, photos of 64 pixels with patches of 16, location scales for few
        training locations, and otherwise as [`~GairConfig.base`].

        Args:
            overrides: fields of [`GairConfig`] that replace the preset's, e.g. `nili_init="normal"`.
        """
        tower = {"hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 384}
        preset: dict[str, Any] = {
            "rs_config": {**tower, "image_size": 96, "patch_size": 8, "pixel_init": "standard_score"},
            "sv_config": {**tower, "image_size": 64, "patch_size": 16},
            "location_config": {"scales": [0.25, 1.0], "num_frequencies": 64, "hidden_size": 256},
            "pixel_window": 5,
        }
        return cls(**{**preset, **overrides})


# GAIR's own sub-configs by name, which are not registered with the Auto classes when this file is remote code.
_OWN_CONFIGS = {GAIR_RS_MODEL_TYPE: GairRSConfig, GairLocationConfig.model_type: GairLocationConfig}


def _as_config(value: dict[str, Any] | PreTrainedConfig | None, default_type: str) -> PreTrainedConfig:
    """Turns a dict (as read from JSON, or written by a user) into the config of its `model_type`."""
    if isinstance(value, PreTrainedConfig):
        return value
    if not isinstance(value or {}, dict):
        raise ValueError(
            f"The config of a tower is {value!r:.80}, expected a config or a dict of its settings; pass one."
        )
    fields = dict(value or {})
    model_type = fields.pop("model_type", default_type)
    if model_type in _OWN_CONFIGS:
        return _OWN_CONFIGS[model_type](**fields)
    if model_type not in CONFIG_MAPPING:
        raise ValueError(f"{model_type!r} is not a model type of the installed transformers; check the spelling.")
    try:
        return CONFIG_MAPPING[model_type](**fields)
    except StrictDataclassError as error:
        reason = " ".join(str(error.__cause__).split()).rstrip(".")
        raise ValueError(f"The config of type {model_type!r} is refused, expected other values: {reason}.") from error


__all__ = ["GairConfig", "GairLocationConfig", "GairRSConfig"]
