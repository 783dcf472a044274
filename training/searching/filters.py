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
"""Filters: which rows lie in a box and meet a condition in SQL, decided by DuckDB before any vector is compared."""

import re
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from training.common.errors import reason
from training.common.tables import shown
from training.searching.parts import ROW_NUMBER

try:
    import duckdb
except ImportError as error:
    raise ValueError("duckdb is not installed, which filters need; pip install 'gair[embed]'.") from error

# A condition reads the columns, and no files or addresses; nor can it lift that.
_CLOSED = ("SET enable_external_access = false", "SET lock_configuration = true")
_VIEW = "embeddings"


class RowFilter:
    """
    Chooses rows by their columns.

    Args:
        rows (`pa.Table`): columns of the rows, among them lon, lat and `row_number`. Columns of float16, which DuckDB does not read,
            cannot be named in conditions.
    """

    def __init__(self, rows: pa.Table):
        self._columns = [field.name for field in rows.schema if not pa.types.is_float16(field.type)]
        self._rows = rows.select(self._columns)
        self._connection = duckdb.connect(":memory:")
        for setting in _CLOSED:
            self._connection.execute(setting)

    def selected(self, bbox: Sequence[float] | None, where: str | None) -> np.ndarray:
        """
        The numbers of the rows that pass.

        Args:
            bbox (west, south, east, north, *optional*): degrees; a row passes if its lon, lat lies in the box or on its edge.
                west > east means across the antimeridian.
            where (`str`, *optional*): a condition in DuckDB's SQL on the columns.

        Returns:
            `np.ndarray` of shape `(n,)`, int64, in ascending order.

        Raises:
            ValueError: the condition cannot be evaluated.
        """
        return self._numbers(bbox, where, "")

    def check(self, where: str) -> None:
        """
        Checks a condition, before anything is embedded or compared.

        Raises:
            ValueError: it is no SQL, or names a column that the rows do not have.
        """
        self._numbers(None, where, "EXPLAIN ")

    def _numbers(self, bbox: Sequence[float] | None, where: str | None, prefix: str) -> np.ndarray:
        in_box = "true" if bbox is None else _in_box(bbox)
        rows = f"(SELECT * FROM {_VIEW} WHERE {in_box})"
        statement = f"{prefix}SELECT {ROW_NUMBER} FROM {rows} WHERE (\n{where or 'true'}\n)"
        try:
            # A cursor of its own, so that threads can search at once.
            cursor = self._connection.cursor()
            cursor.register(_VIEW, self._rows)
            found = cursor.execute(statement).fetchnumpy()
        except duckdb.Error as error:
            raise ValueError(self._sentence(where, error)) from error
        return np.sort(np.asarray(found.get(ROW_NUMBER, ()), np.int64))

    def _sentence(self, where: str | None, error: Exception) -> str:
        message = re.sub(r"^\w+ Error: ", "", reason(error))
        named = [name for name in self._columns if name != ROW_NUMBER]
        return f"where is {where!r}, which cannot be evaluated ({message}); expected SQL on the columns {shown(named)}."


def _in_box(bbox: Sequence[float]) -> str:
    west, south, east, north = map(float, bbox)
    beside = "AND" if west <= east else "OR"
    return f"lat BETWEEN {south!r} AND {north!r} AND (lon >= {west!r} {beside} lon <= {east!r})"
