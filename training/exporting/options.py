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
"""Options of `training/export.py`; imports neither PyTorch nor the model."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(kw_only=True)
class ExportOptions:
    """
    Export a GAIR model to other runtimes.

    Attributes:
        model: directory or Hub repository of a GAIR model
        output: directory for the folders onnx, torch_export and sv_tower; may be the model's own
        int8: also write int8 files, and measure their loss in retrieval
        data: pairs to measure int8 on: a pairs CSV, a folder, a data set on the Hub, or sample_world

    Raises:
        ValueError: no model or no output.
    """

    model: str | None = None
    output: Path | None = None
    int8: bool = False
    data: str = "sample_world"

    def __post_init__(self) -> None:
        if not self.model:
            raise ValueError("--model is missing; pass the directory or the Hub repository of a GAIR model.")
        if not self.output:
            raise ValueError("--output is missing; pass the directory to export to.")
        self.output = self.output.expanduser()
