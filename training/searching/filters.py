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
from functools import cached_property, lru_cache

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
_KEPT_CONDITIONS = 8


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
        # Reading a column of a million rows takes longer than comparing the rows that pass, and conditions are often repeated.
        self._passing = lru_cache(_KEPT_CONDITIONS)(self._evaluated)

    def selected(self, bbox: Sequence[float] | None, where: str | None) -> np.ndarray:
        """
        The numbers of the rows that pass.

        Args:
            bbox (west, south, east, north, *optional*): degrees; a row passes if its lon, lat lies in the box or on its edge.
                west > east means across the antimeridian.
            where (`str`, *optional*): a condition in DuckDB's SQL on the columns. The last ones are remembered.

        Returns:
            `np.ndarray` of shape `(n,)`, int64, in ascending order.

        Raises:
            ValueError: the condition is not one expression, or cannot be evaluated.
        """
        if where is None:
            return np.arange(len(self._rows)) if bbox is None else self._inside(bbox)
        passing = self._passing(where)
        return passing if bbox is None else np.intersect1d(passing, self._inside(bbox), assume_unique=True)

    def check(self, where: str) -> None:
        """
        Checks a condition, before anything is embedded or compared.

        Raises:
            ValueError: it is not one expression in SQL, or names a column that the rows do not have.
        """
        self._query(where, "EXPLAIN ")

    def _inside(self, bbox: Sequence[float]) -> np.ndarray:
        """The numbers of the rows in a box, in ascending order: of those between its parallels, the ones between its meridians."""
        west, south, east, north = map(float, bbox)
        rows, lon, lat = self._by_latitude
        first, last = np.searchsorted(lat, south, "left"), np.searchsorted(lat, north, "right")
        lon, rows = lon[first:last], rows[first:last]
        inside = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
        return np.sort(rows[inside])

    @cached_property
    def _by_latitude(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The numbers of all rows, and their lon and lat, ordered by lat."""
        lon, lat = (self._rows.column(name).to_numpy() for name in ("lon", "lat"))
        order = np.argsort(lat, kind="stable")
        return order, lon[order], lat[order]

    def _evaluated(self, where: str) -> np.ndarray:
        found = self._query(where, "")
        numbers = np.sort(np.asarray(found.get(ROW_NUMBER, ()), np.int64))
        # Whoever searches gets the array that is remembered.
        numbers.flags.writeable = False
        return numbers

    def _query(self, where: str, prefix: str) -> dict[str, np.ndarray]:
        statement = f"{prefix}SELECT {ROW_NUMBER} FROM {_VIEW} WHERE (\n{where}\n)"
        try:
            # One expression, which cannot close the bracket and go on with other statements.
            duckdb.SQLExpression(where)
            # A cursor of its own, so that threads can search at once.
            cursor = self._connection.cursor()
            cursor.register(_VIEW, self._rows)
            return cursor.execute(statement).fetchnumpy()
        except duckdb.Error as error:
            raise ValueError(self._sentence(where, error)) from error

    def _sentence(self, where: str, error: Exception) -> str:
        message = re.sub(r"^(\w+ )+Error: ", "", reason(error))
        named = [name for name in self._columns if name != ROW_NUMBER]
        return f"where is {where!r}, which cannot be evaluated ({message}); expected one condition in SQL on the columns {shown(named)}."
