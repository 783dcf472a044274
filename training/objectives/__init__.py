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
"""What is learned: one objective a class, all with the interface of [`Objective`]."""

from typing import Any, NamedTuple

from modeling_gair import GairModel, GairProcessor
from training.objectives.base import Objective, PretrainingModule
from training.objectives.gair import GairObjective, GairSettings
from training.objectives.mae import MaeObjective, MaeSettings
from training.objectives.moco_v3 import MocoV3Objective, MocoV3Settings


class _Kind(NamedTuple):
    settings: type
    objective: Any


# By the name that a run's settings give under `objective`.
OBJECTIVES = {
    "gair": _Kind(GairSettings, GairObjective),
    "mae": _Kind(MaeSettings, MaeObjective),
    "moco_v3": _Kind(MocoV3Settings, MocoV3Objective),
}


def make_objective(model: GairModel, processor: GairProcessor, settings: Any) -> Objective:
    """
    The objective that its settings belong to.

    Args:
        model (`GairModel`): what will be trained.
        processor (`GairProcessor`): that makes the model's inputs.
        settings: a [`GairSettings`], [`MaeSettings`] or [`MocoV3Settings`].

    Raises:
        ValueError: the objective does not fit the model.
    """
    (kind,) = (kind for kind in OBJECTIVES.values() if kind.settings is type(settings))
    return kind.objective(model, processor, settings)


__all__ = [
    "OBJECTIVES",
    "GairObjective",
    "GairSettings",
    "MaeObjective",
    "MaeSettings",
    "MocoV3Objective",
    "MocoV3Settings",
    "Objective",
    "PretrainingModule",
    "make_objective",
]
