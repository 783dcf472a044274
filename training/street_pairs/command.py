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
"""The command `training/streetscapes.py`: the stages of a job one after the other, then what lies beside the data set."""

from collections import Counter
from pathlib import Path

from training.common.wording import counted
from training.street_pairs.dry_run import dry_run
from training.street_pairs.failures_report import FAILURES, write_failures
from training.street_pairs.job import check_job, read_job
from training.street_pairs.options import StreetPairsOptions
from training.street_pairs.packing.finish import finish
from training.street_pairs.packing.removal import read_ids, remove
from training.street_pairs.packing.shards import DATASET
from training.street_pairs.stage import LOGS, STAGES, Stage, prepare_retry

SOME_FAILED = 2


def make_pairs(options: StreetPairsOptions) -> tuple[int, bool]:
    """
    Makes street pairs, or removes some.

    Returns:
        The exit status (0; 2 if something failed for which `--retry_failed` may succeed; 1 if units were not done), and whether the data set is
        complete.

    Raises:
        ValueError: the options or the input are bad, a stage cannot be done, or the output cannot be written.
    """
    assert options.output is not None
    if options.remove_ids is not None:
        return 0, _removed(options.output, options.remove_ids)
    if options.dry_run:
        print(dry_run(options))
        return 0, False
    job = check_job(options)
    if options.retry_failed:
        print(f"{counted(prepare_retry(options), 'unit')} to try again.")
    try:
        for name in _stages(options):
            if left := Stage(options, name).run():
                return _unfinished(options, name, left), False
    except ValueError:
        # Often the reason that nothing is left for a stage.
        _listed_failures(options.output)
        raise
    failures = _listed_failures(options.output)
    status = SOME_FAILED if any(not permanent for *_, permanent in failures) else 0
    if not Stage(options, "pack").complete():
        return status, False
    contents = finish(options.output, job, failures)
    tiles, photos = sum(contents.tiles.values()), sum(contents.photos.values())
    if contents.unchecked:
        print(
            f"{contents.unchecked:,} tiles were not checked for clouds: their scenes have no scene classification (SCL)."
        )
    print(
        f"{photos:,} photos in {tiles:,} tiles are in {options.output / DATASET}, with a data card (README.md) and a map."
    )
    return status, True


def _stages(options: StreetPairsOptions) -> list[str]:
    """
    The stages to run.

    Raises:
        ValueError: a stage before the one that is asked for is not complete.
    """
    if options.stage is None:
        return list(STAGES)
    for name in STAGES:
        if name == options.stage:
            return [name]
        if not Stage(options, name).complete():
            raise ValueError(f"--stage {options.stage} needs the stage {name}, which is not complete; run it first.")
    raise AssertionError(options.stage)


def _unfinished(options: StreetPairsOptions, stage: str, left: list[int]) -> int:
    if options.executor == "slurm":
        print(
            f"Submitted {counted(len(left), 'unit')} of {stage} to Slurm; run the same command again when they have ended."
        )
        return 0
    print(
        f"{counted(len(left), 'unit')} of {stage} failed, first unit {left[0]}; its log is in {options.output}/{stage}/{LOGS}. Run the same command again."
    )
    return 1


def _listed_failures(output: Path) -> Counter[tuple[str, str, bool]]:
    """Writes down what failed, prints its numbers, and returns them by stage, kind, and whether they are permanent."""
    failures = write_failures(output)
    if failures:
        print(f"What was dropped or failed, by stage and kind ({output / FAILURES} says why):")
    for (stage, kind, permanent), count in sorted(failures.items()):
        print(f"  {stage}: {kind} {count:,}{'' if permanent else ', which --retry_failed tries again'}")
    return failures


def _removed(output: Path, ids_file: Path) -> bool:
    ids, job = read_ids(ids_file), read_job(output)
    photos, files, unknown = remove(output, ids)
    print(f"Removed {counted(photos, 'photo')}; {counted(files, 'file')} of the data set written again.")
    if unknown:
        print(f"{counted(len(unknown), 'id')} not found, such as {min(unknown)!r}.")
    if photos:
        finish(output, job, write_failures(output))
    return True
