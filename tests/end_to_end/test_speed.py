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
"""The program that measures speed: its history, and what it refuses before it measures anything."""

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("onnxruntime", reason="the extra export is not installed")
pytest.importorskip("accelerate", reason="the extra train is not installed")
from tests.speed import __main__ as program

QUICK = ("--quick", "--only", "machine")


@pytest.fixture(scope="module")
def history(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("speed") / "new folder" / "speed.jsonl"
    program.main([*QUICK, "--json", str(path), "--device", "cpu"])
    return path


@pytest.fixture
def unmeasured(monkeypatch):
    """Fails if anything is measured."""

    def measured(*_):
        raise AssertionError("A section was measured.")

    monkeypatch.setattr(program, "SECTIONS", dict.fromkeys(program.SECTIONS, measured))


def test_a_run_is_kept_and_compared_with(history, tmp_path, capsys):
    (run,) = map(json.loads, history.read_text().splitlines())
    run["rows"][0]["value"] *= 1e6
    faster = tmp_path / "faster.jsonl"
    faster.write_text(json.dumps(run) + "\n")
    program.main([*QUICK, "--device", "cpu", "--json", str(faster), "--against", str(faster)])
    table = [line.split("|") for line in capsys.readouterr().out.splitlines() if line.startswith("| machine")]
    ratios = [float(cells[-2]) for cells in table]
    assert len(ratios) == 3 and ratios[0] > 1e4 and 0 < ratios[1] < 1e3
    assert len(faster.read_text().splitlines()) == 2


def test_a_profile_is_a_trace(tmp_path):
    file = tmp_path / "new folder" / "step.json"
    program.main([*QUICK, "--device", "cpu", "--profile", str(file)])
    names = {event.get("name") for event in json.loads(file.read_text())["traceEvents"]}
    assert {"aten::addmm", "aten::_fused_adamw_"} <= names


def _changed(history: Path, folder: Path, **changes) -> Path:
    path = folder / "history.jsonl"
    path.write_text(json.dumps(json.loads(history.read_text()) | changes) + "\n")
    return path


def _written(folder: Path, text: bytes) -> Path:
    path = folder / "history.jsonl"
    path.write_bytes(text)
    return path


@pytest.mark.parametrize(
    ("against", "sentence"),
    [
        (lambda history, folder: folder / "none.jsonl", "cannot be read (No such file or directory); name a file"),
        (lambda history, folder: folder, "cannot be read (Is a directory); name a file"),
        (lambda history, folder: _written(folder, b""), "has no run with processor "),
        (lambda history, folder: _written(folder, b"{}\n"), "line 1 of "),
        (lambda history, folder: _written(folder, b'[1]\n{"'), "line 1 of "),
        (lambda history, folder: _written(folder, b"\xff\xfe"), "is no run; remove it, or name a file"),
        (lambda history, folder: _written(folder, history.read_bytes() + b'{"time": '), "line 2 of "),
        (lambda history, folder: _changed(history, folder, rows=None), "is no run"),
        (lambda history, folder: _changed(history, folder, processor="Another"), "has no run with processor "),
        (lambda history, folder: _changed(history, folder, device="H200"), "device cpu, quick True; make one"),
        (lambda history, folder: _changed(history, folder, quick=False), "quick True; make one with --json"),
    ],
)
def test_other_histories_are_refused(against, sentence, history, tmp_path, unmeasured):
    path = against(history, tmp_path)
    with pytest.raises(ValueError) as refused:
        program.main([*QUICK, "--device", "cpu", "--against", str(path)])
    assert sentence in str(refused.value) and str(path) in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize("flag", ["--json", "--profile"])
@pytest.mark.parametrize("place", ["", "file/run.jsonl"])
def test_files_that_cannot_be_written_are_refused_at_once(flag, place, tmp_path, unmeasured):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=f"{tmp_path}.*pass another {flag}"):
        program.main([*QUICK, flag, str(tmp_path / place)])


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--only", "tower"], "'tower' is not a section; expected some of machine, "),
        (["--device", "gpu"], "'gpu' cannot be measured; expected cpu, or cuda"),
        (["--device", "cuda:99"], "'cuda:99' cannot be measured; expected cpu, or cuda"),
        (["--device", "meta"], "'meta' cannot be measured"),
        (["--published", "docs"], "'docs' has no gair/__init__.py; expected a checkout"),
        (["--published", "CHECKOUT", "--published_python", "no-python"], "'no-python' is not an interpreter; name one"),
    ],
)
def test_other_options_are_refused_in_one_sentence(flags, sentence, tmp_path, unmeasured, capsys):
    (tmp_path / "gair").mkdir()
    (tmp_path / "gair" / "__init__.py").write_text("")
    with pytest.raises(SystemExit):
        program.main([str(tmp_path) if flag == "CHECKOUT" else flag for flag in flags])
    assert sentence in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(unmeasured, capsys):
    with pytest.raises(SystemExit):
        program.main(["--device", "cuda"])
    assert (
        "'cuda' cannot be measured; expected cpu, or cuda where PyTorch finds a GPU (here: 0)"
        in capsys.readouterr().err
    )
