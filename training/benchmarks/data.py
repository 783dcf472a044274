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
The data of a task: tables and images from the Hub, local files or the sample world. Local files are named one by one, so that
the path of a folder is never read as a pattern, and neither is its README.md.
"""

import glob
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, IterableDataset, load_dataset
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from modeling_gair.crs_gair import check_bounds, unproject, unrolled
from training.benchmarks.tasks.task import Task
from training.common.errors import first_line
from training.common.tables import Table, read_table
from training.pairs.shards import files_of
from training.world.writer import SUMS

# The digest of data up to this size covers their content; of larger data names, sizes and modification times of the files.
_DIGESTED_BYTES = 2**28
_UNREACHABLE = (
    ConnectionError,
    TimeoutError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
)


class Unavailable(ValueError):
    """Data are not available here: gated, unreachable, or to be downloaded by hand. The task is skipped, not failed."""


def open_split(
    task: Task, split: str | None = None, streaming: bool = False, columns: list[str] | None = None
) -> Dataset | IterableDataset:
    """
    One split of a task's data.

    Args:
        task ([`Task`]): the task.
        split (`str`, *optional*): `train`, `validation` or `test`, as the task's `splits` translate it; `train` by default.
        streaming (`bool`): whether to stream rows rather than prepare the whole split on disk.
        columns (`list[str]`, *optional*): the columns to read from parquet files; all by default.

    Raises:
        Unavailable: the data are gated or cannot be reached.
        ValueError: the data cannot be read, or lack the split.
    """
    name = task.splits.get(split or "train", split or "train")
    source: dict[str, Any] = {
        "path": task.source,
        "name": task.config,
        "revision": task.revision,
        "data_files": task.data_files,
    }
    if Path(task.source).is_dir() and task.data_files is None:
        source = {"path": "parquet", "data_files": _files_by_split(Path(task.source))}
    try:
        return load_dataset(
            **source, split=name, streaming=streaming, **({} if columns is None else {"columns": columns})
        )
    except (DatasetNotFoundError, FileNotFoundError, *_UNREACHABLE) as error:
        raise Unavailable(_reason(task, error)) from error
    except DatasetGenerationError as error:
        raise ValueError(f"The data of {task.name} cannot be read: {error.__cause__ or error}") from error
    # `datasets` has no error of its own for a split that does not exist.
    except ValueError as error:
        raise ValueError(
            f"The data of {task.name} cannot be opened ({first_line(error)[:300]}); check its splits."
        ) from error


def open_table(task: Task, columns: list[str] | None = None) -> Table:
    """
    The table of a task: a local file, or a split read by [`open_split`].

    Raises:
        Unavailable, ValueError: as [`open_split`] and [`read_table`].
    """
    file = task.file()
    if file is not None:
        return read_table(file)
    data = open_split(task, columns=columns)
    return Table(f"The data of {task.name}", data.with_format("arrow")[:])


def revision_of(task: Task) -> str:
    """
    The revision of a task's data: the commit on the Hub, or a digest of local files.

    Raises:
        Unavailable: the data set is not on the Hub, or the Hub cannot be reached.
    """
    local = Path(task.source)
    if local.exists():
        return _digest_of_files(local, task.data_files)
    try:
        return HfApi().dataset_info(task.source, revision=task.revision).sha or "unknown"
    # The Hub's client lets errors of its HTTP library through, whichever that is.
    except Exception as error:
        # Data that were downloaded before can be used without the Hub.
        fetched = Path(constants.HF_HUB_CACHE) / f"datasets--{task.source.replace('/', '--')}" / "refs"
        if (reference := fetched / (task.revision or "main")).is_file():
            return reference.read_text(encoding="utf-8").strip()
        raise Unavailable(_reason(task, error)) from error


def require_columns(task: Task, data: Dataset | IterableDataset, columns: list[str]) -> None:
    """
    Raises:
        ValueError: the data lack a column.
    """
    have = data.column_names or list(next(iter(data), {}))
    missing = [column for column in columns if column not in have]
    if missing:
        raise ValueError(
            f"The data of {task.name} have no column {', '.join(map(repr, missing))} (they have {', '.join(have)}); rename "
            "a column, or change the task's `columns` or --target."
        )


def tile_centres(bounds: Iterable[Sequence[float]], systems: Iterable[str]) -> np.ndarray:
    """
    The centres of tiles.

    Args:
        bounds: west, south, east, north of each tile.
        systems: CRS of each tile's bounds.

    Returns:
        `np.ndarray` of shape `(N, 2)`: lon, lat in degrees.
    """
    centres = []
    for box, crs in zip(bounds, systems):
        west, south, east, north = unrolled(check_bounds(box, crs))
        lon, lat = unproject((west + east) / 2, (south + north) / 2, crs)
        centres.append((float(lon), float(lat)))
    return np.array(centres)


def ruled_labels(task: Task, raw: Any) -> tuple[np.ndarray, np.ndarray]:
    """
    Labels from raw targets, by the task's `label_rule` and `target_type`.

    Args:
        task ([`Task`]): the task.
        raw (sequence of N): numbers, or names of classes of any type.

    Returns:
        labels `(N,)` (float64 for regression, else int64 from 0, classes in sorted order) and a mask `(N,)` of the rows to
        keep, which is False for NaN, None, dropped values and rare classes.

    Raises:
        ValueError: the task needs numbers and the targets are something else, or no row is kept.
    """
    rule = task.label_rule
    values = np.asarray(raw)
    if task.target_type == "regression" or {"bins", "drop_below", "log1p"} & set(rule):
        values = _to_numbers(task, values)
        kept = np.isfinite(values)
    else:
        kept = np.array([value is not None and value == value and value != "" for value in values.tolist()], bool)
    for value in rule.get("drop", ()):
        kept &= values != value
    if "drop_below" in rule:
        kept &= values >= rule["drop_below"]
    if rule.get("log1p"):
        if (values[kept] <= -1).any():
            raise ValueError(
                f"The smallest target of {task.name} is {values[kept].min()}, but log1p needs values above -1; drop smaller "
                "values in its label_rule."
            )
        values = np.log1p(np.where(kept, values, 0.0))
    if not kept.any():
        raise ValueError(f"All {len(values)} targets of {task.name} are missing or dropped; name another column.")
    if task.target_type == "regression":
        return np.where(kept, values, 0.0), kept
    if "bins" in rule:
        values = np.digitize(values, rule["bins"])
    return _to_classes(values, kept, rule.get("top"))


def _to_numbers(task: Task, values: np.ndarray) -> np.ndarray:
    try:
        return np.array([np.nan if value is None or value == "" else value for value in values.tolist()], np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"The targets of {task.name} are not numbers ({first_line(error)}); name a numeric column, or set the "
            "target_type to classification."
        ) from error


def _to_classes(values: np.ndarray, kept: np.ndarray, top: int | None) -> tuple[np.ndarray, np.ndarray]:
    names, counts = np.unique(values[kept].astype(str) if values.dtype == object else values[kept], return_counts=True)
    comparable = values.astype(str) if values.dtype == object else values
    if top is not None and len(names) > top:
        names = np.sort(names[np.argsort(-counts, kind="stable")[:top]])
        kept = kept & np.isin(comparable, names)
    labels = np.zeros(len(values), np.int64)
    labels[kept] = np.searchsorted(names, comparable[kept])
    return labels, kept


def _digest_of_files(local: Path, data_files: Any) -> str:
    if (local / SUMS).is_file():
        # The sample world comes with checksums of its files.
        return hashlib.blake2b((local / SUMS).read_bytes(), digest_size=8).hexdigest()
    names = [data_files] if isinstance(data_files, str) else _flat(data_files)
    paths = {path for name in names for path in _named(local, name)} if names else set(local.rglob("*"))
    files = sorted(path for path in paths if path.is_file())
    whole = sum(path.stat().st_size for path in files) <= _DIGESTED_BYTES
    digest = hashlib.blake2b(digest_size=8)
    for path in files:
        state = path.stat()
        digest.update(f"{path.relative_to(local)} {state.st_size}".encode())
        digest.update(path.read_bytes() if whole else str(state.st_mtime_ns).encode())
    return digest.hexdigest()


def _named(folder: Path, name: str) -> Iterable[Path]:
    """The file of a folder with this name, or those that a task's own pattern selects."""
    return [folder / name] if (folder / name).is_file() else folder.glob(name)


def _files_by_split(folder: Path) -> dict[str, list[str]]:
    """The parquet files of a folder by split, each path escaped so that it stands for itself alone."""
    if "::" in str(folder):
        raise ValueError(f"{str(folder)!r} contains '::', which the reader takes for an address; rename the folder.")
    parquet = {
        split: [path for path in paths if path.suffix == ".parquet"] for split, paths in files_of(folder).items()
    }
    found = {split: [glob.escape(str(path)) for path in paths] for split, paths in parquet.items() if paths}
    if not found:
        raise ValueError(f"{str(folder)!r} holds no parquet files; check the path given by --data.")
    return found


def _flat(data_files: Any) -> list[str]:
    values = data_files.values() if isinstance(data_files, dict) else data_files or ()
    return [name for value in values for name in ([value] if isinstance(value, str) else value)]


def _reason(task: Task, error: Exception) -> str:
    gated = "gated" in str(error).lower() or "401" in str(error) or "403" in str(error)
    reason = "is gated" if gated else "cannot be reached"
    hint = task.access or f"pass a local copy by --data {task.name}=PATH"
    return f"{task.source} {reason} ({first_line(error)}); {hint}."
