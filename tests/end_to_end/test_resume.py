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
"""Interrupted, killed and resumed pre-training gives the same weights as an uninterrupted run, bit for bit."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

pytest.importorskip("accelerate", reason="the extra train is not installed")
from tests.helpers.pairs import write_pairs
from tests.helpers.pretraining_runs import SMALL, STEPS, Run, TwoRuns, last_step, merged
from training.pretraining.monitoring import read_log

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow
ENDLESS = 100_000


def checkpoints(output_dir: Path) -> list[int]:
    """The steps of the complete checkpoints."""
    return sorted(int(path.parent.name[5:]) for path in (output_dir / "checkpoints").glob("step_*[0-9]/COMPLETE.json"))


def weights(output_dir: Path) -> dict[str, torch.Tensor]:
    return load_file(output_dir / "model.safetensors")


def losses(output_dir: Path) -> list[tuple[float, ...]]:
    """The logged values that depend only on data and weights, by step."""
    names = ("step", "loss", "incl", "secl", "gradient_norm", "learning_rate")
    return [tuple(line[name] for name in names) for line in read_log(output_dir) if "loss" in line]


def assert_same_end(first: Path, second: Path, steps: int = STEPS) -> None:
    assert losses(first) == losses(second) and len(losses(first)) == steps
    expected, found = weights(first), weights(second)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory) -> Path:
    """48 photos of 24 tiles, some of which are held out."""
    return write_pairs(tmp_path_factory.mktemp("pairs"), 48, tiles=24)


@pytest.fixture(scope="module")
def whole(pairs, tmp_path_factory) -> Path:
    """The directory of an uninterrupted run with two workers."""
    output_dir = tmp_path_factory.mktemp("whole") / "run"
    Run(pairs, output_dir, "--num_workers", "2").done()
    return output_dir


@pytest.mark.ci
def test_a_run_stopped_by_signals_gives_the_same_weights(pairs, whole, tmp_path):
    flags = ["--num_workers", "2", "--checkpoint_every", "20"]
    run = Run(pairs, tmp_path / "run", *flags, signal_at=("training", 3, signal.SIGINT))
    assert "Stopped and saved at step 3; run the same command again" in run.done()
    assert checkpoints(run.output_dir) == [3] and not (run.output_dir / "model.safetensors").exists()
    # Settings that do not affect the training may change.
    flags[-1] = "7"
    run = Run(pairs, tmp_path / "run", *flags, signal_at=("training", 6, signal.SIGTERM))
    assert "resuming from step 3" in run.done() and checkpoints(run.output_dir) == [7, 9]
    Run(pairs, tmp_path / "run", *flags).done()
    assert_same_end(whole, run.output_dir)
    assert len(checkpoints(run.output_dir)) == 2 and (run.output_dir / "training.png").stat().st_size > 10_000


@pytest.mark.parametrize("sigint", [signal.SIG_IGN, signal.SIG_DFL], ids=["ignored", "default"])
def test_ctrl_c_stops_a_run_however_it_was_started(pairs, tmp_path, sigint):
    run = Run(pairs, tmp_path / "run", "--num_workers", "0", "--max_steps", str(ENDLESS), sigint=sigint)
    run.wait_for_step(1)
    os.kill(run.process.pid, signal.SIGINT)
    assert "run the same command again" in run.done()
    assert checkpoints(run.output_dir)[-1] >= 1


@pytest.mark.ci
def test_kill_9_loses_only_the_steps_after_the_last_checkpoint(pairs, whole, tmp_path):
    flags = ["--num_workers", "2", "--checkpoint_every", "2"]
    for place, step, expected in (("training", 1, []), ("saving", 6, [2, 4]), ("saved", 8, [6, 8])):
        run = Run(pairs, tmp_path / "run", *flags, signal_at=(place, step, signal.SIGKILL))
        run.killed()
        assert checkpoints(run.output_dir) == expected
    Run(pairs, tmp_path / "run", *flags).done()
    assert_same_end(whole, run.output_dir)
    assert not list((run.output_dir / "checkpoints").glob("*.tmp"))


@pytest.mark.ci
def test_kills_at_20_random_moments_lose_only_the_steps_after_the_last_checkpoint(pairs, tmp_path):
    whole, flags = tmp_path / "whole", ["--num_workers", "0", "--max_steps", "60"]
    Run(pairs, whole, *flags).done()
    flags += ["--checkpoint_every", "2"]
    generator, newest, kills = random.Random(0), 0, 0
    while kills < 20 and newest < 50:
        # Some before the first step; many of the others hit a save, because every second step saves.
        moment = (0, generator.uniform(0, 1)) if kills % 4 == 0 else (1, generator.uniform(0, 0.3))
        run = Run(pairs, tmp_path / "run", *flags, killed_after=moment)
        run.killed(signal.SIGPROF)
        kills += 1
        done = checkpoints(run.output_dir) or [0]
        assert done[-1] >= newest
        newest = done[-1]
        # Steps may be logged after the last complete checkpoint while the next save is interrupted.
        assert last_step(run.output_dir) <= newest + 3
    # On a fast machine, a run gets further before it is killed.
    assert kills >= 8 and newest > 0
    Run(pairs, tmp_path / "run", *flags).done()
    assert_same_end(whole, run.output_dir, 60)
    assert not list((run.output_dir / "checkpoints").glob("*.tmp"))


# Settings of two processes.
OF_TWO = ["--max_steps", "40", "--num_workers", "1", "--batches_per_step", "2", "--batch_size", "2",
          "--objective.temperature_learned", "true"]  # fmt: skip


def launch(pairs: Path, output_dir: Path, *flags: str) -> None:
    """Trains with two processes that torchrun starts."""
    arguments = merged(["--data", str(pairs), "--output_dir", str(output_dir), *SMALL, *OF_TWO, *flags])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    run = subprocess.run(
        [*command, "training/pretrain.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.ci
def test_a_signal_to_one_of_two_processes_stops_both_and_they_resume(pairs, tmp_path):
    whole, output_dir = tmp_path / "whole", tmp_path / "run"
    launch(pairs, whole)
    first = TwoRuns(pairs, output_dir, *OF_TWO, "--checkpoint_every", "20")
    first.ranks[0].wait_for_step(3)
    os.kill(first.ranks[1].process.pid, signal.SIGTERM)
    assert first.done().count("Stopped and saved at step") == 1
    assert 3 <= checkpoints(output_dir)[-1] < 40
    TwoRuns(pairs, output_dir, *OF_TWO).done()
    assert_same_end(whole, output_dir, 40)
    # A single process cannot resume a run of two.
    run = Run(pairs, output_dir, *OF_TWO)
    assert "processes" in run.end() and run.process.exitcode == 1


@pytest.mark.ci
def test_changed_settings_are_refused_and_existing_files_are_kept(pairs, whole, tmp_path):
    before = weights(whole)
    for flags, words in (
        (["--num_workers", "2", "--learning_rate", "0.1"], ["learning_rate", "0.1", "0.002", "--resume none"]),
        (["--num_workers", "2", "--objective.queue_size", "32"], ["objective.queue_size", "32", "64"]),
        (["--num_workers", "1"], ["workers", "--allow_inexact_resume"]),
    ):
        run = Run(pairs, whole, *flags)
        text = run.end()
        assert run.process.exitcode == 1 and all(word in text for word in words), text
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years", encoding="utf-8")
    run = Run(pairs, other, "--num_workers", "0")
    assert "is not empty" in run.end() and run.process.exitcode == 1
    assert (other / "thesis.txt").read_text(encoding="utf-8") == "years"
    assert all(torch.equal(value, before[name]) for name, value in weights(whole).items())


@pytest.mark.ci
def test_resume_none_starts_over_and_keeps_the_old_run(pairs, tmp_path):
    short = ["--num_workers", "0", "--max_steps", "3"]
    Run(pairs, tmp_path / "run", *short).done()
    old = weights(tmp_path / "run")
    text = Run(pairs, tmp_path / "run", *short, "--seed", "1", "--resume", "none").done()
    assert "Starting over" in text and "from the beginning" in text
    kept = weights(tmp_path / "run.1")
    assert all(torch.equal(value, kept[name]) for name, value in old.items())
    assert any(not torch.equal(value, old[name]) for name, value in weights(tmp_path / "run").items())
    # A different number of workers is allowed on request.
    more = ["--max_steps", "3", "--seed", "1", "--num_workers", "1", "--allow_inexact_resume"]
    assert "resuming from step 3" in Run(pairs, tmp_path / "run", *more).done()


@pytest.mark.ci
def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_photos(pairs, tmp_path):
    flags = ["--num_workers", "0", "--warmup_steps", "4", "--learning_rate", "1e30", "--max_grad_norm", "1e30"]
    run = Run(pairs, tmp_path / "run", *flags, "--checkpoint_every", "1", "--logging_steps", "5")
    text = run.end()
    assert run.process.exitcode == 1 and "in a batch with the photos 0" in text and "lower learning_rate" in text
    for step in checkpoints(run.output_dir):
        saved = load_file(run.output_dir / "checkpoints" / f"step_{step:08d}" / "model.safetensors")
        assert all(torch.isfinite(value).all() for value in saved.values())


@pytest.mark.ci
def test_a_full_disk_stops_the_run_and_keeps_the_last_checkpoint(pairs, tmp_path):
    flags = ["--num_workers", "0", "--checkpoint_every", "4"]
    run = Run(pairs, tmp_path / "run", *flags, signal_at=("training", 5, signal.SIGTERM))
    run.done()
    before = checkpoints(run.output_dir)
    run = Run(pairs, tmp_path / "run", *flags, file_size=200_000)
    text = run.end()
    assert run.process.exitcode == 1 and "run the same command again" in text, text
    assert checkpoints(run.output_dir) == before and not list((run.output_dir / "checkpoints").glob("*.tmp"))
    assert json.loads((run.output_dir / "checkpoints" / f"step_{before[-1]:08d}" / "COMPLETE.json").read_text())
    Run(pairs, tmp_path / "run", *flags).done()


@pytest.mark.ci
def test_a_compiled_run_saves_the_same_weights_as_an_uncompiled_run(pairs, tmp_path):
    compiler = {"ACCELERATE_DYNAMO_BACKEND": "AOT_EAGER", "ACCELERATE_DYNAMO_USE_REGIONAL_COMPILATION": "true"}
    flags = ["--num_workers", "0", "--max_steps", "4", "--checkpoint_every", "2"]
    plain, compiled = tmp_path / "plain", tmp_path / "compiled"
    Run(pairs, plain, *flags).done()
    Run(pairs, compiled, *flags, environment=compiler).done()
    expected = weights(plain)
    assert expected.keys() == weights(compiled).keys()
    # A compiled run resumes without the compiler.
    shutil.rmtree(compiled / "checkpoints" / "step_00000004")
    text = Run(pairs, compiled, *flags).done()
    assert "resuming from step 2" in text
    for name, value in weights(compiled).items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=1e-4)


@pytest.mark.ci
def test_a_sharded_model_trains_and_resumes_like_a_replicated_one(pairs, tmp_path):
    """Compares FSDP2 with DDP, with a learned temperature, a separate learning rate for NILI and gradient caching."""
    flags = [*OF_TWO, "--max_steps", "6", "--checkpoint_every", "3", "--retrieval_every", "4"]
    flags += ["--nili_learning_rate_factor", "0.5"]
    whole, output_dir = tmp_path / "whole", tmp_path / "divided"
    TwoRuns(pairs, whole, *flags).done()
    TwoRuns(pairs, output_dir, *flags, sharded=True).done()
    found = weights(output_dir)
    assert found.keys() == weights(whole).keys()
    for name, value in weights(whole).items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=1e-4)
    for one, other in zip(losses(whole), losses(output_dir), strict=True):
        assert one == pytest.approx(other, rel=1e-4)
    shutil.rmtree(output_dir / "checkpoints" / "step_00000006")
    (output_dir / "model.safetensors").unlink()
    assert "resuming from step 3" in TwoRuns(pairs, output_dir, *flags, sharded=True).done()
    assert all(torch.equal(value, found[name]) for name, value in weights(output_dir).items())
