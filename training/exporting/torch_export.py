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
"""Parts of a model as programs of `torch.export`."""

from pathlib import Path
from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from training.exporting.parts import DYNAMIC_SIZES, Part

# Batch size and number of points to trace with; they differ, so that no two dynamic sizes are taken for one.
_TRACED = (2, 3)


def trace(part: Part) -> ExportedProgram:
    """Traces a part, with dynamic sizes as its inputs state them."""
    program = torch.export.export(part.module, part.draw(*_TRACED), dynamic_shapes=_dynamic_shapes(part))
    _remove_stack_traces(program)
    return program


def save_program(program: ExportedProgram, path: Path) -> None:
    """Saves a traced part for `torch.export.load`."""
    torch.export.save(program, path)


def load_program(path: Path) -> Any:
    """Loads a saved part as a module."""
    return torch.export.load(path).module()


def _dynamic_shapes(part: Part) -> tuple[dict[int, Dim], ...]:
    dims = {name: Dim(name) for name in DYNAMIC_SIZES}
    return tuple(
        {axis: dims[size] for axis, size in enumerate(value.shape) if isinstance(size, str)} for value in part.inputs
    )


def _remove_stack_traces(program: ExportedProgram) -> None:
    """Removes the file and line of each operation: paths of the machine that exports."""
    for module in program.graph_module.modules():
        for node in getattr(module, "graph", torch.fx.Graph()).nodes:
            node.meta.pop("stack_trace", None)
