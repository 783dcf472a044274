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
"""Tasks on processes of this machine, on Ray and on Slurm (whose commands are stood in for): each done once, whatever ends a run."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("datatrove", reason="the extra embed is not installed")
from training.common.jobs import ClusterSettings, Needs, Tasks, report_progress

ROOT = Path(__file__).parents[3]
TASKS = 5

_PROGRAM = """
import sys
from functools import partial
from pathlib import Path
from training.common.jobs import ClusterSettings, Needs, Tasks
from tests.training.common.test_jobs import note

if __name__ == "__main__":
    folder, workers, executor, waits_at = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    cluster = ClusterSettings(partition="all", memory_gb=1)
    tasks = Tasks(partial(note, folder, waits_at), [10] * 5, folder / "logs", "note", Needs(folder))
    print("LEFT", tasks.run(executor, workers, cluster, "item"))
"""


def note(folder: Path, waits_at: int, rank: int) -> None:
    """Leaves a line for each time that a task is done; task `waits_at` never ends."""
    report_progress(folder / "logs", rank, 5)
    if rank == waits_at:
        (folder / "waiting").write_text(str(os.getpid()), encoding="utf-8")
        time.sleep(1000)
    with (folder / f"{rank}.txt").open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")


def fail(rank: int) -> None:
    if rank == 2:
        raise ValueError("Task 2 is bad; mend it.")


def start(
    folder: Path, workers: int = 1, executor: str = "local", waits_at: int = -1, path: str = ""
) -> subprocess.Popen:
    program = folder / "program.py"
    program.write_text(_PROGRAM, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{path}{os.environ['PATH']}"}
    command = [sys.executable, str(program), str(folder), str(workers), executor, str(waits_at)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(condition) -> None:
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def running(process: int) -> bool:
    path = Path(f"/proc/{process}/stat")
    return path.exists() and path.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def command_lines() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_text(encoding="utf-8"))
    return found


def times_done(folder: Path) -> list[int]:
    files = [folder / f"{rank}.txt" for rank in range(TASKS)]
    return [len(path.read_text(encoding="utf-8").split()) if path.exists() else 0 for path in files]


def test_an_error_ends_the_run_and_the_rest_is_done_by_the_next(tmp_path):
    tasks = Tasks(fail, [1] * TASKS, tmp_path / "logs", "note", Needs(tmp_path))
    with pytest.raises(ValueError, match="Task 2 is bad; mend it"):
        tasks.run("local", 1, ClusterSettings(), "item")
    assert tasks.incomplete() == [2, 3, 4]
    mended = Tasks(partial(note, tmp_path, -1), [1] * TASKS, tmp_path / "logs", "note", Needs(tmp_path))
    assert mended.run("local", 1, ClusterSettings(), "item") == []
    assert times_done(tmp_path) == [0, 0, 1, 1, 1]


@pytest.mark.ci
@pytest.mark.parametrize("workers", [1, 2])
def test_after_a_kill_only_the_rest_is_done(tmp_path, workers):
    process = start(tmp_path, workers, waits_at=3)
    until((tmp_path / "waiting").exists)
    # With two workers, the other task goes on; the run is killed when it has nothing left to do.
    until(lambda: sum(times_done(tmp_path)) == (3 if workers == 1 else 4))
    waiting = int((tmp_path / "waiting").read_text(encoding="utf-8"))
    process.send_signal(signal.SIGKILL)
    process.wait()
    # Workers end with the process that started them, and so does all else that it started.
    until(lambda: not running(waiting) and not any(str(tmp_path) in line for line in command_lines()))
    process.stdout.close(), process.stderr.close()
    output, errors = start(tmp_path, workers).communicate(timeout=300)
    assert "LEFT []" in output and "50.0/50.0" in errors and "Traceback" not in errors
    assert times_done(tmp_path) == [1] * TASKS


@pytest.mark.ci
def test_ray_does_the_same(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed")
    output, errors = start(tmp_path, 2, "ray").communicate(timeout=500)
    assert "LEFT []" in output, errors
    assert times_done(tmp_path) == [1] * TASKS


@pytest.mark.ci
def test_slurm_gets_a_job_array_whose_elements_do_the_tasks(tmp_path):
    """The commands of Slurm only note what they are called with; then the elements of the array are run as Slurm would."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, script in {"sbatch": "cat $1 >> $0.log; echo Submitted batch job 7", "scontrol": "echo node"}.items():
        (commands / name).write_text(f'#!/bin/sh\nfor last; do :; done; set -- "$last"; {script}\n', encoding="utf-8")
        (commands / name).chmod(0o755)
    output, errors = start(tmp_path, 2, "slurm", path=f"{commands}:").communicate(timeout=300)
    assert "LEFT [0, 1, 2, 3, 4]" in output, errors
    script = (tmp_path / "logs" / "launch_script.slurm").read_text(encoding="utf-8")
    assert (
        "#SBATCH --array=0-4%2" in script
        and "#SBATCH --partition=all" in script
        and "launch_pickled_pipeline" in script
    )
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{commands}:{os.environ['PATH']}",
        "SLURM_NODELIST": "node",
    }
    for element in range(TASKS):
        command = [
            sys.executable,
            "-m",
            "datatrove.tools.launch_pickled_pipeline",
            str(tmp_path / "logs" / "executor.pik"),
        ]
        done = subprocess.run(
            command, env={**environment, "SLURM_ARRAY_TASK_ID": str(element)}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert times_done(tmp_path) == [1] * TASKS


def test_slurm_needs_a_partition(tmp_path):
    with pytest.raises(ValueError, match=r"--cluster\.partition is missing"):
        Tasks(fail, [1], tmp_path / "logs", "note", Needs(tmp_path)).run("slurm", 1, ClusterSettings(), "item")
