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
"""All failures of a job in one file, and their numbers by kind."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from training.common.files import written_whole
from training.street_pairs.stage import STAGES
from training.street_pairs.units import Failure, read_failures, unit_files

FAILURES = "failures.jsonl"


def write_failures(output: Path) -> Counter[tuple[str, str, bool]]:
    """
    Writes `failures.jsonl`: what failed in all stages, with stage, unit, id, kind, whether it is permanent, and a sentence.

    Returns:
        Their numbers by stage, kind, and whether they are permanent.
    """
    counts: Counter[tuple[str, str, bool]] = Counter()
    with written_whole(output / FAILURES) as temporary, temporary.open("w", encoding="utf-8") as file:
        for stage, unit, failure in _failures(output):
            file.write(json.dumps({"stage": stage, "unit": unit, **asdict(failure)}, ensure_ascii=False) + "\n")
            counts[stage, failure.kind, failure.permanent] += 1
    return counts


def _failures(output: Path) -> Iterator[tuple[str, str, Failure]]:
    for stage in STAGES:
        plans = [output / stage / "plan.parquet"] if stage == "pack" else []
        for path in [*unit_files(output, stage), *(path for path in plans if path.is_file())]:
            for failure in read_failures(path):
                yield stage, path.stem, failure
