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
"""Programs that run at the same time and are stopped together."""

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("tqdm", reason="the extra train is not installed")
from training.evidence.processes import ChildProcesses, run_all

ROOT = Path(__file__).parents[3]
# Runs two children that save at SIGTERM, as `python -m training.evidence` does.
PROGRAM = """
import sys
from pathlib import Path
from training.common.programs import run_program
from training.evidence.processes import run_all

child = '''
import signal, sys, threading
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
print("started", flush=True)
stop.wait()
print("saved", flush=True)
'''

def main(arguments):
    folder = Path(arguments[0])
    run_all("abc", {}, lambda name, children: children.run(["-c", child], folder / name, {}), 2)

run_program(main, "Interrupted; the same command resumes.", stop_at_sigterm=True)
"""


def test_a_failed_program_states_the_reason(tmp_path):
    log = tmp_path / "logs" / "log.txt"
    ChildProcesses().run(["-c", "print('an earlier line')"], log, {})
    for code, why in (
        ("raise SystemExit('no such value')", "no such value"),
        ("raise SystemExit(3)", "it ended with exit status 3 and no output"),
        ("import os; os.kill(os.getpid(), 9)", "it was ended by signal 9"),
    ):
        with pytest.raises(ValueError, match=f"A run failed: {why} "):
            ChildProcesses().run(["-c", code], log, {})
    ChildProcesses().run(["-c", "import os; print(os.environ['GAIR_OF_TEST'])"], log, {"GAIR_OF_TEST": "given"})
    assert log.read_text(encoding="utf-8").splitlines()[-1] == "given"


def test_stopped_programs_can_save_and_none_starts_afterwards(tmp_path):
    code = (
        "import signal, threading\nstop = threading.Event()\nsignal.signal(signal.SIGTERM, lambda *_: stop.set())\n"
        "print('began', flush=True)\nstop.wait()\nprint('saved')"
    )  # fmt: skip
    children, log = ChildProcesses(), tmp_path / "log.txt"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(children.run, ["-c", code], log, {})
        while not log.is_file() or "began" not in log.read_text(encoding="utf-8"):
            assert not running.done()
            time.sleep(0.05)
        children.stop()
        with pytest.raises(ValueError, match="it was stopped"):
            running.result(300)
    assert "saved" in log.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="Stopped"):
        children.run(["-c", "print('late')"], log, {})
    assert "late" not in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("sigint_ignored", [False, True], ids=["foreground", "background"])
def test_a_signal_lets_all_programs_save_however_the_shell_started_them(tmp_path, sent, sigint_ignored):
    """A shell starts background jobs with SIGINT ignored."""

    def prepare() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN if sigint_ignored else signal.SIG_DFL)

    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=prepare,
    )
    logs = [tmp_path / "a", tmp_path / "b"]
    while not all(log.is_file() and "started" in log.read_text(encoding="utf-8") for log in logs):
        assert program.poll() is None
        time.sleep(0.05)
    program.send_signal(sent)
    _, printed = program.communicate(timeout=300)
    assert program.returncode == 1 and printed.strip().endswith("Interrupted; the same command resumes.")
    assert all(log.read_text(encoding="utf-8").endswith("saved\n") for log in logs)
    assert not (tmp_path / "c").exists()


def test_tasks_wait_for_others_and_a_failure_stops_all():
    done = []

    def work(task, children):
        if task == "bad":
            raise ValueError("no such value")
        done.append(task)

    run_all(["teacher", "pupil"], {"pupil": "teacher"}, work, 2)
    assert done == ["teacher", "pupil"]
    with pytest.raises(ValueError, match="no such value"):
        run_all(["bad", "pupil"], {"pupil": "bad"}, work, 2)
    assert done == ["teacher", "pupil"]
