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
"""Builds the objective that a run's settings name."""

from typing import Any

from modeling_gair import GairModel, GairProcessor
from training.objectives.base import Objective
from training.objectives.gair import GairObjective
from training.objectives.mae import MaeObjective
from training.objectives.moco_v3 import MocoV3Objective
from training.objectives.settings import GairSettings, MaeSettings, MocoV3Settings

_OBJECTIVES: dict[type, Any] = {
    GairSettings: GairObjective,
    MaeSettings: MaeObjective,
    MocoV3Settings: MocoV3Objective,
}


def make_objective(model: GairModel, processor: GairProcessor, settings: Any) -> Objective:
    """
    Build the objective that belongs to its settings.

    Args:
        model (`GairModel`): the model to train.
        processor (`GairProcessor`): the processor of the model's inputs.
        settings: one of `training.objectives.settings.OBJECTIVE_SETTINGS`.

    Raises:
        ValueError: the objective does not fit the model.
    """
    return _OBJECTIVES[type(settings)](model, processor, settings)
