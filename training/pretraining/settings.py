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
"""Settings of a pre-training run: command line, YAML and checks. Imports neither torch nor the model, so `--help` is quick."""

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from training.common.checks import check_keys, check_whole, is_number
from training.common.command_line import parse_options
from training.objectives.settings import OBJECTIVE_SETTINGS
from training.pairs.settings import AugmentationSettings
from training.world.settings import SAMPLE_WORLD, WorldSettings

MODEL_PRESETS = ("tiny", "base")
# What may differ when a run is resumed, because it does not affect what is trained. The number of workers affects the order
# of the data; the checkpoints compare it separately.
_MAY_CHANGE = {"output_dir", "resume", "dry_run", "report_to", "logging_steps", "retrieval_every", "retrieval_tiles"}
_MAY_CHANGE |= {"checkpoint_every", "keep_checkpoints", "allow_inexact_resume", "num_workers", "evaluation_tiles"}
_LEAST = {"max_steps": 1, "batch_size": 1, "photos_per_tile": 1, "evaluation_tiles": 2, "warmup_steps": 0}
_LEAST |= {"num_workers": 0, "logging_steps": 1, "seed": 0, "batches_per_step": 1, "checkpoint_every": 1}
_LEAST |= {"keep_checkpoints": 1, "retrieval_every": 0, "retrieval_tiles": 2}
_POSITIVE = ("learning_rate", "nili_learning_rate_factor", "max_grad_norm")
# NILI's affine map has nine inputs for each input of a map of one token.
NILI_LEARNING_RATE_FACTOR = 0.111
_SHARES = ("weight_decay", "holdout_fraction", "max_bad_share")


@dataclass
class InitialWeights:
    """
    Where the towers' initial weights come from; random by default.

    Attributes:
        rs (`str`, *optional*): CROMA's published file (`CROMA_base.pt`), or a saved GAIR model or its RS tower, as a
            directory or a Hub id.
        sv (`str`, *optional*): A vision model of transformers or timm (`timm/…`), as a directory or a Hub id, with the type
            and sizes of `model.sv_config`.

    Raises:
        ValueError: A value is not a non-empty string.
    """

    rs: str | None = None
    sv: str | None = None

    def __post_init__(self):
        for name in ("rs", "sv"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value):
                raise ValueError(
                    f"initial_weights.{name} is {value!r}; expected a file, a directory or a Hub id, or leave it out."
                )


# The only place that states the defaults of a run; `--print_config` writes them as YAML.
@dataclass
class PretrainSettings:
    """
    Settings of a pre-training run.

    Attributes:
        data (`str` or `dict[str, float]`): A pairs CSV (columns id, rs, sv, lon, lat; paths relative to the file), a folder
            of parquet files, or a data set on the Hub; or several with weights, e.g. `{pairs.csv: 3, sample_world: 1}`.
            `sample_world` is made on its first use and cached.
        sample_world (`WorldSettings`): The sample world to make, where `data` names it.
        output_dir (`str`): Directory of checkpoints, logs and the finished model.
        model (`str` or `dict`): Preset `tiny` or `base` (the published sizes), or a dictionary with the `preset` (default
            `base`) and the fields of GairConfig that differ, e.g. `{preset: tiny, rs_config: {num_hidden_layers: 4}}`.
        initial_weights (`InitialWeights`): Weights that the towers start from.
        objective (`dict`): `name` (`gair`, the default, `mae` or `moco_v3`) and settings of that objective in
            training/objectives/settings.py, e.g. `{queue_size: 4096}` or `{name: mae, mask_ratio: 0.75}`.
        augmentation (`AugmentationSettings`): How tiles and photos are augmented.
        max_steps (`int`): Optimizer steps of the whole run.
        batch_size (`int`): Tiles in a batch, per process, no tile twice; reduced for smaller data sets.
        batches_per_step (`int`): Batches of one step. The loss spans all of them, in the memory of one (gradient caching).
        photos_per_tile (`int`): Photos drawn from each tile of a batch, at most; they share the tile's encoding.
        learning_rate (`float`): Peak learning rate, after a linear warm-up; it falls to 0 along a cosine.
        nili_learning_rate_factor (`float`): Factor on the learning rate of NILI's affine map alone, which has 9 times the
            inputs of one token: with 0.111 it moves as far as a map of one token; 1 is the published training.
        warmup_steps (`int`): Steps of the warm-up.
        weight_decay (`float`): Of AdamW, on the weights of linear maps and convolutions; 0 to below 1.
        betas (`list[float]`): Both betas of AdamW.
        max_grad_norm (`float`): Largest norm of the gradient; a longer gradient is scaled down to it.
        holdout_fraction (`float`): Share of the tiles to hold out, in blocks, where the data have no split for it; with fewer
            than 20 tiles, all are trained on. 0 to below 1.
        evaluation_tiles (`int`): Held-out tiles to evaluate on at the end, at most, per data set.
        max_bad_share (`float`): Share of bad tiles and photos at which the run stops; 0 to below 1.
        num_workers (`int`): Processes that decode data, per training process; 0 decodes between the steps.
        checkpoint_every (`int`): Steps between checkpoints.
        keep_checkpoints (`int`): How many of the newest checkpoints to keep.
        resume (`str`): `auto` resumes from the newest checkpoint in `output_dir`; `none` starts over and keeps the old
            directory under another name.
        allow_inexact_resume (`bool`): Also resume with another number of processes or workers, which changes the order of
            the data.
        report_to (`str` or `list[str]`): `tensorboard`, or any tracker of Accelerate, or several, or `none`.
        logging_steps (`int`): Steps between reports.
        retrieval_every (`int`): Steps between measurements of retrieval on held-out pairs; 0 measures at the end only.
        retrieval_tiles (`int`): Held-out tiles of these measurements, per data set.
        seed (`int`): Of the initial weights, the order of the data and the augmentation.
        dry_run (`bool`): Print the settings, the number of parameters, FLOPs, memory and time, and stop.

    Raises:
        ValueError: A setting has the wrong type or is out of range.
    """

    data: str | dict[str, float] = SAMPLE_WORLD
    sample_world: WorldSettings = field(default_factory=WorldSettings)
    output_dir: str = "outputs/pretrain"
    model: str | dict[str, Any] = "tiny"
    initial_weights: InitialWeights = field(default_factory=InitialWeights)
    objective: dict[str, Any] = field(default_factory=dict)
    augmentation: AugmentationSettings = field(default_factory=AugmentationSettings)
    max_steps: int = 700
    batch_size: int = 32
    batches_per_step: int = 1
    photos_per_tile: int = 4
    learning_rate: float = 2e-3
    nili_learning_rate_factor: float = NILI_LEARNING_RATE_FACTOR
    warmup_steps: int = 30
    weight_decay: float = 0.05
    betas: list[float] = field(default_factory=lambda: [0.9, 0.95])
    max_grad_norm: float = 1.0
    holdout_fraction: float = 0.1
    evaluation_tiles: int = 256
    max_bad_share: float = 0.05
    num_workers: int = 2
    checkpoint_every: int = 100
    keep_checkpoints: int = 2
    resume: Literal["auto", "none"] = "auto"
    allow_inexact_resume: bool = False
    report_to: str | list[str] = "tensorboard"
    logging_steps: int = 10
    retrieval_every: int = 200
    retrieval_tiles: int = 64
    seed: int = 0
    dry_run: bool = False

    def __post_init__(self):
        if not isinstance(self.output_dir, str) or not self.output_dir:
            raise ValueError(f"output_dir is {self.output_dir!r}; expected a path: pass --output_dir PATH.")
        self.output_dir = os.path.expanduser(self.output_dir)
        for name, least in _LEAST.items():
            check_whole(name, getattr(self, name), least)
        for name in _POSITIVE:
            if not is_number(getattr(self, name)) or getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a finite number greater than 0.")
        for name in _SHARES:
            if not is_number(getattr(self, name)) or not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a number from 0 to below 1.")
        betas = self.betas
        if not isinstance(betas, list) or len(betas) != 2 or not all(is_number(b) and 0 <= b < 1 for b in betas):
            raise ValueError(f"betas is {betas!r}; expected two numbers from 0 to below 1, e.g. [0.9, 0.95].")
        self.weights()
        self.objective_settings()
        self.trackers()

    def weights(self) -> dict[str, float]:
        """The data sets to train on, each with its weight in the mixture."""
        weights = {self.data: 1.0} if isinstance(self.data, str) else self.data
        # A mixture that cannot be read as one arrives as text.
        unread = isinstance(self.data, str) and self.data.startswith("{")
        if not weights or "" in weights or unread:
            raise ValueError(
                f"data is {self.data!r}; expected a pairs CSV, a folder, a Hub id, or several with weights, e.g. "
                "{pairs.csv: 3, sample_world: 1}."
            )
        for name, weight in weights.items():
            if not isinstance(name, str) or not is_number(weight) or weight <= 0:
                raise ValueError(f"data gives {name!r} the weight {weight!r}; expected a finite number greater than 0.")
        return weights

    def objective_name(self) -> str:
        """The name of the objective, a key of `OBJECTIVE_SETTINGS`."""
        name = self.objective.get("name", "gair")
        if not isinstance(name, str) or name not in OBJECTIVE_SETTINGS:
            raise ValueError(f"objective.name is {name!r}; expected one of {', '.join(OBJECTIVE_SETTINGS)}.")
        return name

    def objective_settings(self) -> Any:
        """The settings of the objective. Whether they fit the model is checked when the objective is made."""
        kind: Any = OBJECTIVE_SETTINGS[self.objective_name()]
        check_keys(self.objective, ["name", *(setting.name for setting in fields(kind))], "objective")
        return kind(**{key: value for key, value in self.objective.items() if key != "name"})

    def trackers(self) -> list[str]:
        """Names of the trackers of Accelerate to log to."""
        names = [self.report_to] if isinstance(self.report_to, str) else self.report_to
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise ValueError(
                f"report_to is {self.report_to!r}; expected a tracker's name or a list, e.g. [tensorboard]."
            )
        return [name for name in names if name != "none"]

    def resolved(self) -> dict[str, Any]:
        """All settings as plain values, with the defaults of the objective filled in."""
        objective = {"name": self.objective_name(), **asdict(self.objective_settings())}
        return asdict(self) | {"objective": objective}

    def run(self) -> dict[str, Any]:
        """The settings that decide what is trained: they must be the same when a run is resumed."""
        return {name: value for name, value in self.resolved().items() if name not in _MAY_CHANGE}

    def gair_config(self) -> Any:
        """
        The model's config: a preset, or a `preset` and the fields that differ from it.

        Returns:
            [`~modeling_gair.GairConfig`].

        Raises:
            ValueError: an unknown preset or field, or sizes that do not fit together.
        """
        overrides = dict(self.model) if isinstance(self.model, dict) else {"preset": self.model}
        preset = overrides.pop("preset", "base")
        if not isinstance(preset, str) or preset not in MODEL_PRESETS:
            raise ValueError(
                f"model is {preset!r}; expected one of {', '.join(MODEL_PRESETS)}, or fields of GairConfig."
            )
        return _gair_config(preset, overrides)


def load_settings(arguments: Sequence[str]) -> PretrainSettings:
    """
    Reads the settings of a run from the command line: `--config FILE` for a YAML file, and `--key value` for each key; dots
    reach inside, as in `--model.temperature 0.1`.

    Raises:
        ValueError: an unknown key (the nearest known one is named), a wrong value, or an unreadable file.
    """
    return parse_options(
        PretrainSettings,
        arguments,
        program="training/pretrain.py",
        description=(
            "Pre-trains GAIR on Sentinel-2 tiles and the street views taken in them; without options, the tiny preset on the "
            "sample world. Run the same command again to resume. On several GPUs: accelerate launch --config_file "
            "training/configs/accelerate/ddp.yaml training/pretrain.py ..."
        ),
        presets={"model": "preset"},
    )


def _gair_config(preset: str, overrides: dict[str, Any]) -> Any:
    # Imported here, because parsing the settings must not import torch.
    from modeling_gair import GairConfig

    make: Callable[..., Any] = GairConfig.tiny if preset == "tiny" else GairConfig.base
    base = make()
    check_keys(overrides, base.to_dict(), "model")
    parts = {key: getattr(base, key) for key in base.sub_configs}
    try:
        config = make(**{key: _merge(parts.get(key), value) for key, value in overrides.items()})
    except (ValueError, TypeError) as error:
        raise ValueError(f"The settings under model do not fit together: {error}") from error
    for key in parts:
        if isinstance(overrides.get(key), dict):
            check_keys(overrides[key], type(getattr(config, key))().to_dict(), f"model.{key}")
    return config


def _merge(base: Any, value: Any) -> Any:
    """A part of the model's config with some fields replaced; a part of another model type starts from its own defaults."""
    if base is None or not isinstance(value, dict):
        return value
    return {**base.to_diff_dict(), **value} if value.get("model_type", base.model_type) == base.model_type else value
