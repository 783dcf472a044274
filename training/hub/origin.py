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
"""Where a model comes from, as far as its directory tells: its training run, its card, its licence."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from huggingface_hub import ModelCard

from modeling_gair import GairModel
from modeling_gair.convert_gair_checkpoint import PROVENANCE, weights_digest
from training.pretraining.monitoring import read_log
from training.world.settings import SAMPLE_WORLD

# The licence of the published weights, which the converter writes into its card.
PUBLISHED_LICENCE = "cc-by-nc-4.0"


@dataclass(frozen=True)
class Origin:
    """
    What a model's directory tells about its origin.

    Attributes:
        folder (`Path`): the directory.
        metrics (`dict`, *optional*): content of metrics.json, which training/pretrain.py writes.
        card ([`ModelCard`], *optional*): the present README.md, which may hold results of training/evaluate.py.
        pairs_per_second (`float`, *optional*): median over the log of the training run.
        converted (`dict`, *optional*): content of provenance.json, which the converter writes, if the weights are still those
            that it wrote.
    """

    folder: Path
    metrics: dict[str, Any] | None
    card: ModelCard | None
    pairs_per_second: float | None
    converted: dict[str, str] | None = None

    @classmethod
    def of(cls, folder: Path, model: GairModel) -> "Origin":
        """
        Reads a directory.

        Args:
            folder (`Path`): the directory.
            model ([`GairModel`]): the model in it.

        Raises:
            ValueError: metrics.json or provenance.json is not valid JSON.
        """
        card = folder / "README.md"
        rates = [line["pairs_per_s"] for line in read_log(folder) if "pairs_per_s" in line]
        provenance = _json(folder / PROVENANCE, "convert again")
        if provenance is not None and provenance.get("weights_sha256") != weights_digest(model):
            provenance = None
        return cls(
            folder,
            _json(folder / "metrics.json", "train again"),
            ModelCard.load(card) if card.is_file() else None,
            median(rates) if rates else None,
            provenance,
        )

    @property
    def training(self) -> dict[str, Any]:
        """Settings of the training run; empty if unknown."""
        return (self.metrics or {}).get("training", {})

    @property
    def licence(self) -> str | None:
        """The licence in the present card, by its name on the Hub."""
        return None if self.card is None else self.card.data.get("license")

    @property
    def from_scratch(self) -> bool:
        """Whether a training run is recorded that started from random weights."""
        return not any(self.training.get("initial_weights", {"unknown": True}).values())

    @property
    def on_sample_world(self) -> bool:
        """Whether the model was trained on the sample world alone."""
        return self.training.get("data") == [SAMPLE_WORLD]


def _json(path: Path, remedy: str) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except json.JSONDecodeError as error:
        raise ValueError(f"{str(path)!r} is not valid JSON ({error}); {remedy}, or delete it.") from error


def licence_of(origin: Origin, chosen: str | None, model: str) -> str:
    """
    The licence of the weights, by its name on the Hub.

    Args:
        origin ([`Origin`]): of the model.
        chosen (`str`, *optional*): the value of --license.
        model (`str`): the directory, for the error.

    Raises:
        ValueError: the licence is unknown, or differs from the one that the directory states.
    """
    if origin.licence is not None:
        if chosen not in (None, origin.licence):
            raise ValueError(
                f"--license is {chosen!r}, but {model!r} states that its weights are licensed under {origin.licence!r}; drop "
                "--license."
            )
        return origin.licence
    if chosen is not None:
        return chosen
    if origin.on_sample_world:
        return "apache-2.0"
    raise ValueError(
        f"The licence of the weights in {model!r} is unknown: neither its card nor its training data determine it; pass "
        "--license with a name from the Hub, such as cc-by-4.0."
    )
