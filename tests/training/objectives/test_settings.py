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
"""The settings of the objective `gair`."""

import math

import pytest

from tests.helpers.objectives import check_sentence
from training.objectives.settings import GairSettings


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"temperature_learned": 1}, "temperature_learned is 1; expected true or false"),
        ({"in_batch_places": "no", "queue_size": 3}, "in_batch_places is 'no'; expected true or false"),
        ({"incl_weight": -1}, "incl_weight is -1; expected a finite number of at least 0"),
        ({"secl_weight": math.nan}, "secl_weight is nan; expected a finite number"),
        ({"sv_distillation_weight": True}, "sv_distillation_weight is True; expected a finite number"),
        ({"rs_distillation_weight": "high"}, "rs_distillation_weight is 'high'; expected a finite number"),
        ({"temperature_range": 0.1}, "temperature_range is 0.1; expected two numbers"),
        ({"temperature_range": [0.1]}, r"temperature_range is \[0.1\]; expected two numbers"),
        ({"temperature_range": [0.1, "x"]}, "expected two numbers, e.g."),
        ({"temperature_range": [0.5, 0.01]}, "the smaller first"),
        ({"temperature_range": [0, 0.1]}, "two numbers above 0"),
        ({"queue_size": -1}, "queue_size is -1; expected a whole number of at least 0"),
        ({"queue_size": 1.5}, "queue_size is 1.5; expected a whole number"),
        ({"in_batch_places": False}, "leaves SECL without negatives; set queue_size"),
        ({"sv_teacher": ""}, "sv_teacher is ''; expected a model id or a directory"),
        ({"rs_teacher": 3}, "rs_teacher is 3; expected a model id or a directory"),
        (
            {"rs_teacher": "initial", "rs_teacher_projection": "mlp"},
            "rs_teacher_projection is 'mlp'; expected 'linear'",
        ),
        ({"sv_teacher_projection": "linear"}, "without a teacher; set sv_teacher or leave it out"),
    ],
)
def test_invalid_settings_are_named(settings, sentence):
    with pytest.raises(ValueError, match=sentence) as raised:
        GairSettings(**settings)
    check_sentence(raised)
