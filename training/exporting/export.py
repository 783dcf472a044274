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
"""Exports all parts of a model and compares each file with the model, writing everything or nothing."""

import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from datasets import disable_progress_bars
from tqdm.auto import tqdm

from modeling_gair import GairModel, GairProcessor
from training.common.files import check_writable
from training.common.models import load_gair
from training.exporting.description import describe_model, describe_part
from training.exporting.int8 import measure_loss, quantize
from training.exporting.onnx_files import open_onnx, run_onnx, save_onnx
from training.exporting.options import ExportOptions
from training.exporting.parts import DYNAMIC_SIZES, Part, parts_of
from training.exporting.sv_tower import save_sv_tower
from training.exporting.torch_export import load_program, save_program, trace

# Largest accepted difference of an element from the model's, as a share of the norm of its embedding or token: the
# difference after L2 normalisation, which precedes every comparison. At sigma = 256 the location encoder multiplies
# coordinates by thousands, so that the last bit of a sine, which differs between runtimes, grows to about 1e-5.
TOLERANCE = 1e-4
FOLDERS = ("onnx", "torch_export", "sv_tower")
# Batch sizes and numbers of points to compare with. None equals a traced size, so that a size fixed by mistake fails.
_CHECKED = ((1, 1), (5, 40))


def run(options: ExportOptions) -> None:
    """
    Exports a model, and prints the differences from it and the loss of int8.

    Raises:
        ValueError: no such model, or as in [`export`].
    """
    assert options.model is not None and options.output is not None
    disable_progress_bars()
    model, processor = load_gair(options.model)
    described = export(model.float(), processor, options.output, options.data if options.int8 else None)
    for name, part in described["parts"].items():
        print(f"{name}: normalised outputs differ by at most {max(part['largest_error'].values()):.1e}")
    if options.int8:
        print(f"\n{described['int8']['table']}")
    print(f"\nWrote {', '.join(str(options.output / name) for name in FOLDERS)}")


def export(model: GairModel, processor: GairProcessor, output: Path, int8_data: str | None = None) -> dict[str, Any]:
    """
    Writes all files, or none.

    Args:
        model ([`GairModel`]): in float32 on the CPU, in evaluation mode.
        processor ([`GairProcessor`]): the model's.
        output (`Path`): directory for the folders `onnx`, `torch_export` and `sv_tower`, which must not exist yet.
        int8_data (`str`, *optional*): pairs to measure the loss of int8 on, as for `--data`; without it, no int8 files are
            written.

    Returns:
        `dict`: the content of `onnx/export.json`.

    Raises:
        ValueError: one of the folders exists, or the outputs of an exported part differ from the model's.
    """
    for name in FOLDERS:
        if (output / name).exists():
            raise ValueError(f"{str(output / name)!r} exists; delete it, or choose another --output.")
    for folder in (output.parent, *([output] if output.exists() else [])):
        check_writable(folder, "choose another --output")
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        onnx, torch_export, sv_tower = (Path(scratch, name) for name in FOLDERS)
        for folder in (onnx, torch_export):
            folder.mkdir()
        parts = tqdm(parts_of(model, processor), unit="part", desc="export")
        described = {
            **describe_model(model, processor),
            "parts": {part.name: export_part(part, onnx, torch_export) for part in parts},
        }
        save_sv_tower(model, processor, sv_tower)
        if int8_data is not None:
            quantize(onnx)
            described["int8"] = measure_loss(model, processor, onnx, int8_data)
        (onnx / "export.json").write_text(json.dumps(described, indent=2, ensure_ascii=False), encoding="utf-8")
        output.mkdir(exist_ok=True)
        for folder in (onnx, torch_export, sv_tower):
            folder.rename(output / folder.name)
    return described


def export_part(part: Part, onnx: Path, torch_export: Path) -> dict[str, Any]:
    """
    Writes one part in both formats and compares the files with the model.

    Args:
        part ([`Part`]): the part.
        onnx, torch_export (`Path`): existing folders.

    Returns:
        `dict`: its entry in export.json.

    Raises:
        ValueError: outputs differ from the model's by more than `TOLERANCE`, or in shape.
    """
    onnx_file, program_file = onnx / f"{part.name}.onnx", torch_export / f"{part.name}.pt2"
    program = trace(part)
    save_program(program, program_file)
    save_onnx(program, part, onnx_file)
    session, loaded = open_onnx(onnx_file), load_program(program_file)
    runs = {onnx_file.name: lambda *given: run_onnx(session, given), program_file.name: lambda *given: loaded(*given)}
    errors = {name: _largest_error(part, run_file) for name, run_file in runs.items()}
    for name, error in errors.items():
        if not error <= TOLERANCE:
            raise ValueError(
                f"{name} differs from the model by {error:.2g} of an output's norm, expected at most {TOLERANCE:g}; "
                "nothing was written: try other versions of torch, onnxscript and onnxruntime."
            )
    return describe_part(part, errors)


@torch.no_grad()
def _largest_error(part: Part, run_file: Any) -> float:
    """The largest difference from the model over all outputs and sizes, as a share of the norm of the embedding or token."""
    errors = []
    for batch, points in _CHECKED:
        given = part.draw(batch, points)
        found = run_file(*given)
        found = found if isinstance(found, tuple) else (found,)
        for value, expected, stated in zip(found, part.expected(*given), part.outputs, strict=True):
            sizes = dict(zip(DYNAMIC_SIZES, (batch, points)))
            if tuple(value.shape) != tuple(sizes.get(size, size) for size in stated.shape):  # type: ignore[arg-type]
                raise ValueError(
                    f"{part.name} returns {stated.name} with shape {tuple(value.shape)}, expected {stated.shape}."
                )
            errors.append(((value - expected).abs() / expected.norm(dim=-1, keepdim=True)).max().item())
    # NaN counts as an infinite error.
    return max(error if error == error else float("inf") for error in errors)
