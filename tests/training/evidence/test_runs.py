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
"""A training run: its flags, its folder, and the check of its settings."""

import json
from pathlib import Path

import pytest

pytest.importorskip("accelerate", reason="the extra eval is not installed")
pytest.importorskip("pandas", reason="the extra eval is not installed")
pytest.importorskip("pyproj", reason="the extra geo is not installed")
from training.evidence.arms import TEACHERS
from training.evidence.options import EvidenceOptions
from training.evidence.runs import TrainingRun


def test_a_pupil_has_the_teacher_of_its_seed(tmp_path):
    for pupil, teacher in TEACHERS.items():
        flags = TrainingRun(pupil, 2, EvidenceOptions(output_dir=tmp_path)).command()
        named = flags[flags.index("--objective.rs_teacher") + 1]
        assert Path(named) == tmp_path.resolve() / teacher / "seed2"


def test_a_run_with_other_settings_is_an_error(tmp_path):
    def run_of(seed, *settings):
        return TrainingRun("nili", seed, EvidenceOptions(output_dir=tmp_path, set=list(settings)))

    run = run_of(0)
    run.note.parent.mkdir()
    run.note.write_text(json.dumps({"settings": run.deciding_settings()}), encoding="utf-8")
    run.check_settings()
    run_of(1, "max_steps=720").check_settings()
    with pytest.raises(ValueError, match="was trained with max_steps 240, but 720 is requested; use the same"):
        run_of(0, "max_steps=720").check_settings()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"compare": ["query_mode"]},
            "--compare is 'query_mode', expected all, or some of window, query_modes, pixels",
        ),
        ({"set": ["max_steps"]}, "--set is 'max_steps', expected KEY=VALUE"),
        ({"jobs": 0}, "--jobs is 0"),
    ],
)
def test_invalid_options_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        EvidenceOptions(**options)
