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
"""What checkpoints hold, which are refused, and checkpoints of two processes."""

import json
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

pytest.importorskip("accelerate", reason="the extra train is not installed")
from accelerate.utils import DistributedType
from torch.distributed.fsdp import StateDictType

from tests.helpers.checkpoint_run import SETTINGS, Run, failed_save
from training.pretraining.checkpointing import COMPLETE_FILE, Checkpoints, StopSignal


@pytest.fixture
def run(tmp_path) -> Run:
    return Run(tmp_path / "checkpoints")


# Contents ------------------------------------------------------------------------------------------------


def test_training_resumes_exactly(run, tmp_path):
    run.train(3)
    run.checkpoints.save(3, {"streams": [{"row": 5}], "worker": "a"})
    expected = run.train(3)

    undisturbed = Run(tmp_path / "unused")
    undisturbed.train(3)
    assert undisturbed.train(3) == expected

    resumed = Run(run.checkpoints.folder, seed=7)
    latest = resumed.checkpoints.latest()
    resumed.checkpoints.check(latest)
    progress = resumed.checkpoints.load(latest)
    assert (progress.step, progress.readers) == (3, {"streams": [{"row": 5}], "worker": "a"})
    assert resumed.train(3) == expected


def test_a_checkpoint_lists_its_step_settings_and_files(run):
    assert run.checkpoints.latest() is None
    run.checkpoints.save(120, None)
    path = run.checkpoints.latest()
    assert path.name == "step_00000120"
    complete = json.loads((path / COMPLETE_FILE).read_text())
    assert (complete["step"], complete["processes"], complete["workers"]) == (120, 1, 2)
    assert complete["run"]["betas"] == [0.9, 0.95]
    assert set(complete["versions"]) == {"torch", "transformers", "accelerate", "datasets", "gair"}
    assert set(complete["files"]) == {file.name for file in path.iterdir()} - {COMPLETE_FILE}
    assert {"model.safetensors", "optimizer.bin", "random_states_0.pkl", "readers_0.json"} < set(complete["files"])


def test_the_newest_checkpoints_by_step_are_kept(run):
    for step in (1, 2, 99_999_999, 100_000_000):
        run.checkpoints.save(step, None)
    assert [path.name for path in sorted(run.checkpoints.folder.iterdir())] == ["step_100000000", "step_99999999"]
    assert run.checkpoints.latest().name == "step_100000000"


def without(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).unlink()


def cut(name: str) -> Callable[[Path], None]:
    return lambda path: os.truncate(path / name, (path / name).stat().st_size - 1)


def unfinished(path: Path) -> None:
    path.rename(path.with_name(path.name + ".tmp"))


# fmt: off
SPOILT = [without(COMPLETE_FILE), cut(COMPLETE_FILE), without("optimizer.bin"), cut("model.safetensors"),
          cut("readers_0.json"), unfinished]
# fmt: on


@pytest.mark.parametrize("spoil", SPOILT)
def test_incomplete_checkpoints_are_skipped_and_deleted(run, spoil):
    for step in (1, 2):
        run.checkpoints.save(step, None)
    newest = run.checkpoints.latest()
    spoil(newest)
    assert run.checkpoints.latest().name == "step_00000001"
    with pytest.raises(
        ValueError, match=r"step_00000002' is not a complete checkpoint; name one whose COMPLETE.json matches"
    ):
        run.checkpoints.check(newest)
    run.checkpoints.save(3, None)
    assert sorted(os.listdir(run.checkpoints.folder)) == ["step_00000001", "step_00000003"]


def test_leftovers_of_a_killed_save_are_not_mixed_in(run):
    left = run.checkpoints.folder / "step_00000004.tmp"
    left.mkdir(parents=True)
    (left / "optimizer_1.bin").write_text("from an earlier save")
    run.checkpoints.save(4, None)
    assert not (run.checkpoints.latest() / "optimizer_1.bin").exists()


def test_other_files_in_the_folder_are_kept(run):
    others = [run.checkpoints.folder / name for name in ("step_notes", "model")]
    for other in others:
        other.mkdir(parents=True)
    for step in range(4):
        run.checkpoints.save(step, None)
    assert len(os.listdir(run.checkpoints.folder)) == 4 and all(other.is_dir() for other in others)


def test_a_step_is_not_written_twice(run):
    run.checkpoints.save(5, "first")
    inode = (run.checkpoints.latest() / COMPLETE_FILE).stat().st_ino
    run.checkpoints.save(5, "second")
    resumed = Run(run.checkpoints.folder)
    resumed.checkpoints.load(resumed.checkpoints.latest())
    resumed.checkpoints.save(5, "third")
    assert (run.checkpoints.latest() / COMPLETE_FILE).stat().st_ino == inode


def test_a_run_that_starts_over_removes_later_checkpoints_of_the_old_run(run):
    for step in (10, 20):
        run.checkpoints.save(step, "old")
    again = Run(run.checkpoints.folder)
    again.checkpoints.save(10, "new")
    assert os.listdir(run.checkpoints.folder) == ["step_00000010"]
    assert again.checkpoints.load(again.checkpoints.latest()).readers == "new"


# Refusals -----------------------------------------------------------------------------------------------------


# fmt: off
CHANGED = [
    ({**SETTINGS, "seed": 1}, "saved with seed 0, but this run sets 1"),
    ({**SETTINGS, "betas": [0.9, 0.99]}, r"saved with betas \[0.9, 0.95\], but this run sets \[0.9, 0.99\]"),
    ({**SETTINGS, "model": {"preset": "tiny", "rs_config": {"depth": 3}}}, "saved with model.rs_config.depth 2, but .* 3"),
    ({**SETTINGS, "queue": 4096}, "saved with queue None, but this run sets 4096"),
    ({"seed": 0, "betas": [0.9, 0.95]}, "saved with model {'preset'.*}, but this run sets None"),
]
# fmt: on


@pytest.mark.parametrize(("changed", "message"), CHANGED)
def test_other_settings_are_refused(run, changed, message):
    run.checkpoints.save(1, None)
    other = Run(run.checkpoints.folder, run=changed, allow_inexact_resume=True).checkpoints
    with pytest.raises(ValueError, match=message + "; use the same settings, or start over with --resume none"):
        other.check(other.latest())


def test_a_changed_number_of_workers_is_refused_or_on_request_allowed_with_a_warning(run, capsys):
    run.checkpoints.save(1, {"row": 1})
    run.fill(3)
    path = run.checkpoints.latest()
    with pytest.raises(
        ValueError, match=r"saved by 1 processes with 2 workers each, but .* 4 workers each.*--allow_inex"
    ):
        Run(run.checkpoints.folder, num_workers=4).checkpoints.check(path)
    allowed = Run(run.checkpoints.folder, num_workers=4, allow_inexact_resume=True).checkpoints
    allowed.check(path)
    assert "Warning: " in capsys.readouterr().out
    progress = allowed.load(path)
    assert (progress.step, progress.readers) == (1, None)


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.bin", "random_states_0.pkl", "readers_0.json"])
def test_a_damaged_file_is_reported(run, name):
    run.checkpoints.save(1, {"row": 1})
    file = run.checkpoints.latest() / name
    file.write_bytes(b"\xff" * file.stat().st_size)
    with pytest.raises(ValueError, match=r"step_00000001' is damaged \(.+\); delete it to resume from the one before"):
        run.checkpoints.load(run.checkpoints.latest())


class Malicious:
    def __init__(self, mark: Path):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("name", ["custom_checkpoint_0.pkl", "random_states_0.pkl", "optimizer.bin"])
def test_code_in_a_checkpoint_is_not_executed(run, tmp_path, name):
    run.checkpoints.save(1, None)
    path = run.checkpoints.latest()
    torch.save(Malicious(tmp_path / "intruded"), path / name)
    with pytest.raises(ValueError, match="is damaged"):
        run.checkpoints.load(path)
    assert not (tmp_path / "intruded").exists()


def test_a_sharded_model_must_be_saved_in_shards(tmp_path):
    plugin = SimpleNamespace(state_dict_type=StateDictType.FULL_STATE_DICT)
    accelerator = SimpleNamespace(distributed_type=DistributedType.FSDP, state=SimpleNamespace(fsdp_plugin=plugin))
    with pytest.raises(ValueError, match=r"fsdp_state_dict_type is FULL_STATE_DICT, .* set it to SHARDED_STATE_DICT"):
        Checkpoints(tmp_path, accelerator, SETTINGS, num_workers=0, keep=1, allow_inexact_resume=False)


# Two processes -------------------------------------------------------------------------------------------------------


def run_rank(rank: int, folder: Path) -> dict[str, Any]:
    """One of two processes that save, load, stop on a signal, and fail together."""
    run = Run(folder, seed=rank)
    told: dict[str, Any] = {"wrapped": type(run.net).__name__}
    run.train(2)
    run.checkpoints.save(2, {"rank": rank})
    told["weights"] = run.accelerator.unwrap_model(run.net)[0].weight.tolist()
    told["expected"] = run.train(2)

    resumed = Run(folder, seed=rank + 5)
    resumed.checkpoints.check(resumed.checkpoints.latest())
    told["readers"] = resumed.checkpoints.load(resumed.checkpoints.latest()).readers
    told["resumed"] = resumed.train(2)

    with StopSignal() as stop:
        for step in range(10):
            if (rank, step) == (1, 3):
                os.kill(os.getpid(), signal.SIGTERM)
            if stop.agreed():
                told["stopped at"] = step
                break

    told["failure"] = failed_save(resumed, 4, {"rank": rank}, 100 if rank == 1 else resource.RLIM_INFINITY)
    told["latest"], told["left"] = resumed.checkpoints.latest().name, sorted(os.listdir(folder))
    return told


@pytest.fixture(scope="module")
def two(two_processes, tmp_path_factory) -> tuple[Path, list[dict[str, Any]]]:
    """The checkpoint folder of two processes, and the report of each."""
    folder = tmp_path_factory.mktemp("two") / "checkpoints"
    return folder, two_processes.run(run_rank, folder)


def test_each_of_two_processes_resumes_exactly(two):
    for rank, told in enumerate(two[1]):
        assert told["wrapped"] == "DistributedDataParallel"
        assert told["readers"] == {"rank": rank}
        assert told["resumed"] == told["expected"]
    assert two[1][0]["expected"] != two[1][1]["expected"]


def test_a_signal_to_one_process_stops_both_after_the_same_step(two):
    assert [told["stopped at"] for told in two[1]] == [3, 3]


def test_a_write_error_in_one_process_fails_both(two):
    (_, (first, second)) = two
    assert "step 4 could not be written" in first["failure"] and "Another process failed" in first["failure"]
    assert "step 4 could not be written" in second["failure"] and "inline_container" in second["failure"]
    for told in two[1]:
        assert (told["latest"], told["left"]) == ("step_00000002", ["step_00000002"])


def test_one_process_resumes_a_checkpoint_of_two_only_on_request(two, tmp_path):
    shutil.copytree(two[0], tmp_path, dirs_exist_ok=True)
    strict = Run(tmp_path).checkpoints
    with pytest.raises(
        ValueError, match=r"by 2 processes with 2 workers each, but this run has 1 processes .* start the same number"
    ):
        strict.check(strict.latest())
    allowed = Run(tmp_path, allow_inexact_resume=True)
    allowed.checkpoints.check(allowed.checkpoints.latest())
    progress = allowed.checkpoints.load(allowed.checkpoints.latest())
    assert (progress.step, progress.readers) == (2, None)
    assert allowed.net[0].weight.tolist() == two[1][0]["weights"]
