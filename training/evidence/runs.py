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
"""One training run of the comparison: an arm with a seed, its settings and its files."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.common.files import write_atomically
from training.evidence.arms import CONFIGS, TEACHERS, comparisons_of
from training.evidence.options import EvidenceOptions
from training.evidence.place_measures import TABLES
from training.pretraining.checkpointing import first_difference
from training.pretraining.settings import PretrainSettings, load_settings


@dataclass(frozen=True)
class TrainingRun:
    """
    An arm with a seed.

    Attributes:
        arm (`str`): name of a file in training/configs/evidence/.
        seed (`int`): of training.
        options ([`EvidenceOptions`]): of the comparison.
    """

    arm: str
    seed: int
    options: EvidenceOptions

    @property
    def folder(self) -> Path:
        """The output directory of training."""
        return self.options.output_dir / self.arm / f"seed{self.seed}"

    @property
    def note(self) -> Path:
        """A file beside the folder, with the settings of training and the tables that the run was measured on."""
        return self.folder.with_suffix(".json")

    @property
    def measures(self) -> Path:
        """The file with what was measured."""
        return self.folder / "evidence.json"

    @property
    def trained(self) -> bool:
        """Whether training is finished."""
        return (self.folder / "metrics.json").is_file()

    def command(self) -> list[str]:
        """The flags of training/pretrain.py."""
        flags = ["--config", str(CONFIGS / f"{self.arm}.yaml"), "--output_dir", str(self.folder.resolve())]
        flags += ["--seed", str(self.seed)]
        if self.arm in TEACHERS:
            teacher = TrainingRun(TEACHERS[self.arm], self.seed, self.options)
            flags += ["--objective.rs_teacher", str(teacher.folder.resolve())]
        return flags + [part for setting in self.options.set for part in ("--" + setting).split("=", 1)]

    def settings(self) -> PretrainSettings:
        """The settings of training."""
        return load_settings(self.command())

    def deciding_settings(self) -> dict[str, Any]:
        """The settings that decide what is learned, without the path of the teacher."""
        settings = json.loads(json.dumps(self.settings().run()))
        if self.arm in TEACHERS:
            del settings["objective"]["rs_teacher"]
        return settings

    def tables(self) -> dict[str, str]:
        """The tables of real values that the run is measured on: file name → SHA-256."""
        folder = self.options.tables
        if folder is None or not any(comparison.places for comparison in comparisons_of(self.arm)):
            return {}
        return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in TABLES}

    def check_settings(self) -> None:
        """
        Raises:
            ValueError: the run was started earlier with other settings.
        """
        before = read_json(self.note).get("settings")
        difference = before and first_difference(before, self.deciding_settings())
        if difference:
            key, then, now = difference
            raise ValueError(
                f"{str(self.folder)!r} was trained with {key} {then!r}, but {now!r} is requested; use the same settings, or "
                "choose another --output_dir."
            )


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON file; an empty dict if it does not exist."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON file atomically, creating its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content, indent=2).encode())
