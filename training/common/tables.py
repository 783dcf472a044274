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
"""
Users' tables, CSV or parquet, parsed by pandas and pyarrow. A path is a path and never a pattern, and nothing else in its folder
is read. What the cells mean is decided in [`training.common.columns`], by all cells of a column.
"""

import csv
import difflib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from training.common.errors import first_line

TEXT_SUFFIXES, PARQUET_SUFFIXES = (".csv", ".tsv"), (".parquet", ".geoparquet")
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_HEAD_BYTES = 2**16
# First bytes of files that are given the name of a CSV by mistake.
_NOT_TEXT = {
    b"PK\x03\x04": "a workbook or an archive",
    b"\xd0\xcf\x11\xe0": "a workbook",
    b"PAR1": "a parquet file",
    b"\x1f\x8b": "a compressed file",
}
_NAMES_SHOWN = 12


@dataclass(frozen=True)
class Table:
    """
    A table as it is stored. Cells of a CSV are text.

    Attributes:
        name (`str`): what messages call it.
        data (`pa.Table`): its columns.
        semicolons (`bool`): whether semicolons separate its columns, as where commas are decimal.
        remarks (`tuple[str, ...]`): sentences on how the file was read.
    """

    name: str
    data: pa.Table
    semicolons: bool = False
    remarks: tuple[str, ...] = ()

    def require(self, names: Sequence[str]) -> None:
        """
        Raises:
            ValueError: a column is missing, or occurs more than once.
        """
        have = self.data.column_names
        if missing := [name for name in names if name not in have]:
            near = difflib.get_close_matches(missing[0], have, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "rename a column, or name another."
            raise ValueError(
                f"{self.name} has no column {', '.join(map(repr, missing))} (it has {shown(have)}); {hint}"
            )
        if twice := [name for name in names if have.count(name) > 1]:
            raise ValueError(f"{self.name} has several columns {twice[0]!r}; give each column a name of its own.")

    def column(self, name: str) -> pa.ChunkedArray:
        """A column's cells; dictionaries (categories) are resolved, and text is of type `string`."""
        self.require([name])
        column = self.data.column(name)
        if pa.types.is_dictionary(column.type):
            try:
                column = column.cast(column.type.value_type)
            except pa.ArrowException as error:
                raise ValueError(
                    f"{self.name} has a damaged column {name!r} ({first_line(error)[:200]}); write or download the file again."
                ) from error
        is_text = pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type)
        return column.cast(pa.string()) if is_text else column


def local_path(path: str | os.PathLike) -> Path:
    """The path; a leading `~` is the home folder, unless a file has that very name."""
    given = Path(path)
    return given if given.exists() else Path(os.path.expanduser(given))


def read_table(path: str | os.PathLike) -> Table:
    """
    Reads a CSV (`.csv`, `.tsv`; the separator is found) or a parquet file (`.parquet`, `.geoparquet`); suffixes in any case.
    Text that is not UTF-8 is read as Western European. Remarks tell of both.

    Raises:
        ValueError: the file does not exist, has another suffix, or cannot be parsed.
    """
    file = local_path(path)
    if not file.is_file() or file.suffix.lower() not in TEXT_SUFFIXES + PARQUET_SUFFIXES:
        expected = ", ".join(TEXT_SUFFIXES + PARQUET_SUFFIXES[:-1])
        raise ValueError(
            f"{str(path)!r} is not a table; expected an existing file whose name ends in {expected} or {PARQUET_SUFFIXES[-1]}."
        )
    try:
        state = file.stat()
        return _read(file, state.st_mtime_ns, state.st_size)
    except OSError as error:
        raise ValueError(f"{str(path)!r} cannot be read ({first_line(error)}); check the file.") from error


def shown(names: Sequence[str]) -> str:
    """Names in a list for a message, which is cut if it is long."""
    listed = ", ".join(name if len(name) <= 40 else f"{name[:40]}…" for name in names[:_NAMES_SHOWN])
    return listed + (f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else "")


# The table that was read last, since several models are measured on it in turn.
@lru_cache(maxsize=1)
def _read(file: Path, modified: int, size: int) -> Table:
    table = _read_csv(file) if file.suffix.lower() in TEXT_SUFFIXES else _read_parquet(file)
    if table.data.num_rows == 0:
        raise ValueError(f"{file.name!r} has no rows below its header; add rows.")
    return table


def _read_parquet(file: Path) -> Table:
    try:
        # An open file, since pyarrow may take a path for an address, or its folders for columns.
        with file.open("rb") as opened:
            return Table(repr(file.name), pq.ParquetFile(opened).read())
    # A damaged file raises any of pyarrow's errors, and some of Python's own.
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError) as error:
        raise ValueError(
            f"{file.name!r} cannot be read as a parquet file ({first_line(error)[:200]}); write or download it again."
        ) from error


def _read_csv(file: Path) -> Table:
    with file.open("rb") as opened:
        head = opened.read(_HEAD_BYTES)
    encodings = _encodings(file, head)
    for encoding in encodings:
        try:
            separator = _separator(head.decode(encoding, errors="ignore"))
            frame = _parsed(file, separator, encoding)
            break
        except UnicodeError:
            continue
    else:
        raise ValueError(f"{file.name!r} is not text in {encodings[0]}; save it as UTF-8.")
    columns = [pa.array(frame[number].iloc[1:].astype(object), pa.string()) for number in frame.columns]
    remarks = []
    if separator != "," and not (separator == "\t" and file.suffix.lower() == ".tsv"):
        remarks.append(f"The columns of {file.name!r} are separated by {_SEPARATORS[separator]}.")
    if encoding in ("cp1252", "latin-1"):
        remarks.append(f"{file.name!r} is not UTF-8 and was read as Western European text ({encoding}).")
    names = [str(name).strip() for name in frame.iloc[0]]
    return Table(repr(file.name), pa.table(columns, names=names), separator == ";", tuple(remarks))


def _encodings(file: Path, head: bytes) -> tuple[str, ...]:
    """The encodings to try, in turn."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ("utf-16",)
    kind = next((kind for start, kind in _NOT_TEXT.items() if head.startswith(start)), None)
    if kind or b"\0" in head:
        raise ValueError(f"{file.name!r} is {kind or 'not text'}; export the table as a CSV in UTF-8, or as parquet.")
    return ("utf-8-sig", "cp1252", "latin-1")


def _separator(head: str) -> str:
    """The separator that divides the header into most columns, and most rows into as many."""
    lines = head.splitlines()
    lines = [line for line in (lines[:-1] if len(lines) > 1 else lines) if line.strip()][:50]
    best, most = ",", (0.0, 1)
    for separator in _SEPARATORS:
        widths = [len(row) for row in csv.reader(lines, delimiter=separator)]
        if widths and widths[0] > 1:
            fit = (widths.count(widths[0]) / len(widths), widths[0])
            best, most = (separator, fit) if fit > most else (best, most)
    return best


def _parsed(file: Path, separator: str, encoding: str) -> pd.DataFrame:
    """All lines of a CSV, the header among them, as text."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                file,
                sep=separator,
                header=None,
                index_col=False,
                dtype=str,
                na_filter=False,
                skipinitialspace=True,
                encoding=encoding,
                compression=None,
                engine="c",
            )
    except pd.errors.EmptyDataError as error:
        raise ValueError(f"{file.name!r} is empty; expected a line with the names of the columns.") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        reason = first_line(error).rstrip(".").removeprefix("Error tokenizing data. C error: ")
        raise ValueError(
            f"{file.name!r} cannot be read as a CSV ({reason}); give every row as many fields as the header, and quote fields "
            f"that contain {_SEPARATORS[separator]}."
        ) from error
