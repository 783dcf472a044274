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
Exports a model for onnxruntime, for `torch.export.load` and for a pipeline of transformers:

    python training/export.py --model DIR_OR_REPO --output DIR [--int8]

Writes into DIR, which may be the model's own directory: `onnx/` (the three towers and the localized query, with export.json,
which describes their inputs and outputs), `torch_export/` (the same parts as programs of `torch.export`) and `sv_tower/` (the
photo tower for `pipeline("image-feature-extraction")`). All outputs are compared with the model's; if one differs, nothing is
written.
"""

from training.common.command_line import parse_options
from training.common.programs import run_program
from training.exporting.options import ExportOptions


def main(arguments: list[str]) -> None:
    """Parses the command line and exports."""
    options = parse_options(ExportOptions, arguments, "training/export.py", "Export a GAIR model to other runtimes.")
    # Imported here, so that --help needs no model code.
    from training.exporting.export import run

    run(options)


if __name__ == "__main__":
    run_program(main)
