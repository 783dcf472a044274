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
"""`python -m training.world` writes the sample world as a data set."""

from training.common.command_line import parse_options
from training.common.programs import run_program
from training.world.settings import WorldOptions


def main(arguments: list[str]) -> None:
    """Parse the command line and write the data set."""
    options = parse_options(
        WorldOptions,
        arguments,
        "python -m training.world",
        "Write the sample world as a data set: tiles, photos and labels, made up from the Earth's climate, land and cities.",
    )
    # Imported here, so that --help is quick.
    from training.world.writer import write_sample_dataset

    settings = options.settings()
    try:
        written = write_sample_dataset(options.checked_output(), settings, options.workers, options.files)
    except KeyboardInterrupt:
        raise SystemExit(f"Interrupted: {options.output} was not written.") from None
    print(f"Wrote {written}: {settings.pairs} pairs in {settings.tiles} + {settings.held_out_tiles} tiles")


if __name__ == "__main__":
    run_program(main)
