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
import shutil
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from tests.speed.rows import Row, Settings
from tests.speed.sections import SECTIONS
from tests.speed.sections.training import write_profile
from tests.speed.table import append, check_history, head, last_run, line, machine
from training.common.files import check_output_file
from training.common.programs import run_program


def main(arguments: list[str]) -> None:
    """Measures what the arguments name."""
    options = _options(arguments)
    settings = Settings(options.device, options.quick, options.published, options.published_python)
    about = machine(settings)
    earlier = last_run(options.against, about) if options.against else None
    # Before the work, which takes minutes.
    if options.json:
        check_history(options.json)
    if options.profile:
        check_output_file(options.profile, [], "pass another --profile")
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
    parser.add_argument("--device", type=_device, default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true", help="tiny models and few repeats: to see that all of it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append the run to FILE")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with the last run in FILE")
    parser.add_argument(
        "--published",
        type=_checkout,
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
    options = parser.parse_args(arguments)
    if options.published and not shutil.which(options.published_python):
        parser.error(f"argument --published_python: {options.published_python!r} is not an interpreter; name one")
    return options


def _sections(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not a section; expected some of {', '.join(SECTIONS)}")
    return names


def _device(text: str) -> torch.device:
    try:
        device = torch.device(text)
    except RuntimeError:
        device = None
    gpus = torch.cuda.device_count()
    if device is None or device.type not in ("cpu", "cuda") or (device.type == "cuda" and (device.index or 0) >= gpus):
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot be measured; expected cpu, or cuda where PyTorch finds a GPU (here: {gpus})"
        )
    return device


def _checkout(text: str) -> Path:
    if not (Path(text) / "gair" / "__init__.py").is_file():
        raise argparse.ArgumentTypeError(
            f"{text!r} has no gair/__init__.py; expected a checkout of the published implementation (https://github.com/zpl99/GAIR)"
        )
    return Path(text)


if __name__ == "__main__":
    run_program(main)
