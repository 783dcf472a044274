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
"""Listing the files of an input."""

from training.common.inputs import even_sizes, files_in


def test_files_are_listed_in_order_and_through_links(tmp_path):
    folder, elsewhere = tmp_path / "tiles", tmp_path / "elsewhere"
    for path in (
        folder / "b.tif",
        folder / "a" / "c.TIF",
        folder / ".hidden" / "d.tif",
        folder / "e.txt",
        elsewhere / "f.tif",
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (folder / "z").symlink_to(elsewhere)
    # Without end, if it were followed.
    (folder / "a" / "up").symlink_to(folder)
    found = [path.relative_to(folder).as_posix() for path in files_in(folder, (".tif",))]
    assert found == ["b.tif", "a/c.TIF", "z/f.tif"]


def test_tasks_have_equal_sizes():
    assert even_sizes(7, 3) == [2, 2, 3] and even_sizes(6, 3) == [3, 3] and even_sizes(1, 3) == [1]
