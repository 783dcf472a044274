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
"""The exported towers in onnxruntime, in float32 and int8, beside the same towers in PyTorch."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from onnxruntime import InferenceSession

from modeling_gair import GairConfig, GairModel, GairProcessor
from tests.speed.rows import Row, Settings, compare, cosines
from training.exporting.int8 import INT8_SUFFIX, QUANTIZED, quantize
from training.exporting.onnx_files import open_onnx, run_onnx, save_onnx
from training.exporting.parts import Part, parts_of
from training.exporting.torch_export import trace

_BATCHES = (1, 8)
_PLACES = 1000  # for each image of a batch


@torch.no_grad()
def measure(settings: Settings) -> list[Row]:
    """Towers with random weights, as `training/export.py --int8` writes them; nothing on a GPU, since the files run on CPUs."""
    if settings.device.type != "cpu":
        return []
    torch.manual_seed(0)
    config = GairConfig.tiny() if settings.quick else GairConfig()
    model = GairModel(config).eval()
    parts = [part for part in parts_of(model, GairProcessor.for_config(config)) if part.name in QUANTIZED]
    with TemporaryDirectory() as folder:
        for part in parts:
            save_onnx(trace(part), part, Path(folder) / f"{part.name}.onnx")
        quantize(Path(folder))
        return [row for part in parts for row in _compared(part, Path(folder), settings)]


def _compared(part: Part, folder: Path, settings: Settings) -> list[Row]:
    sessions = {
        "onnxruntime": open_onnx(folder / f"{part.name}.onnx"),
        "onnxruntime in int8": open_onnx(folder / f"{part.name}{INT8_SUFFIX}"),
    }
    return [row for batch in _BATCHES for row in _compare(part, sessions, batch, settings)]


def _compare(part: Part, sessions: dict[str, InferenceSession], batch: int, settings: Settings) -> list[Row]:
    inputs = part.draw(batch * _PLACES if part.name == "location_tower" else batch, 1)
    name = f"{part.name}, {len(inputs[0]):,}"
    runs = {f"{name}, PyTorch": partial(part.module, *inputs)}
    runs |= {f"{name}, {form}": partial(run_onnx, session, inputs) for form, session in sessions.items()}
    rows = compare("exported", runs, settings, than=f"{name}, PyTorch")
    # Of the last output, which is the embedding.
    exact, rounded = part.module(*inputs), run_onnx(sessions["onnxruntime in int8"], inputs)
    exact = exact if isinstance(exact, tuple) else (exact,)
    return [*rows[:-1], replace(rows[-1], note=cosines(exact[-1], rounded[-1]))]
