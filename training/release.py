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
Publishes a model, or the Space, on the Hugging Face Hub:

    python training/release.py --model DIR --repo ORG/NAME
    python training/release.py --space ORG/NAME --model ORG/MODEL

Everything is pushed in one commit, after the files have been checked: if the upload fails, nothing is published. A model
goes with its processors, code, card, licence, results and an example; users need only torch and transformers.
"""

from training.common.command_line import parse_options
from training.common.programs import run_program
from training.hub.options import ReleaseOptions


def main(arguments: list[str]) -> None:
    """Parses the command line and publishes."""
    options = parse_options(
        ReleaseOptions, arguments, "training/release.py", "Publish a model or the Space on the Hub."
    )
    # Imported here, so that --help needs no model code.
    from training.hub.release import release

    release(options)


if __name__ == "__main__":
    run_program(main)
