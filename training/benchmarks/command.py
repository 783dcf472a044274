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
"""The command line of training/evaluate.py."""

from collections.abc import Sequence

from training.benchmarks.settings import EvaluationSettings
from training.common.command_line import parse_options

_DESCRIPTION = """
Measures frozen embeddings on benchmarks, beside baselines. Without options it runs five kinds of tasks on the sample world,
with the model of training/pretrain.py. Writes results.csv, report.md and figures. If something cannot be measured, the program
says so, continues with the rest, and exits with status 1. Tasks, data and protocols: training/benchmarks/README.md, or --list.
"""


def main(arguments: Sequence[str]) -> int:
    """
    Runs the chosen tasks with all models.

    Returns:
        `int`: the exit status.

    Raises:
        ValueError: an option is wrong, or no model has a given name.
    """
    settings = parse_options(
        EvaluationSettings, arguments, "accelerate launch training/evaluate.py", " ".join(_DESCRIPTION.split())
    )
    # After parsing, so that --help and refusals need not wait for torch.
    from training.benchmarks.selection import selected_tasks, task_list
    from training.benchmarks.tasks.task import load_tasks

    if settings.list and settings.tasks is None:
        print(task_list(list(load_tasks().values())))
        return 0
    tasks = selected_tasks(settings)
    if settings.list:
        print(task_list(tasks))
        return 0
    from training.benchmarks.runner import evaluate

    return evaluate(settings, tasks)
