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
"""Programs end with one sentence on errors, and signals stop them however they were started."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WAITS = """
import threading
from training.common.programs import run_program

def main(arguments):
    print("began", flush=True)
    threading.Event().wait()

run_program(main, "It was interrupted.", stop_at_sigterm={stop_at_sigterm})
"""


def start(code: str, interrupts: signal.Handlers) -> subprocess.Popen:
    """Start a program with SIGINT handled or ignored; shells start background jobs with SIGINT ignored."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, interrupts),
    )


@pytest.mark.parametrize("interrupts", [signal.SIG_IGN, signal.SIG_DFL])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_program_however_it_was_started(number, interrupts):
    program = start(WAITS.format(stop_at_sigterm=True), interrupts)
    assert program.stdout.readline() == "began\n"
    program.send_signal(number)
    _, said = program.communicate(timeout=60)
    assert (program.returncode, said) == (1, "It was interrupted.\n")


def test_sigterm_ends_a_program_without_children_at_once():
    program = start(WAITS.format(stop_at_sigterm=False), signal.SIG_DFL)
    assert program.stdout.readline() == "began\n"
    program.terminate()
    program.communicate(timeout=60)
    assert program.returncode == -signal.SIGTERM


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("return 2", 2, ""),
        ("return None", 0, ""),
        ("raise ValueError('No such file.')", 1, "No such file.\n"),
        (
            "raise OSError(28, 'No space left on device', 'a/b')",
            1,
            "'a/b' cannot be read or written (No space left on device); make room, check its permissions, or name another "
            "folder.\n",
        ),
    ],
)
def test_programs_end_with_a_status_and_one_sentence(body, code, said):
    program = start(
        f"from training.common.programs import run_program\ndef main(_): {body}\nrun_program(main)", signal.SIG_DFL
    )
    _, error = program.communicate(timeout=60)
    assert (program.returncode, error) == (code, said)


def test_a_file_that_the_system_limits_is_told_in_a_sentence(tmp_path):
    code = f"""
import resource
from pathlib import Path
from training.common.files import write_atomically
from training.common.programs import run_program

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
run_program(lambda arguments: write_atomically(Path({str(tmp_path / "large")!r}), bytes(2000)))
"""
    program = start(code, signal.SIG_DFL)
    _, said = program.communicate(timeout=60)
    assert program.returncode == 1 and said.startswith(
        f"'{tmp_path}/large' cannot be read or written (File too large); make"
    )
    assert not list(tmp_path.iterdir())
