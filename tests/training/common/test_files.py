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
"""Files are written whole or not at all, and folders that cannot be written are named before the work."""

import re

import pytest

from training.common.files import check_writable, files_written_whole, write_atomically, written_whole


def contents(folder):
    return {path.name: path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a.json"
    for content in ("first", b"second"):
        write_atomically(path, content)
    assert contents(tmp_path) == {"a.json": "second"}
    with written_whole(path) as temporary:
        assert temporary.suffix == ".json" and temporary.parent == tmp_path
        temporary.write_text("third")
        assert path.read_text() == "second"
    assert contents(tmp_path) == {"a.json": "third"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(type(error) if isinstance(error, Exception) else error), written_whole(path) as temporary:
        temporary.write_text("half")
        raise error
    assert contents(tmp_path) == {"a.json": "old"}


def test_several_files_are_replaced_together(tmp_path):
    for name in ("a", "kept"):
        (tmp_path / name).write_text("old")
    with pytest.raises(RuntimeError), files_written_whole(tmp_path) as folder:
        (folder / "a").write_text("new")
        raise RuntimeError
    assert contents(tmp_path) == {"a": "old", "kept": "old"}
    with files_written_whole(tmp_path) as folder:
        (folder / "a").write_text("new")
        (folder / "below").mkdir()
        (folder / "below" / "b").write_text("new")
        assert (tmp_path / "a").read_text() == "old"
    assert contents(tmp_path) == {"a": "new", "b": "new", "kept": "old"}
    assert {path.name for path in tmp_path.iterdir()} == {"a", "below", "kept"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    check_writable(tmp_path / "new" / "below", "…")
    assert list((tmp_path / "new" / "below").iterdir()) == []
    (tmp_path / "file").touch()
    told = f"Nothing can be written to '{tmp_path / 'file' / 'below'}' (Not a directory); pass another --output."
    with pytest.raises(ValueError, match=re.escape(told)):
        check_writable(tmp_path / "file" / "below", "pass another --output")
