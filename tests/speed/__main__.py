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
Measures the whole package, before and after a change:

    python -m tests.speed                              # everything, which takes minutes
    python -m tests.speed --only towers,processors     # some sections
    python -m tests.speed --json speed.jsonl           # append the run to a history
    python -m tests.speed --against speed.jsonl        # compare with its last run
    python -m tests.speed --only published --published DIR --published_python PYTHON   # and the published implementation

Prints a table; asserts nothing. Ratios compare cases that ran in turn, in one process; absolute times hold for the machine alone.
"""

import argparse
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from tests.speed.rows import Row, Settings
from tests.speed.sections import SECTIONS
from tests.speed.sections.training import write_profile
from tests.speed.table import append, head, last_run, line, machine


def main(arguments: list[str]) -> None:
    """Measures what the arguments name."""
    options = _options(arguments)
    settings = Settings(torch.device(options.device), options.quick, options.published, options.published_python)
    about = machine(settings)
    earlier = last_run(options.against, about) if options.against else None
    print(", ".join(f"{name} {value}" for name, value in about.items()), flush=True)
    print(head(earlier), flush=True)
    rows: list[Row] = []
    for name in tqdm(options.only, unit="section", disable=not sys.stderr.isatty()):
        measured = SECTIONS[name](settings)
        print("\n".join(line(row, earlier) for row in measured), flush=True)
        rows += measured
    if options.quick:
        print("With --quick, models are tiny and repeats are few: this shows that everything runs, and no speed.")
    if options.json:
        append(options.json, about, rows)
    if options.profile:
        write_profile(settings, options.profile)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.speed", description="Measure the speed of GAIR.")
    parser.add_argument("--only", type=_sections, default=list(SECTIONS), help=f"some of {', '.join(SECTIONS)}")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="tiny models and few repeats: to see that all of it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the run to FILE")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with the last run in FILE")
    parser.add_argument(
        "--published",
        type=Path,
        metavar="DIR",
        help="a checkout of the published implementation, to run in turn with this one",
    )
    parser.add_argument(
        "--published_python",
        default="python3",
        metavar="PYTHON",
        help="an interpreter with the transformers that it pins",
    )
    parser.add_argument(
        "--profile", type=Path, metavar="FILE", help="write a trace of a training step for chrome://tracing"
    )
    return parser.parse_args(arguments)


def _sections(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not a section; expected some of {', '.join(SECTIONS)}")
    return names


if __name__ == "__main__":
    main(sys.argv[1:])
