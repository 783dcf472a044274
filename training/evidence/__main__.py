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
Trains models that differ in one thing each, over several seeds, and compares them:

    python -m training.evidence                          # the main questions
    python -m training.evidence --compare query_modes    # one question
    python -m training.evidence --compare all            # everything

Each arm is a file of training/configs/evidence/ and a run of training/pretrain.py. Finished runs are skipped, so the same
command resumes after an interruption. Writes tables, plots and the figures of every run to --output_dir.
"""

from training.common.command_line import parse_options
from training.common.programs import run_program
from training.evidence.options import EvidenceOptions

_DESCRIPTION = "Train models that differ in one thing each, and compare them."


def main(arguments: list[str]) -> None:
    """Parses the command line and compares."""
    options = parse_options(EvidenceOptions, arguments, "python -m training.evidence", _DESCRIPTION)
    # Imported here, so that --help needs no model code.
    if options.measure:
        from training.evidence.measure_run import measure_run

        measure_run(options)
    else:
        from training.evidence.runner import compare

        compare(options)


if __name__ == "__main__":
    # SIGTERM, too, stops the processes that were started.
    run_program(main, "Interrupted; the same command resumes.", stop_at_sigterm=True)
