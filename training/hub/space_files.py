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
Writes the files bundled with the Space, a tiny model and a gallery:

    python -m training.hub.space_files --model outputs/pretrain
"""

from training.common.command_line import parse_options
from training.common.programs import run_program
from training.hub.options import SpaceFilesOptions


def main(arguments: list[str]) -> None:
    """Parses the command line and writes the files."""
    description = "Write the model and the gallery that are bundled with the Space."
    options = parse_options(SpaceFilesOptions, arguments, "python -m training.hub.space_files", description)
    # Imported here, so that --help needs no model code.
    from training.hub.space_bundle import write_bundle

    assert options.model is not None
    write_bundle(options.model, options.output)


if __name__ == "__main__":
    run_program(main)
