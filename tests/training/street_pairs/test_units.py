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
"""Units of work: one file, whole or not at all, with its failures."""

import pyarrow as pa

from training.street_pairs.units import Failure, earlier_rows, read_failures, unit_file, unit_files, write_unit

TABLE = pa.table({"photo_id": ["a", "b"], "width": [3, 4]})
GONE = Failure("c", "gone", True, "The photo is gone.")


def test_a_unit_holds_rows_and_failures_and_is_the_same_each_time(tmp_path):
    path = unit_file(tmp_path, "photos", 7)
    assert earlier_rows(tmp_path, "photos", 7) is None
    write_unit(path, TABLE, [GONE])
    first = path.read_bytes()
    assert earlier_rows(tmp_path, "photos", 7).equals(TABLE)
    assert read_failures(path) == [GONE]
    write_unit(path, TABLE, [GONE])
    assert path.read_bytes() == first
    assert list((tmp_path / "photos").iterdir()) == [path]


def test_units_are_listed_in_order_without_plans_and_unfinished_files(tmp_path):
    for rank in (11, 2):
        write_unit(unit_file(tmp_path, "tiles", rank), TABLE)
    for other in ("plan.parquet", ".00003.77.parquet"):
        (tmp_path / "tiles" / other).write_bytes(b"")
    assert [path.name for path in unit_files(tmp_path, "tiles")] == ["00002.parquet", "00011.parquet"]
