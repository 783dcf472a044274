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
"""The comparison as a whole, with made runs: finished runs are skipped, and other settings are errors."""

import pytest

pytest.importorskip("accelerate", reason="the extra eval is not installed")
pytest.importorskip("pandas", reason="the extra eval is not installed")
from training.evidence import runner
from training.evidence.options import EvidenceOptions
from training.evidence.processes import ChildProcesses
from training.evidence.runs import write_json

MEASURES = {"own world/across/median_rank": 3.0}


@pytest.fixture
def programs(monkeypatch, tmp_path) -> list[str]:
    """Programs started by the comparison; in place of training and measuring, they write made files."""
    started = []

    def run(self, arguments, log, environment):
        if "--measure" in arguments:
            arm, seed = arguments[-2:]
            started.append(f"measure {arm}")
            write_json(tmp_path / arm / f"seed{seed}" / "evidence.json", {"trained": MEASURES})
        else:
            folder = log.with_suffix("")
            started.append(f"train {folder.parent.name}")
            write_json(folder / "metrics.json", {})

    monkeypatch.setattr(ChildProcesses, "run", run)
    monkeypatch.setattr(runner, "open_world", lambda settings, workers: None)
    return started


def test_finished_runs_are_skipped(tmp_path, programs, capsys):
    options = EvidenceOptions(compare=["objectives"], seeds=[0], jobs=1, output_dir=tmp_path)
    runner.compare(options)
    assert programs == [
        f"{what} {arm}" for arm in ("mae", "nili", "distillation", "moco_v3") for what in ("train", "measure")
    ]
    assert "| GAIR with distillation (RS, from MAE) | 3.0 |" in capsys.readouterr().out
    programs.clear()
    (tmp_path / "mae" / "seed0" / "evidence.json").unlink()
    runner.compare(options)
    assert programs == ["measure mae"]
    options.set = ["learning_rate=1e-3"]
    with pytest.raises(ValueError, match=r"was trained with learning_rate 0\.002, but 0\.001 is requested"):
        runner.compare(options)
    assert programs == ["measure mae"]


def test_a_training_run_that_was_stopped_is_an_error(tmp_path, programs, monkeypatch):
    monkeypatch.setattr(ChildProcesses, "run", lambda *_: None)
    options = EvidenceOptions(compare=["location"], seeds=[0], output_dir=tmp_path)
    with pytest.raises(ValueError, match="was stopped; the same command resumes"):
        runner.compare(options)


def test_only_one_comparison_writes_to_a_directory(tmp_path, programs):
    with (
        runner.FileLock(tmp_path / ".lock"),
        pytest.raises(ValueError, match=r"Another comparison is writing to .*; wait until it ends"),
    ):
        runner.compare(EvidenceOptions(output_dir=tmp_path))
