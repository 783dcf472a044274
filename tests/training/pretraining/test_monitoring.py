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
"""Monitoring of a run: log, trackers, figure, and errors about values that are not finite."""

import json
import math
from itertools import count
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from PIL import Image

from training.pretraining.monitoring import LOG_FILE, PICTURE, Watch, check_trackers, read_log

SETTINGS = {"max_steps": 6, "objective": {"queue_size": 4}, "betas": [0.9, 0.95]}


def watch_in(folder, start: int = 0, trackers: tuple[str, ...] = ()) -> Watch:
    accelerator = Accelerator(
        cpu=True,
        log_with=list(trackers) or None,
        project_config=ProjectConfiguration(str(folder), str(folder / "logs")),
    )
    return Watch(accelerator, SETTINGS, folder, start, last=6, every=2, flops_per_pair=1e6, peak=1e9)


def run(watch: Watch, first: int, last: int, losses: dict[int, float] | None = None) -> None:
    for step in range(first, last + 1):
        loss = torch.tensor((losses or {}).get(step, float(step)))
        figures = {"incl": loss * 2, "accuracy_sv_localized": loss / 10, "gradient_norm": torch.tensor(1.0)}
        watch.step(step, loss, figures, [f"photo {step}", f"other {step}"], waited=0.001)
        if watch.due(step):
            watch.report(0.1 / step)


def test_log_lines_are_means_over_the_steps_since_the_last_line(tmp_path):
    watch = watch_in(tmp_path)
    watch.bad["photo"] = 3
    run(watch, 1, 6)
    lines = read_log(tmp_path)
    assert [line["step"] for line in lines] == [1, 2, 4, 6]
    assert [line["loss"] for line in lines] == [1, 2, 3.5, 5.5]
    assert [line["incl"] for line in lines] == [2, 4, 7, 11]
    assert lines[-1]["learning_rate"] == pytest.approx(0.1 / 6) and lines[-1]["bad_photo"] == 3
    for line in lines:
        # 1e6 FLOPs per pair on a device with 1e9 FLOP/s.
        assert line["mfu"] == pytest.approx(line["pairs_per_s"] / 1000)
        assert line["pairs_per_s"] > 0 and line["waiting"] > 0


def test_paused_time_does_not_count(tmp_path, monkeypatch):
    clock = count(start=0, step=10)
    monkeypatch.setattr("training.pretraining.monitoring.time", SimpleNamespace(perf_counter=lambda: next(clock)))
    watch = watch_in(tmp_path)
    # Two readings of the clock are 10 s apart; the 10 s of the pause do not count.
    with watch.paused():
        pass
    run(watch, 1, 1)
    assert read_log(tmp_path)[0]["pairs_per_s"] == 2 / 20


def test_a_resumed_run_removes_log_lines_after_its_checkpoint(tmp_path):
    run(watch_in(tmp_path), 1, 6)
    # The last line is cut off, as after a crash.
    with (tmp_path / LOG_FILE).open("a", encoding="utf-8") as file:
        file.write('{"step": 7, "lo')
    watch = watch_in(tmp_path, start=4)
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 4]
    run(watch, 5, 6, losses={5: 50, 6: 60})
    assert [line["loss"] for line in read_log(tmp_path)] == [1, 2, 3.5, 55]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_reported_with_its_step_and_photos(tmp_path, value):
    watch = watch_in(tmp_path)
    with pytest.raises(ValueError, match=r"at step 3, in a batch with the photos photo 3, other 3 and 0 more"):
        run(watch, 1, 6, losses={3: value})
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2]


def test_a_gradient_that_is_not_finite_stops_the_run(tmp_path):
    watch = watch_in(tmp_path)
    figures = {"gradient_norm": torch.tensor(math.inf)}
    watch.step(1, torch.tensor(1.0), figures, ["photo 1", "other 1"], 0.0)
    with pytest.raises(ValueError, match="gradient is not finite at step 1 or soon after"):
        watch.report(0.1)


def test_tensorboard_receives_figures_and_settings(tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    watch = watch_in(tmp_path, trackers=("tensorboard",))
    run(watch, 1, 6)
    watch.write(6, {"retrieval_across_tiles": 3.0})
    watch.accelerator.end_training()
    (events,) = {file.parent for file in (tmp_path / "logs").rglob("events*") if file.parent.name == "gair"}
    read = event_accumulator.EventAccumulator(str(events)).Reload()
    assert [event.value for event in read.Scalars("loss")] == [1, 2, 3.5, 5.5]
    assert read.Scalars("retrieval_across_tiles")[0].step == 6
    (settings,) = (tmp_path / "logs").rglob("hparams.yml")
    assert "objective.queue_size: 4" in settings.read_text(encoding="utf-8")


def test_closing_draws_a_figure_of_the_log(tmp_path):
    watch = watch_in(tmp_path)
    run(watch, 1, 6)
    watch.write(4, {"retrieval_across_tiles": 9.0})
    watch.write(6, {"retrieval_across_tiles": 5.0})
    watch.close()
    with Image.open(tmp_path / PICTURE) as picture:
        assert picture.width > picture.height > 300 and len(picture.convert("RGB").getcolors(2**24)) > 100
    assert json.loads((tmp_path / LOG_FILE).read_text(encoding="utf-8").splitlines()[-1])["step"] == 6


def test_unknown_and_uninstalled_trackers_are_refused(monkeypatch):
    check_trackers([])
    with pytest.raises(ValueError, match=r"'tensorbord'; expected none, or one or more of .*tensorboard"):
        check_trackers(["tensorbord"])
    monkeypatch.setattr("training.pretraining.monitoring.get_available_trackers", lambda: ["tensorboard"])
    check_trackers(["tensorboard"])
    with pytest.raises(ValueError, match="'wandb', but its package is not installed; run pip install wandb"):
        check_trackers(["wandb"])
