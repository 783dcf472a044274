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
"""Ends a job: the map, the credits, the card and the checksums of a data set."""

import csv
import io
from collections import Counter
from pathlib import Path
from typing import Any

from training.common.files import write_atomically
from training.street_pairs.packing.card import make_card
from training.street_pairs.packing.contents import Contents, contents_of
from training.street_pairs.packing.map_figure import draw_map
from training.street_pairs.packing.shards import DATASET, write_sums

CREDITS = "attributions.csv"


def finish(output: Path, job: dict[str, Any], failures: Counter[tuple[str, str, bool]]) -> Contents:
    """
    Writes what lies beside the files of a data set.

    Args:
        output (`Path`): the folder of the job.
        job (`dict`): the options that the result depends on.
        failures (`Counter`): numbers of failures by stage, kind, and whether they are permanent.

    Returns:
        What the data set holds.
    """
    folder = output / DATASET
    for unfinished in folder.rglob(".*.parquet"):
        # Of tasks that were killed.
        unfinished.unlink()
    contents = contents_of(folder)
    draw_map(folder / "map.png", contents)
    write_atomically(folder / CREDITS, _credits(contents))
    write_atomically(folder / "README.md", str(make_card(output, job, contents, failures)))
    write_sums(folder)
    return contents


def _credits(contents: Contents) -> str:
    """A table of who is to be credited, in CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("source", "licence", "creator", "attribution", "photos"))
    for credit, photos in sorted(contents.credits.items(), key=str):
        writer.writerow([*("" if part is None else part for part in credit), photos])
    return text.getvalue()
