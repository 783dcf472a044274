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
"""Settings of a run: one YAML file, overridden by flags of the same names; unknown keys are errors."""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml
from huggingface_hub.errors import StrictDataclassError
from transformers import PreTrainedConfig

from modeling_gair import GairConfig
from training.common.checks import check_keys, check_whole, is_number
from training.common.errors import first_line
from training.objectives.settings import OBJECTIVE_SETTINGS
from training.pairs.settings import AugmentationSettings
from training.world.settings import SAMPLE_WORLD, WorldSettings

DEFAULT_CONFIG = Path(__file__).parents[1] / "configs" / "pretrain.yaml"
MODEL_PRESETS: dict[str, Callable[[], GairConfig]] = {"tiny": GairConfig.tiny, "base": GairConfig}
RESUME = ("auto", "none")
# Given on the command line without a value, these are true.
BOOLEANS = ("allow_inexact_resume", "dry_run")
# What a run may change when it is resumed, as it does not touch what is trained. The loader's workers do, in the order of
# the data, so the checkpoints compare them on their own.
_MAY_CHANGE = {"output_dir", "resume", "dry_run", "report_to", "logging_steps", "retrieval_every", "retrieval_tiles"}
_MAY_CHANGE |= {"checkpoint_every", "keep_checkpoints", "allow_inexact_resume", "num_workers", "evaluation_tiles"}

_Settings = TypeVar("_Settings")


class _Loader(yaml.SafeLoader):
    """YAML 1.1, in which 1e-3 is a text, save that here it is the number everyone means by it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


@dataclass
class InitialWeights:
    """
    Where the towers' initial weights come from; random by default.

    Args:
        rs (`str`, *optional*): CROMA's published file (`CROMA_base.pt`), or a saved GAIR model or its RS tower, as a
            directory or a Hub id.
        sv (`str`, *optional*): a vision model of transformers or timm (`timm/…`), as a directory or a Hub id.

    Raises:
        ValueError: a value is not a non-empty string.
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


@dataclass
class PretrainSettings:
    """
    What a pre-training run needs to know; `training/configs/pretrain.yaml` says what each setting means.

    Raises:
        ValueError: a setting is of the wrong kind or out of range.
    """

    data: str | dict[str, float] = SAMPLE_WORLD
    sample_world: dict[str, Any] = field(default_factory=dict)
    output_dir: str = "outputs/pretrain"
    model: str | dict[str, Any] = "tiny"
    initial_weights: dict[str, Any] = field(default_factory=dict)
    objective: dict[str, Any] = field(default_factory=dict)
    augmentation: dict[str, Any] = field(default_factory=dict)
    max_steps: int = 700
    batch_size: int = 32
    batches_per_step: int = 1
    photos_per_tile: int = 4
    learning_rate: float = 2e-3
    nili_learning_rate_factor: float = 1.0
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
    resume: str = "auto"
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
        least = {"max_steps": 1, "batch_size": 1, "photos_per_tile": 1, "evaluation_tiles": 2, "warmup_steps": 0}
        least |= {"num_workers": 0, "logging_steps": 1, "seed": 0, "batches_per_step": 1, "checkpoint_every": 1}
        least |= {"keep_checkpoints": 1, "retrieval_every": 0, "retrieval_tiles": 2}
        for name, bound in least.items():
            check_whole(name, getattr(self, name), bound)
        for name in ("learning_rate", "nili_learning_rate_factor", "max_grad_norm"):
            if not is_number(getattr(self, name)) or getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a finite number greater than 0.")
        for name in ("weight_decay", "holdout_fraction", "max_bad_share"):
            if not is_number(getattr(self, name)) or not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected a number from 0 to below 1.")
        betas = self.betas
        if not isinstance(betas, list) or len(betas) != 2 or not all(is_number(b) and 0 <= b < 1 for b in betas):
            raise ValueError(f"betas is {betas!r}; expected two numbers from 0 to below 1, e.g. [0.9, 0.95].")
        if self.resume not in RESUME:
            raise ValueError(f"resume is {self.resume!r}; expected {' or '.join(RESUME)}.")
        for name in BOOLEANS:
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected true or false.")
        self.weights()
        self.world()
        self.towers()
        self.objective_settings()
        self.augmentation_settings()
        self.trackers()

    def weights(self) -> dict[str, float]:
        """The data sets to train on, each with its weight in the mixture."""
        weights = {self.data: 1.0} if isinstance(self.data, str) else self.data
        if not isinstance(weights, dict) or not weights or "" in weights:
            raise ValueError(
                f"data is {self.data!r}; expected a pairs CSV, a folder, a Hub id, or several with weights, e.g. "
                "{pairs.csv: 3, sample_world: 1}."
            )
        for name, weight in weights.items():
            if not isinstance(name, str) or not is_number(weight) or weight <= 0:
                raise ValueError(f"data gives {name!r} the weight {weight!r}; expected a finite number greater than 0.")
        return weights

    def world(self) -> WorldSettings:
        """The sample world to make where `data` names it."""
        return self._nested("sample_world", WorldSettings, "tiles: 256")

    def towers(self) -> InitialWeights:
        """Where the towers' initial weights come from."""
        return self._nested("initial_weights", InitialWeights, "rs: CROMA_base.pt")

    def objective_name(self) -> str:
        """Which of `OBJECTIVE_SETTINGS` is learned."""
        name = self.objective.get("name", "gair") if isinstance(self.objective, dict) else "gair"
        if not isinstance(name, str) or name not in OBJECTIVE_SETTINGS:
            raise ValueError(f"objective.name is {name!r}; expected one of {', '.join(OBJECTIVE_SETTINGS)}.")
        return name

    def objective_settings(self) -> Any:
        """Settings of what is learned; checked against the model when it is built."""
        return self._nested("objective", OBJECTIVE_SETTINGS[self.objective_name()], "queue_size: 1024", ("name",))

    def augmentation_settings(self) -> AugmentationSettings:
        """How tiles and photos are varied."""
        return self._nested("augmentation", AugmentationSettings, "rs_flip: 0.5")

    def trackers(self) -> list[str]:
        """Names of the trackers of Accelerate to log to."""
        names = [self.report_to] if isinstance(self.report_to, str) else self.report_to
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise ValueError(
                f"report_to is {self.report_to!r}; expected a tracker's name or a list, e.g. [tensorboard]."
            )
        return [name for name in names if name != "none"]

    def resolved(self) -> dict[str, Any]:
        """All settings as plain values, those inside others with their defaults filled in."""
        inner = {
            "initial_weights": asdict(self.towers()),
            "objective": {"name": self.objective_name(), **asdict(self.objective_settings())},
            "augmentation": asdict(self.augmentation_settings()),
            "sample_world": asdict(self.world()),
        }
        return asdict(self) | inner

    def run(self) -> dict[str, Any]:
        """The settings that decide what is trained: a run that is resumed must have the same."""
        return {name: value for name, value in self.resolved().items() if name not in _MAY_CHANGE}

    def _nested(self, name: str, kind: type[_Settings], example: str, apart: Sequence[str] = ()) -> _Settings:
        """Settings inside others, without the keys that stand `apart` from them."""
        values = getattr(self, name)
        if not isinstance(values, dict):
            raise ValueError(f"{name} is {values!r}; expected its settings, e.g. {{{example}}}.")
        check_keys(values, [*apart, *(setting.name for setting in fields(cast(Any, kind)))], name)
        return kind(**{key: value for key, value in values.items() if key not in apart})

    def gair_config(self) -> GairConfig:
        """
        The model's config: a preset (`tiny`, `base`), or a dict with a `preset` and the fields that differ from it.

        Raises:
            ValueError: an unknown preset or field, or sizes that do not fit one another.
        """
        overrides = dict(self.model) if isinstance(self.model, dict) else {"preset": self.model}
        preset = overrides.pop("preset", "base")
        if not isinstance(preset, str) or preset not in MODEL_PRESETS:
            raise ValueError(
                f"model is {preset!r}; expected one of {', '.join(MODEL_PRESETS)}, or fields of GairConfig."
            )
        base = MODEL_PRESETS[preset]()
        check_keys(overrides, base.to_dict(), "model")
        parts = {key: getattr(base, key) for key in base.sub_configs}
        try:
            config = GairConfig(**parts | {key: _merge(parts.get(key), value) for key, value in overrides.items()})
        except (StrictDataclassError, TypeError) as error:
            reason = str(error).splitlines()[-1].strip().removeprefix("ValueError: ").removeprefix("TypeError: ")
            raise ValueError(f"The settings under model do not fit: {reason}") from error
        for key in parts:
            if isinstance(overrides.get(key), dict):
                check_keys(overrides[key], type(getattr(config, key))().to_dict(), f"model.{key}")
        return config


def load_settings(arguments: Sequence[str]) -> PretrainSettings:
    """
    Settings from the command line: `--config FILE` (by default `configs/pretrain.yaml`), and `--key value` for each key;
    `--model.temperature 0.1` sets a key inside another.

    Raises:
        ValueError: an unknown key (the nearest one is named), a flag without its value, or an unreadable file.
    """
    flags = _flags(arguments)
    config = Path(flags.pop("config", DEFAULT_CONFIG))
    if not config.is_file():
        raise ValueError(f"There is no settings file {str(config)!r}; pass --config FILE.yaml.")
    values = _parse(config.read_text(encoding="utf-8"), f"{str(config)!r}") or {}
    if not isinstance(values, dict):
        raise ValueError(f"{str(config)!r} holds no settings; expected lines of `key: value`.")
    known = [setting.name for setting in fields(PretrainSettings)]
    check_keys(values, known, f"{str(config)!r}")
    check_keys((key.split(".")[0] for key in flags), known, "The command line")
    for key, text in flags.items():
        # Paths are taken as they stand: YAML would read a number or a comment into some of them.
        as_it_stands = key == "output_dir" or (key == "data" and not text.startswith("{"))
        _set(values, key, text if as_it_stands else _parse(text, f"--{key}"))
    return PretrainSettings(**values)


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    """`--key value` or `--key=value`, values as they stand."""
    flags: dict[str, str] = {}
    waiting = list(arguments)
    while waiting:
        flag = waiting.pop(0)
        if not flag.startswith("--"):
            raise ValueError(f"{flag!r} is no flag; settings are given as --key value.")
        key, equals, value = flag[2:].partition("=")
        if not equals:
            if waiting and not waiting[0].startswith("--"):
                value = waiting.pop(0)
            elif key in BOOLEANS:
                value = "true"
            else:
                raise ValueError(f"--{key} has no value; settings are given as --key value.")
        if key in flags:
            raise ValueError(f"--{key} was given twice; give it once.")
        flags[key] = value
    return flags


def _parse(text: str, owner: str) -> Any:
    try:
        # A subclass of the safe loader: plain values only, no objects.
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise ValueError(f"{owner} is no valid YAML: {first_line(error)}.") from error


def _set(values: dict[str, Any], key: str, value: Any) -> None:
    """Sets a dotted key; the first step into a model given by its preset's name opens that preset."""
    *path, last = key.split(".")
    for depth, part in enumerate(path):
        inner = values.setdefault(part, {})
        if part == "model" and depth == 0 and isinstance(inner, str):
            inner = {"preset": inner}
        if not isinstance(inner, dict):
            raise ValueError(f"--{key} reaches into {part}, which is {inner!r} and holds no keys; set --{part} itself.")
        # Copied, so that a flag never changes what it was read from.
        values[part] = dict(inner)
        values = values[part]
    values[last] = value


def _merge(base: Any, value: Any) -> Any:
    """A part of the model's config with some of its fields set otherwise; a part of another type stands on its own."""
    if not isinstance(base, PreTrainedConfig) or not isinstance(value, dict):
        return value
    return {**base.to_diff_dict(), **value} if value.get("model_type", base.model_type) == base.model_type else value
