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
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("rasterio", reason="the extra train is not installed")

from training.world.__main__ import main

REPOSITORY = Path(__file__).parents[3]


@pytest.mark.ci
def test_interrupted_runs_end_promptly_without_a_data_set(tmp_path):
    # Both at once, since startup takes most of the time.
    interrupted, killed = (start(tmp_path / name) for name in ("interrupted", "killed"))
    for name in ("interrupted", "killed"):
        wait_until(lambda name=name: "place train" in (tmp_path / f"{name}.log").read_text(), seconds=90)
    # Ctrl-C reaches all processes of a terminal.
    os.killpg(interrupted.pid, signal.SIGINT)
    killed.kill()
    for process in (interrupted, killed):
        assert process.wait(timeout=20) != 0
        wait_until(lambda process=process: not group_lives(process.pid), seconds=20)
    assert (tmp_path / "interrupted.log").read_text().endswith("interrupted was not written.\n")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [f"killed.incomplete-{killed.pid}"]


def start(output: Path) -> subprocess.Popen:
    """Start a long run in its own process group; its messages go to a file beside the output."""
    flags = "--workers 1 --tiles 1000000 --held_out_tiles 1 --held_out_photos 1"
    command = (sys.executable, "-m", "training.world", "--output", str(output), *flags.split())
    with output.with_suffix(".log").open("w") as log:
        return subprocess.Popen(command, stderr=log, cwd=REPOSITORY, start_new_session=True)


def group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.05)


def test_the_command_writes_the_data_set_of_its_flags(tmp_path, capsys, no_processes):
    output = tmp_path / "world"
    flags = "--tiles 1 --photos 1 --held_out_tiles 1 --held_out_photos 1 --control --workers 1"
    main(["--output", str(output), *flags.split()])
    assert "2 pairs in 1 + 1 tiles" in capsys.readouterr().out
    assert "(control)" in (output / "README.md").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="exists and is not an empty directory"):
        main(["--output", str(output), *flags.split()])


def test_the_command_requires_an_output():
    with pytest.raises(ValueError, match="--output is missing"):
        main(["--tiles", "1"])


def test_help_lists_the_options(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--held_out_photos" in capsys.readouterr().out
