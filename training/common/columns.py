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
"""What the cells of a table mean: numbers, classes or nothing. All cells of a column decide, and a mixture is refused."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from training.common.tables import Table

# Text that stands for a missing value, beside empty cells.
MISSING_VALUES = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None")
REGRESSION, CLASSIFICATION = "regression", "classification"
_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_DECIMAL_COMMA = r"[-+]?[0-9]*,[0-9]+(?:[eE][-+]?[0-9]+)?"
_THOUSANDS = r"[-+]?[1-9][0-9]{0,2},[0-9]{3}"
# A number with something attached: a unit, a sign for "less than", thousands separators; or a date.
_LIKE_A_NUMBER = r"[<>~≈±=$€£]*\s*[-+]?\.?[0-9].*"
# Numbers are not written with leading zeros, codes of regions are.
_CODE = re.compile("0[0-9]+")
_LEAST_ROWS_PER_CLASS = 2
_EXAMPLES, _LONGEST_EXAMPLE = 3, 30


@dataclass(frozen=True)
class Cells:
    """
    The N cells of a column.

    Attributes:
        numbers (`np.ndarray` of shape `(N,)`): float64; NaN for what is not a number.
        missing (`np.ndarray` of shape `(N,)`): whether a cell is empty or stands for a missing value.
        raw (`np.ndarray` of shape `(N,)`): numbers of a column of numbers, else text without surrounding blanks, or None.
        is_text (`bool`): whether the column holds text.
        remarks (`tuple[str, ...]`): sentences on how the cells were understood.
    """

    numbers: np.ndarray
    missing: np.ndarray
    raw: np.ndarray
    is_text: bool
    remarks: tuple[str, ...] = ()

    @property
    def other(self) -> np.ndarray:
        """Whether each cell `(N,)` is neither a number nor missing."""
        return np.isnan(self.numbers) & ~self.missing

    def counted(self) -> str:
        """The numbers and the other cells, counted, with examples."""
        distinct = pd.unique(self.raw[self.other])
        examples = ", ".join(repr(value[:_LONGEST_EXAMPLE]) for value in distinct[:_EXAMPLES])
        numbers, others = int((~self.missing & ~self.other).sum()), int(self.other.sum())
        return (
            f"{numbers} number{'s' * (numbers != 1)} and {others} other cell{'s' * (others != 1)} (such as {examples})"
        )


def read_cells(table: Table, name: str, missing_values: Sequence[str] = ()) -> Cells:
    """
    The cells of a column.

    Args:
        table ([`Table`]): the table.
        name (`str`): a column.
        missing_values (`Sequence[str]`): what else stands for a missing value; a number does so in columns of numbers too.

    Raises:
        ValueError: there is no such column, or it holds something else than numbers and text, e.g. dates.
    """
    column = table.column(name)
    kind = column.type
    if pa.types.is_null(kind):
        column, kind = column.cast(pa.float64()), pa.float64()
    if pa.types.is_boolean(kind):
        column, kind = pc.if_else(column, "True", "False"), pa.string()
    if pa.types.is_string(kind):
        return _text_cells(table, name, column, missing_values)
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        fix = "write them as numbers, e.g. years or days" if pa.types.is_temporal(kind) else "name another column"
        raise ValueError(
            f"Column {name!r} of {table.name} holds values of the type {kind}, expected numbers or text; {fix}."
        )
    numbers = column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64, copy=True)
    exact = pa.types.is_integer(kind) and column.null_count == 0
    raw = column.to_numpy() if exact else numbers
    absent = np.isnan(numbers) | np.isin(numbers, [float(text) for text in missing_values if _is_number(text)])
    if _class_names(table, name) is not None:
        # The `datasets` library marks a missing label so.
        absent |= numbers == -1
    return Cells(np.where(absent, np.nan, numbers), absent, raw, is_text=False)


def read_numbers(table: Table, name: str, missing_values: Sequence[str] = ()) -> np.ndarray:
    """
    The numbers `(N,)` of a column, float64, NaN where missing.

    Raises:
        ValueError: other cells are neither; the message counts them.
    """
    cells = read_cells(table, name, missing_values)
    if cells.other.any():
        raise ValueError(
            f"Column {name!r} of {table.name} holds {cells.counted()}, expected numbers; write plain "
            "numbers, and leave the cells of missing values empty."
        )
    return cells.numbers


def read_values(table: Table, name: str, missing_values: Sequence[str] = ()) -> np.ndarray:
    """The cells `(N,)` of a column: numbers (NaN where missing) if all are, else text (None where missing)."""
    return _values(read_cells(table, name, missing_values))


def holds_numbers(table: Table, name: str) -> bool:
    """Whether all cells of a column are numbers or missing, and some are numbers."""
    try:
        cells = read_cells(table, name)
    except ValueError:
        return False
    return not cells.other.any() and not cells.missing.all() and not _is_label(table, name)


def read_target(
    table: Table, name: str, target_type: str | None, missing_values: Sequence[str] = ()
) -> tuple[np.ndarray, str, tuple[str, ...]]:
    """
    A column to predict.

    Args:
        target_type (`str`, *optional*): `regression` or `classification`; by default numbers are values and text is classes,
            and so is a column that the file marks as categories or labels.

    Returns:
        the cells `(N,)` as of [`read_values`], the type, and sentences on how the cells were understood.

    Raises:
        ValueError: the type is not clear from the cells, or does not fit them.
    """
    cells = read_cells(table, name, missing_values)
    what = f"Column {name!r} of {table.name}"
    if cells.missing.all():
        raise ValueError(f"{what} has no values, all {len(cells.missing)} cells are missing; name another column.")
    found = target_type or _target_type(cells, _is_label(table, name), what)
    if found == REGRESSION:
        values = read_numbers(table, name, missing_values)
        return values, found, cells.remarks
    values = _values(cells)
    distinct, filled = len(pd.unique(values[~cells.missing])), int((~cells.missing).sum())
    if distinct * _LEAST_ROWS_PER_CLASS > filled and distinct > _LEAST_ROWS_PER_CLASS:
        raise ValueError(
            f"{what} holds {distinct} different values in {filled} rows, too many for classes; name a column whose classes "
            "have several rows each, or numbers to regress."
        )
    return values, found, cells.remarks


def _target_type(cells: Cells, is_label: bool, what: str) -> str:
    """The type of a target, by all its cells."""
    numbers, others = int((~cells.missing & ~cells.other).sum()), int(cells.other.sum())
    as_classes = "pass --target_type classification if all cells are classes"
    if is_label:
        return CLASSIFICATION
    if not others:
        codes = [text for text in cells.raw[~cells.missing] if cells.is_text and _CODE.fullmatch(text)]
        if codes:
            raise ValueError(
                f"{what} holds {len(codes)} cells such as {codes[0][:_LONGEST_EXAMPLE]!r}, whose leading zeros are those of codes; pass "
                "--target_type classification for codes of classes, or regression for quantities."
            )
        return REGRESSION
    if numbers:
        raise ValueError(
            f"{what} holds {cells.counted()}; correct the cells, pass as --missing_values what stands for no value, or {as_classes}."
        )
    alike = pd.Series(cells.raw[cells.other]).str.fullmatch(_LIKE_A_NUMBER)
    if alike.sum() * 2 > others:
        example = cells.raw[cells.other][alike.to_numpy()][0][:_LONGEST_EXAMPLE]
        raise ValueError(
            f"{what} holds {int(alike.sum())} cells such as {example!r}, which look like numbers with units or separators, or like "
            f"dates; write plain numbers with a decimal point, or {as_classes}."
        )
    return CLASSIFICATION


def _values(cells: Cells) -> np.ndarray:
    if not cells.is_text:
        # Integers of a column of numbers stay exact.
        return cells.raw if not cells.missing.any() else cells.numbers
    return cells.raw if cells.other.any() else cells.numbers


def _text_cells(table: Table, name: str, column: pa.ChunkedArray, missing_values: Sequence[str]) -> Cells:
    text = pd.Series(column.to_pandas().to_numpy(object)).str.strip()
    tokens = text.isin((*MISSING_VALUES, *missing_values))
    absent = (text.isna() | (text == "") | tokens).to_numpy(bool, copy=True)
    remarks = []
    if tokens.any():
        listed = ", ".join(f"{count} × {token!r}" for token, count in text[tokens].value_counts().items())
        remarks.append(f"Column {name!r} of {table.name} has cells that stand for a missing value ({listed}).")
    plain = text.where(~absent).str.replace("−", "-")
    if _has_decimal_commas(plain, table.semicolons):
        remarks.append(f"Column {name!r} of {table.name} is written with decimal commas.")
        plain = plain.str.replace(",", ".")
    matched = plain.str.fullmatch(_NUMBER).eq(True).to_numpy(bool)
    numbers = np.full(len(text), np.nan)
    numbers[matched] = plain[matched].astype(np.float64)
    of_no_value = [float(value) for value in missing_values if _is_number(value)]
    absent |= np.isin(numbers, of_no_value)
    numbers[absent] = np.nan
    raw = text.to_numpy(object, copy=True)
    raw[absent] = None
    return Cells(numbers, absent, raw, is_text=True, remarks=tuple(remarks))


def _has_decimal_commas(text: pd.Series, semicolons: bool) -> bool:
    """
    Whether the commas in cells are decimal: all cells are numbers in that notation, and semicolons separate the columns or a
    comma cannot separate thousands.
    """
    filled = text.dropna()
    commas = filled.str.fullmatch(_DECIMAL_COMMA)
    if (
        not commas.any()
        or (filled[~commas].str.fullmatch(_NUMBER) & filled[~commas].str.contains(".", regex=False)).any()
    ):
        return False
    return semicolons or not filled[commas].str.fullmatch(_THOUSANDS).all()


def _is_number(text: str) -> bool:
    try:
        return np.isfinite(float(text))
    except ValueError:
        return False


def _is_label(table: Table, name: str) -> bool:
    """Whether the file itself says that a column holds classes."""
    return pa.types.is_dictionary(table.data.schema.field(name).type) or _class_names(table, name) is not None


def _class_names(table: Table, name: str) -> Any:
    """The names of a label column that the `datasets` library wrote; None for other columns."""
    metadata = (table.data.schema.metadata or {}).get(b"huggingface")
    try:
        feature = json.loads(metadata or b"{}")["info"]["features"][name]
    except (ValueError, KeyError, TypeError):
        return None
    return feature.get("names") if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" else None
