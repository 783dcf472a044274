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
"""`training/embed.py` as users run it: killed and run again, with the same files as a run that was not; bounded memory; one sentence on errors."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytest.importorskip("datatrove", reason="the extra embed is not installed")
from tests.helpers.embedding import ROOT, embed_command, write_places, write_tiles

pytestmark = pytest.mark.ci
_PLACES, _TASKS = 24_000, 12


def start(input: Path | str, output: Path, *flags: str) -> subprocess.Popen:
    command = embed_command(input, output, *flags)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(input: Path | str, output: Path, *flags: str) -> tuple[int, str, str]:
    process = start(input, output, *flags)
    out, errors = process.communicate(timeout=600)
    return process.returncode, out, errors


def kill_when(process: subprocess.Popen, condition) -> None:
    end = time.monotonic() + 300
    while not condition():
        assert process.poll() is None and time.monotonic() < end, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()


def files(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((output / "embeddings").glob("[0-9]*.parquet"))}


def test_killed_twice_and_resumed_it_is_as_if_it_had_not_been(tmp_path):
    path = write_places(tmp_path / "p.csv", _PLACES)
    path.write_text(path.read_text(encoding="utf-8") + "bad,nowhere,0,99,0\n", encoding="utf-8")
    flags = ("--items_per_task", str(-(-(_PLACES + 1) // _TASKS)), "--batch_size", "500")
    code, out, errors = run(path, tmp_path / "whole", *flags)
    assert code == 2 and f"{_PLACES:,} embeddings" in out and "lat is 99" in out and "embed: 100%" in errors
    for done in (2, 6):
        process = start(path, tmp_path / "killed", *flags)
        # Not only between tasks: while one writes, too.
        kill_when(process, lambda done=done: len(files(tmp_path / "killed")) >= done)
    assert len(files(tmp_path / "killed")) < _TASKS
    code, out, _ = run(path, tmp_path / "killed", *flags)
    assert code == 2 and "in 12 tasks, 0 done" not in out
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    assert (tmp_path / "killed" / "errors.jsonl").read_bytes() == (tmp_path / "whole" / "errors.jsonl").read_bytes()
    ids = pa.concat_tables(
        [pq.read_table(file, columns=["id"]) for file in (tmp_path / "killed" / "embeddings").iterdir()]
    )
    assert len(ids) == len(set(ids["id"].to_pylist())) == _PLACES
    # No half-written file is left.
    assert not list((tmp_path / "killed" / "embeddings").glob(".*"))
    code, out, _ = run(path, tmp_path / "killed", *flags)
    assert code == 2 and f"{_TASKS} tasks, {_TASKS} done before" in out


def test_two_workers_write_the_files_of_one(tmp_path):
    folder = write_tiles(tmp_path / "tiles", 40)
    flags = ("--items_per_task", "10", "--dtype", "float16")
    assert run(folder, tmp_path / "one", *flags)[0] == 0
    assert run(folder, tmp_path / "two", *flags, "--workers", "2")[0] == 0
    assert files(tmp_path / "one") == files(tmp_path / "two") and len(files(tmp_path / "two")) == 4


def test_a_dry_run_writes_nothing(tmp_path):
    code, out, _ = run("grid:100km", tmp_path / "out", "--bbox", "-10,40,10,50", "--dry_run")
    assert code == 0 and not (tmp_path / "out").exists()
    assert (
        re.search(r"Dry run: [\d,]+ places in 1 task; about [\d,]+ rows and [\d.]+ [MG]B\.", out)
        and "seconds with 1 worker on this CPU" in out
    )


def test_bad_command_lines_end_with_one_sentence(tmp_path):
    for input, flags, says in (
        (
            tmp_path / "none",
            ("--what", "places"),
            "does not exist here; check the path",
        ),
        ("grid:10", (), "expected a grid such as grid:10km"),
        ("grid:10km", ("--bbox", "5,5"), "expected west,south,east,north"),
    ):
        code, _, errors = run(input, tmp_path / "out", *flags)
        assert code == 1 and says in errors and "Traceback" not in errors, errors
