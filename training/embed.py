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
Embeds many places, photos, tiles, points in tiles, or rasters, and writes GeoParquet or maps with a catalogue and a data card:

    python training/embed.py --model DIR_OR_REPO --input CSV|FOLDER|RASTER|DATA_SET|grid:10km --output OUT

A run that was stopped, however, is completed by the same command. Bad inputs are listed with their reason in OUT/errors.jsonl; the rest is
done, and the exit status is 2.
"""

from training.common.command_line import parse_options
from training.common.programs import run_program
from training.embedding.options import EmbedOptions


def main(arguments: list[str]) -> int:
    """Parses the command line, embeds, and pushes the result if asked to; returns the exit status."""
    options = parse_options(
        EmbedOptions, arguments, "training/embed.py", "Embed many places, photos, tiles or rasters."
    )
    # Imported here, so that --help needs no model code.
    from training.embedding.command import embed

    status, complete = embed(options)
    if options.push and complete:
        from training.hub.push_embeddings import push_embeddings

        assert options.output is not None
        pushed = push_embeddings(options.output, options.push, options.private)
        print(f"Pushed to {options.push}: {pushed.commit_url}")
    return status


if __name__ == "__main__":
    run_program(main, "Interrupted; the same command completes what is left.")
