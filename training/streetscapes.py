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
Makes pairs of street-level photos and Sentinel-2 tiles from public sources, or from folders of your own, to train on:

    python training/streetscapes.py --input TABLE|FOLDER|mapillary|kartaview --provider NAME|FOLDER --output OUT

A run that was stopped is completed by the same command. The data set is OUT/dataset. What was dropped or failed is listed with its reason
in OUT/failures.jsonl; the exit status is 2 if --retry_failed may succeed where it failed.
"""

from training.common.command_line import parse_options
from training.common.programs import run_program
from training.street_pairs.options import StreetPairsOptions


def main(arguments: list[str]) -> int:
    """Parses the command line, makes the pairs, and pushes them if asked to; returns the exit status."""
    options = parse_options(
        StreetPairsOptions,
        arguments,
        "training/streetscapes.py",
        "Make pairs of street-level photos and Sentinel-2 tiles.",
    )
    # Imported here, so that --help is fast.
    from training.street_pairs.command import make_pairs

    status, complete = make_pairs(options)
    if options.push and complete:
        from training.hub.push_street_pairs import push_street_pairs

        assert options.output is not None
        pushed = push_street_pairs(options.output, options.push, options.private)
        print(f"Pushed to {options.push}: {pushed.commit_url}")
    return status


if __name__ == "__main__":
    run_program(main, "Interrupted; the same command completes what is left.")
