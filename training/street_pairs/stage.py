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
"""One stage of a job: its units are tasks, and what is done already is seen by the files that are there."""

import json
import shutil
from collections.abc import Iterable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from training.common.files import write_atomically
from training.common.jobs import Needs, Tasks, completion_marker
from training.common.tables import local_path
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.packing.shards import DATASET, shard_file
from training.street_pairs.photo_sources.mapillary import TOKEN
from training.street_pairs.stages.select import PHOTOS
from training.street_pairs.units import count_failures, has_passing_failures, unit_file

# In their order, with what each makes.
STAGES = {
    "select": "selection",
    "photos": "photo",
    "search": "query",
    "choose": "tile",
    "tiles": "tile",
    "pack": "row",
}
LOGS, _SIZES = "logs", "units.json"


class Stage:
    """
    A stage of the job in a folder.

    Args:
        options ([`StreetPairsOptions`]): what is asked for.
        name (`str`): one of [`STAGES`].
    """

    def __init__(self, options: StreetPairsOptions, name: str):
        assert options.output is not None
        self.options, self.name, self.output = options, name, options.output

    def file(self, rank: int) -> Path:
        """Where a unit is."""
        return file_of(self.output, self.name, rank)

    def sizes(self) -> list[int] | None:
        """Numbers of items of the units, or None if the stage is not planned."""
        path = self.output / self.name / _SIZES
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def complete(self) -> bool:
        """Whether all units are done."""
        sizes = self.sizes()
        return sizes is not None and all(self.file(rank).is_file() for rank in range(len(sizes)))

    def failed_in_passing(self) -> list[int]:
        """The units in which something failed for which another try may succeed."""
        if self.name == "pack":
            return []
        ranks = range(len(self.sizes() or []))
        return [rank for rank in ranks if self.file(rank).is_file() and has_passing_failures(self.file(rank))]

    def forget(self, ranks: Iterable[int]) -> None:
        """Deletes units and the plan, so that they are done anew."""
        for rank in ranks:
            self.file(rank).unlink(missing_ok=True)
        (self.output / self.name / _SIZES).unlink(missing_ok=True)

    def begin(self) -> list[int]:
        """
        Plans the stage, unless that was done.

        Returns:
            Numbers of items of the units.

        Raises:
            ValueError: it cannot be done at all.
        """
        sizes = self.sizes()
        if sizes is None:
            sizes = _module(self.name).plan(self.options, self.output)
            folder = self.output / self.name
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(folder / _SIZES, json.dumps(sizes))
        return sizes

    def run(self) -> list[int]:
        """
        Does the units that are left.

        Returns:
            Those that are left still: of Slurm, what was submitted.

        Raises:
            ValueError: a unit cannot be done at all.
        """
        sizes = self.begin()
        again = set(self.failed_in_passing()) if self.options.retry_failed else set()
        for rank in range(len(sizes)):
            if rank in again or not self.file(rank).is_file():
                completion_marker(self.output / self.name / LOGS, rank).unlink(missing_ok=True)
        tasks = Tasks(
            partial(run_unit, self.options, self.name),
            sizes,
            self.output / self.name / LOGS,
            self.name,
            self._needs(),
            partial(_failures_so_far, self.output / self.name, {}),
        )
        return tasks.run(self.options.executor, self.options.workers, self.options.cluster, STAGES[self.name])

    def _needs(self) -> Needs:
        """
        What units need of this machine.

        Raises:
            ValueError: Jobs are to read photos outside of the input, which is all that is copied for them.
        """
        options = self.options
        named = [options.input, options.provider, options.stac_url, options.settlement_raster, options.plates]
        inputs = [path for name in named if name is not None and (path := local_path(name)).exists()]
        if self.name == "photos" and options.executor == "jobs":
            paths = pq.read_table(self.output / "select" / PHOTOS, columns=["path"])["path"].drop_null().to_pylist()
            copied = {folder for path in inputs if path.is_dir() for folder in (path.absolute(), path.resolve())}
            outside = [path for path in paths if copied.isdisjoint(Path(path).parents)]
            if outside:
                raise ValueError(
                    f"--executor is 'jobs', for which a folder of photos is copied, but not those that a table names, such as {outside[0]!r}; "
                    "pass the folder as --input, or give their addresses in a column url."
                )
        return Needs(self.output, inputs, (TOKEN, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))


def prepare_retry(options: StreetPairsOptions) -> int:
    """
    Makes what follows from failed units be done anew, the last stage first: a run that is killed here loses nothing that the next
    does not see.

    Returns:
        The number of units in which something failed in passing.
    """
    failed = {name: Stage(options, name).failed_in_passing() for name in STAGES}
    if not any(failed.values()):
        return 0
    assert options.output is not None
    shutil.rmtree(options.output / DATASET, ignore_errors=True)
    Stage(options, "pack").forget(())
    # A unit of the choice reads that of the search of its number, and those of tiles read one of the choice.
    chosen = sorted({*failed["search"], *failed["choose"]})
    if chosen and (sizes := Stage(options, "choose").sizes()):
        made = _module("tiles").units_by_choice(sizes)
        Stage(options, "tiles").forget(unit for rank in chosen for unit in made[rank])
        Stage(options, "choose").forget(failed["search"])
    return sum(map(len, failed.values()))


def file_of(output: Path, stage: str, rank: int) -> Path:
    """Where a unit of a stage is: of the last, the file of the data set itself."""
    return shard_file(output, rank) if stage == "pack" else unit_file(output, stage, rank)


def run_unit(options: StreetPairsOptions, stage: str, rank: int) -> None:
    """Does a unit, unless its file is there and nothing in it is to be tried again."""
    assert options.output is not None
    path = file_of(options.output, stage, rank)
    if path.is_file() and not (options.retry_failed and stage != "pack" and has_passing_failures(path)):
        return
    _module(stage).run(options, options.output, rank)


def _module(stage: str) -> Any:
    return import_module(f"training.street_pairs.stages.{stage}")


def _failures_so_far(folder: Path, seen: dict[str, dict[str, int]]) -> str:
    """Failures of a stage by kind, such as "gone 3"; `seen` holds what has been read."""
    totals: dict[str, int] = {}
    for path in folder.glob("[0-9]*.parquet"):
        if path.name not in seen:
            seen[path.name] = count_failures(path)
        for kind, count in seen[path.name].items():
            totals[kind] = totals.get(kind, 0) + count
    return ", ".join(f"{kind} {count:,}" for kind, count in sorted(totals.items()))
