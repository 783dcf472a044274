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
"""The options of training/evaluate.py. This module imports no model code, so that `--help` is quick."""

from dataclasses import dataclass, field
from typing import Literal

# One task of every kind but linear_segmentation, which takes minutes more; the group `sample` has all.
DEFAULT_TASKS = ("world-location", "world-tiles", "world-segmentation", "world-photos", "world-retrieval")

# Named, since an option called `list` hides the type inside the class.
Names = list[str]
Seeds = list[int]


@dataclass
class EvaluationSettings:
    """
    Options of an evaluation.

    Attributes:
        model: Directories or Hub repositories of GAIR models, or peers: timm/NAME, any image model of transformers, or
            MODULE:FUNCTION of a location encoder.
        tasks: Names, globs, or groups (location, rs, sv, retrieval, sample, all); by default five kinds of tasks on the
            sample world.
        list: Show the tasks and exit.
        data: Local copies of data as NAME=PATH, where NAME is a task, or sample_world for all tasks on it.
        table: A CSV or parquet file with places (the columns lon, lat in degrees, or other usual names, or points) and the target.
        target: The column of the table to predict.
        target_type: Type of the target; by default numbers are values and text is classes.
        missing_values: What stands for a missing value in the table, beside empty cells, NA, NaN, null and None.
        holdouts: Holdouts of location tasks: random, official, or spatial with degrees, e.g. spatial10; by default those of the task.
        seeds: Seeds of folds and probes; scores are means over them.
        coordbench_alpha: Choose the ridge strength by the folds that are reported, as CoordBench's published figures do, which is
            optimistic; by default inside the training rows of each fold.
        penalize_intercept: Let ridge regression shrink the intercept too, as in figures published before 2026.
        precision: How towers multiply matrices; bfloat16 is faster on GPUs and on processors that multiply it themselves.
        output_dir: Folder for results.csv, report.md and figures.
        card: Write the results into the model's README.md.
    """

    model: Names = field(default_factory=lambda: ["outputs/pretrain"])
    tasks: Names | None = None
    list: bool = False
    data: Names = field(default_factory=lambda: [])
    table: str | None = None
    target: str | None = None
    target_type: Literal["regression", "classification"] | None = None
    missing_values: Names = field(default_factory=lambda: [])
    holdouts: Names | None = None
    seeds: Seeds = field(default_factory=lambda: [0])
    coordbench_alpha: bool = False
    penalize_intercept: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    output_dir: str = "outputs/evaluation"
    card: bool = False

    def __post_init__(self) -> None:
        if (self.table is None) != (self.target is None):
            raise ValueError("--table and --target belong together: the file, and its column to predict; pass both.")
        if self.target_type and not self.table:
            raise ValueError("--target_type is for a --table; the tasks have their own target types.")
        if self.missing_values and not self.table:
            raise ValueError("--missing_values is for a --table; pass the table too, or leave the option out.")
