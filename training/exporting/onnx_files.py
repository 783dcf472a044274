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
"""ONNX files of a model's parts: writing them, and running them in onnxruntime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch.export import ExportedProgram

from training.exporting.parts import Part, Value


def save_onnx(program: ExportedProgram, part: Part, path: Path) -> None:
    """
    Writes a traced part as ONNX, with inputs, outputs and sizes named as in [`Part`].

    Args:
        program (`ExportedProgram`): the part, traced.
        part ([`Part`]): describes it.
        path (`Path`): of the file.
    """
    exported = torch.onnx.export(
        program,
        dynamo=True,
        verbose=False,
        input_names=[value.name for value in part.inputs],
        output_names=[value.name for value in part.outputs],
    )
    assert exported is not None
    exported.rename_axes(_axis_names(exported.model.graph.inputs, part.inputs))
    for node in exported.model.graph.all_nodes():
        # They hold paths of the machine that exports.
        node.metadata_props.clear()
    # For models beyond protobuf's size limit, torch writes the weights to a second file.
    exported.save(path)


def open_onnx(path: Path) -> onnxruntime.InferenceSession:
    """Opens a session on the CPU."""
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def run_onnx(session: onnxruntime.InferenceSession, inputs: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """Runs a session on inputs in the order of the file, and returns its outputs in order."""
    names = [value.name for value in session.get_inputs()]
    outputs = session.run(None, {name: given.numpy() for name, given in zip(names, inputs, strict=True)})
    return tuple(torch.from_numpy(np.asarray(value)) for value in outputs)


def _axis_names(inputs: Any, values: Sequence[Value]) -> dict[Any, str]:
    """Names that torch generated for dynamic sizes → names in [`Value`]."""
    return {
        str(generated): size
        for given, value in zip(inputs, values, strict=True)
        for generated, size in zip(given.shape, value.shape, strict=True)
        if isinstance(size, str)
    }
