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
"""Settings of the objectives, in a module without torch so that `--help` is quick."""

from dataclasses import dataclass, field
from typing import Any

from training.common.checks import check_whole, is_number
from training.pairs.settings import AugmentationSettings

_VIEWS = {"rs_flip": 0.5, "rs_jitter": 0.8, "rs_jitter_strength": 0.4}
_VIEWS |= {"sv_flip": 0.5, "sv_jitter": 0.8, "sv_jitter_strength": 0.4}


@dataclass
class GairSettings:
    """
    Settings of the objective `gair`. Its temperature and the minimum distances of negatives are those of the model's config.

    Attributes:
        temperature_learned (`bool`): Learn the temperature, starting from the config's.
        temperature_range (`list[float]`): Smallest and largest value of a learned temperature.
        incl_weight (`float`): Weight of INCL, the contrast of photos and tiles.
        secl_weight (`float`): Weight of SECL, the contrast of photos and tiles with their locations.
        queue_size (`int`): Number of earlier coordinates that SECL also uses as negatives; 0 for none.
        in_batch_places (`bool`): Use the locations of the batch's other photos as negatives of SECL. False with a queue (and
            minimum distances of 0) is the published loss.
        sv_teacher (`str`, *optional*): Frozen image model to distil photo embeddings from: a Hub id or a directory.
        rs_teacher (`str`, *optional*): Frozen RS teacher to distil tile embeddings from: a GAIR model (a Hub id or a directory),
            or `"initial"`, the RS tower before training.
        sv_distillation_weight (`float`): Weight of the distillation from `sv_teacher`.
        rs_distillation_weight (`float`): Weight of the distillation from `rs_teacher`.
        sv_teacher_projection (`str`, *optional*): `"linear"` compares a learned linear map of the photo embedding with the
            teacher's, whose width may then differ.
        rs_teacher_projection (`str`, *optional*): The same for the tile embedding.

    Raises:
        ValueError: A setting has the wrong type, is out of range, or has no effect.
    """

    temperature_learned: bool = False
    temperature_range: list[float] = field(default_factory=lambda: [0.01, 0.5])
    incl_weight: float = 0.5
    secl_weight: float = 0.5
    queue_size: int = 0
    in_batch_places: bool = True
    sv_teacher: str | None = None
    rs_teacher: str | None = None
    sv_distillation_weight: float = 0.2
    rs_distillation_weight: float = 0.2
    sv_teacher_projection: str | None = None
    rs_teacher_projection: str | None = None

    def __post_init__(self):
        for name in ("temperature_learned", "in_batch_places"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected true or false.")
        for name in ("incl_weight", "secl_weight", "sv_distillation_weight", "rs_distillation_weight"):
            if not is_number(getattr(self, name)) or getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a finite number of at least 0.")
        bounds = self.temperature_range
        if not isinstance(bounds, list) or len(bounds) != 2 or not all(map(is_number, bounds)):
            raise ValueError(f"temperature_range is {bounds!r}; expected two numbers, e.g. [0.01, 0.5].")
        if not 0 < bounds[0] < bounds[1]:
            raise ValueError(f"temperature_range is {bounds!r}; expected two numbers above 0, the smaller first.")
        check_whole("queue_size", self.queue_size, 0)
        if not self.in_batch_places and self.queue_size == 0:
            raise ValueError(
                "in_batch_places is false and queue_size is 0, which leaves SECL without negatives; set queue_size, e.g. to "
                "4096."
            )
        for tower in ("sv", "rs"):
            self._check_teacher(f"{tower}_teacher")

    def _check_teacher(self, name: str) -> None:
        teacher, projection = getattr(self, name), getattr(self, f"{name}_projection")
        if teacher is not None and (not isinstance(teacher, str) or not teacher):
            raise ValueError(f"{name} is {teacher!r}; expected a model id or a directory, or leave it out.")
        if projection not in (None, "linear"):
            raise ValueError(f"{name}_projection is {projection!r}; expected 'linear', or leave it out.")
        if projection is not None and teacher is None:
            raise ValueError(f"{name}_projection is {projection!r} without a teacher; set {name} or leave it out.")


@dataclass(kw_only=True)
class _TowerWeights:
    """
    Weights of objectives that train each tower by itself.

    Attributes:
        rs_weight (`float`): Weight of the loss of tiles, above 0.
        sv_weight (`float`): Weight of the loss of photos, above 0.
    """

    rs_weight: float = 1.0
    sv_weight: float = 1.0

    def __post_init__(self):
        for name in ("rs_weight", "sv_weight"):
            _check_positive(name, getattr(self, name))


@dataclass
class MaeSettings(_TowerWeights):
    """
    Settings of the objective `mae`; the defaults are the paper's, for towers of the published sizes.

    Attributes:
        rs_weight (`float`): Weight of the loss of tiles, above 0.
        sv_weight (`float`): Weight of the loss of photos, above 0.
        mask_ratio (`float`): Share of an image's patches that its tower does not see, between 0 and 1.
        decoder_size (`int`): Width of the decoders' tokens; a multiple of 4 and of `decoder_heads`.
        decoder_layers (`int`): Transformer blocks of each decoder.
        decoder_heads (`int`): Attention heads of each block.

    Raises:
        ValueError: A setting has the wrong type or is out of range.
    """

    mask_ratio: float = 0.75
    decoder_size: int = 512
    decoder_layers: int = 8
    decoder_heads: int = 16

    def __post_init__(self):
        super().__post_init__()
        if not is_number(self.mask_ratio) or not 0 < self.mask_ratio < 1:
            raise ValueError(f"mask_ratio is {self.mask_ratio!r}; expected a number between 0 and 1, e.g. 0.75.")
        for name in ("decoder_size", "decoder_layers", "decoder_heads"):
            check_whole(name, getattr(self, name), 1)
        if self.decoder_size % 4 or self.decoder_size % self.decoder_heads:
            raise ValueError(
                f"decoder_size is {self.decoder_size}; expected a multiple of 4 and of decoder_heads {self.decoder_heads}."
            )


@dataclass
class MocoV3Settings(_TowerWeights):
    """
    Settings of the objective `moco_v3`; the defaults are the paper's, except for views that suit ten bands: no blur, hue or
    solarisation.

    Attributes:
        rs_weight (`float`): Weight of the loss of tiles, above 0.
        sv_weight (`float`): Weight of the loss of photos, above 0.
        temperature (`float`): Temperature of the contrast, above 0.
        momentum (`float`): Share of its weights that the momentum encoder keeps at each step, 0 to below 1.
        projection_size (`int`): Width of the heads' outputs.
        projection_hidden_size (`int`): Width of the heads' hidden layers.
        crop_scale (`float`): Smallest side of a view's crop, as a share of the image's side; above 0, up to 1.
        views (`dict`): Further changes of a view: fields of `AugmentationSettings` other than `rs_crop_scale`.

    Raises:
        ValueError: A setting has the wrong type or is out of range.
    """

    temperature: float = 0.2
    momentum: float = 0.99
    projection_size: int = 256
    projection_hidden_size: int = 4096
    crop_scale: float = 0.3
    views: dict[str, Any] = field(default_factory=lambda: dict(_VIEWS))

    def __post_init__(self):
        super().__post_init__()
        _check_positive("temperature", self.temperature)
        if not is_number(self.momentum) or not 0 <= self.momentum < 1:
            raise ValueError(f"momentum is {self.momentum!r}; expected a number from 0 to below 1, e.g. 0.99.")
        if not is_number(self.crop_scale) or not 0 < self.crop_scale <= 1:
            raise ValueError(f"crop_scale is {self.crop_scale!r}; expected a number above 0, up to 1 for no crops.")
        for name in ("projection_size", "projection_hidden_size"):
            check_whole(name, getattr(self, name), 1)
        self.view_settings()

    def view_settings(self) -> AugmentationSettings:
        """Settings of the changes to a view other than the crop."""
        known = set(AugmentationSettings.__dataclass_fields__) - {"rs_crop_scale"}
        if not isinstance(self.views, dict) or not set(self.views) <= known:
            raise ValueError(f"views is {self.views!r}; expected a dict with keys among {', '.join(sorted(known))}.")
        return AugmentationSettings(**self.views)


# By the value of `objective.name` in a run's settings.
OBJECTIVE_SETTINGS: dict[str, type] = {"gair": GairSettings, "mae": MaeSettings, "moco_v3": MocoV3Settings}


def _check_positive(name: str, value: Any) -> None:
    if not is_number(value) or value <= 0:
        raise ValueError(f"{name} is {value!r}; expected a finite number greater than 0.")
