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
"""Cache files are written whole or not at all, and arrays are mapped from them."""

import mmap

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.files import keep_if_possible, mapped_record, write_atomically, write_record


def test_a_file_appears_whole_in_a_new_folder(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomically(path, lambda file: file.write(b"whole"))
    assert path.read_bytes() == b"whole" and list(path.parent.iterdir()) == [path]


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"new")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


@pytest.fixture
def record():
    """Arrays of several kinds and shapes, among them odd sizes and none."""
    numbers = np.random.default_rng(0)
    return {
        "mode": np.array("nili"),
        "half": numbers.standard_normal((3, 5)).astype(np.float16),
        "single": numbers.standard_normal((2, 3, 4)).astype(np.float32),
        "none": np.empty((0, 7), np.float32),
        "double": numbers.standard_normal(3),
    }


def test_a_record_is_mapped_from_its_file(record, tmp_path):
    path = tmp_path / "record.npy"
    assert keep_if_possible(path, lambda file: write_record(file, record))
    whole, found = path.read_bytes(), mapped_record(path)
    assert set(found) == set(record)
    for name, array in record.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype and found[name].flags.aligned
    root = found["single"]
    while isinstance(root, np.ndarray):
        root = root.base
    assert isinstance(root, mmap.mmap)
    # Computations may write to them; the file stays as it is.
    found["single"][:] = 0
    assert path.read_bytes() == whole and mapped_record(path)["single"].any()


@pytest.mark.parametrize("kept", [0, 20, 100, 200, -1])
def test_a_record_that_lacks_its_end_is_refused(kept, record, tmp_path):
    path = tmp_path / "record.npy"
    write_atomically(path, lambda file: write_record(file, record))
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises((OSError, ValueError, EOFError)):
        mapped_record(path)


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert not keep_if_possible(tmp_path / "file" / "kept", lambda file: file.write(b"content"))
    assert "which costs memory, and time at the next start" in capsys.readouterr().out
