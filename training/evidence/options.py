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
"""Options of `python -m training.evidence`; imports neither PyTorch nor the model."""

from dataclasses import dataclass, field
from pathlib import Path

from training.common.checks import check_whole
from training.evidence.arms import COMPARISONS, MAIN_QUESTIONS


@dataclass(kw_only=True)
class EvidenceOptions:
    """
    Compare arms of training.

    Attributes:
        compare: questions to answer: all, or some of window, query_modes, pixels, start, nili_rate, control, robustness
            (together the default), longer, rivals, objectives, location, location_encoders and earth
        seeds: seeds of training; each arm is trained once per seed
        jobs: runs at the same time, with one core each
        tables: folder with air_temp.csv, brazil_municipalities.csv and eurosat_locations.parquet, to probe location encoders
            on real values
        output_dir: directory for runs, tables and plots
        set: settings of all runs as KEY=VALUE, for a short trial
        measure: ARM SEED of one finished run to measure; used by the program itself

    Raises:
        ValueError: an unknown question, or invalid numbers.
    """

    compare: list[str] = field(default_factory=lambda: list(MAIN_QUESTIONS))
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    jobs: int = 2
    tables: Path | None = None
    output_dir: Path = Path("outputs/evidence")
    set: list[str] = field(default_factory=list)
    measure: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        check_whole("--jobs", self.jobs, 1)
        if self.compare == ["all"]:
            self.compare = list(COMPARISONS)
        for name in self.compare:
            if name not in COMPARISONS:
                raise ValueError(
                    f"--compare is {name!r}, expected all, or some of {', '.join(COMPARISONS)}; check the spelling."
                )
        for setting in self.set:
            if "=" not in setting:
                raise ValueError(f"--set is {setting!r}, expected KEY=VALUE; write for example max_steps=720.")
