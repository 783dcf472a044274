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
Takes a model to other runtimes:

    python training/export.py --model DIR_OR_REPO --output DIR [--int8]

Writes into DIR, which may be the model's own directory: `onnx/` (each tower and the localized query, and export.json, which
says what goes in and what comes out), `torch_export/` (the same for `torch.export.load`) and `sv_tower/` (the photos' tower
for `pipeline("image-feature-extraction")`). Every file's outputs are compared with the model's before anything is left in
DIR. `--int8` adds quantised files, and their loss on retrieval to export.json.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from datasets import disable_progress_bars
from torch.export import Dim, ExportedProgram
from tqdm.auto import tqdm

import modeling_gair
from modeling_gair import GairModel, GairProcessor
from training.common.models import load_gair
from training.exporting.onnx_runs import open_onnx, run_onnx
from training.exporting.parts import DYNAMIC_SIZES, Part, Value, parts_of
from training.exporting.quantization import measure_loss, quantize
from training.exporting.sv_tower import save_sv_tower
from training.world.settings import SAMPLE_WORLD

# Largest error of a number that is accepted, in parts of the length of the embedding or token that it belongs to: what it is
# off by once that is L2-normalised, as embeddings are for every comparison. At sigma = 256 the location encoder multiplies
# coordinates by thousands, so that the last bit of a sine, which differs between runtimes, becomes some 1e-5.
TOLERANCE = 1e-4
FOLDERS = ("onnx", "torch_export", "sv_tower")
# A batch and points to trace with, which differ, and others to check with: dynamic sizes that were fixed fail.
_TRACED, _CHECKED = (2, 3), ((1, 1), (5, 40))


def export(model: GairModel, processor: GairProcessor, output: Path, int8_data: str | None = None) -> dict[str, Any]:
    """
    Writes all files, or none.

    Args:
        model ([`GairModel`]): in float32 on the CPU, in evaluation mode.
        processor ([`GairProcessor`]): the model's.
        output (`Path`): gets the folders `onnx`, `torch_export` and `sv_tower`, which must not be there yet.
        int8_data (`str`, *optional*): pairs to measure the loss of int8 on, as `--data` of pre-training; without them there
            are no int8 files.

    Returns:
        `dict`: what `onnx/export.json` holds.

    Raises:
        ValueError: one of the folders exists, or an exported part gives other outputs than the model.
    """
    for name in FOLDERS:
        if (output / name).exists():
            raise ValueError(f"{str(output / name)!r} exists; delete it, or name another --output.")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        onnx, torch_export, sv_tower = (Path(scratch, name) for name in FOLDERS)
        for folder in (onnx, torch_export):
            folder.mkdir()
        parts = parts_of(model, processor)
        described = {
            part.name: export_part(part, onnx, torch_export) for part in tqdm(parts, unit="part", desc="export")
        }
        save_sv_tower(model, processor, sv_tower)
        said = {**_said_of(model, processor), "parts": described}
        if int8_data is not None:
            quantize(onnx)
            said["int8"] = measure_loss(model, processor, onnx, int8_data)
        (onnx / "export.json").write_text(json.dumps(said, indent=2, ensure_ascii=False), encoding="utf-8")
        output.mkdir(exist_ok=True)
        for folder in (onnx, torch_export, sv_tower):
            folder.rename(output / folder.name)
    return said


def export_part(part: Part, onnx: Path, torch_export: Path) -> dict[str, Any]:
    """
    Writes one part in both forms and compares them with the model.

    Returns:
        `dict`: its inputs, outputs, files and errors, for export.json.

    Raises:
        ValueError: outputs differ from the model's by more than `TOLERANCE`.
    """
    program = torch.export.export(part.module, part.draw(*_TRACED), dynamic_shapes=_dynamic_shapes(part))
    _forget_sources(program)
    torch.export.save(program, torch_export / f"{part.name}.pt2")
    path = onnx / f"{part.name}.onnx"
    save_onnx(program, part, path)
    session = open_onnx(path)
    loaded = torch.export.load(torch_export / f"{part.name}.pt2").module()
    runs = {path.name: lambda *given: run_onnx(session, given), f"{part.name}.pt2": lambda *given: loaded(*given)}
    errors = {name: _largest_error(part, run) for name, run in runs.items()}
    for name, error in errors.items():
        if not error <= TOLERANCE:
            raise ValueError(
                f"{name} differs from the model by {error:.2g} of an output's length, expected at most {TOLERANCE:g}; "
                "nothing was written: try other versions of torch, onnxscript and onnxruntime."
            )
    return {
        "inputs": [_as_json(value) for value in part.inputs],
        "outputs": [_as_json(value) for value in part.outputs],
        "largest_error": errors,
    }


def save_onnx(program: ExportedProgram, part: Part, path: Path) -> None:
    """Writes a part for ONNX runtimes, its inputs, outputs and sizes named as in [`Part`]."""
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
        # Paths of the machine that exported.
        node.metadata_props.clear()
    # The largest in one file are beyond protobuf's limit; torch then writes the weights beside it.
    exported.save(path)


@torch.no_grad()
def _largest_error(part: Part, run: Any) -> float:
    """Over outputs and sizes, the largest difference from the model in parts of the length of the row that it is in."""
    errors = []
    for batch, points in _CHECKED:
        given = part.draw(batch, points)
        found = run(*given)
        found = found if isinstance(found, tuple) else (found,)
        for value, expected, stated in zip(found, part.expected(*given), part.outputs, strict=True):
            sizes = dict(zip(DYNAMIC_SIZES, (batch, points)))
            if tuple(value.shape) != tuple(sizes.get(size, size) for size in stated.shape):  # type: ignore[arg-type]
                raise ValueError(
                    f"{part.name} gives {stated.name} of shape {tuple(value.shape)}; stated is {stated.shape}."
                )
            errors.append(((value - expected).abs() / expected.norm(dim=-1, keepdim=True)).max().item())
    # What is no number compares as no error.
    return max(error if error == error else float("inf") for error in errors)


def _dynamic_shapes(part: Part) -> tuple[dict[int, Dim], ...]:
    dims = {name: Dim(name) for name in DYNAMIC_SIZES}
    return tuple(
        {axis: dims[size] for axis, size in enumerate(value.shape) if isinstance(size, str)} for value in part.inputs
    )


def _axis_names(inputs: Any, values: Sequence[Value]) -> dict[Any, str]:
    """The names that torch made up for dynamic sizes → ours."""
    return {
        str(made): size
        for given, value in zip(inputs, values, strict=True)
        for made, size in zip(given.shape, value.shape, strict=True)
        if isinstance(size, str)
    }


def _forget_sources(program: ExportedProgram) -> None:
    """Takes out where in which file each operation was called: paths of the machine that exported."""
    for module in program.graph_module.modules():
        for node in getattr(module, "graph", torch.fx.Graph()).nodes:
            node.meta.pop("stack_trace", None)


def _said_of(model: GairModel, processor: GairProcessor) -> dict[str, Any]:
    """What export.json says of the whole: how pixels are prepared, and how embeddings are compared."""
    rs, sv = processor.image_processor, processor.sv_image_processor
    kept = ("units", "digital_number_offset", "clip_range", "quantize", "size", "antialias")
    return {
        "model_type": model.config.model_type,
        "versions": {
            "gair": modeling_gair.__version__,
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "comparison": "L2-normalise embeddings of any two parts; their dot product is the cosine similarity",
        "preparation": {
            "rs": {
                **{name: getattr(rs, name) for name in kept},
                "bands": rs.bands,
                "band_mean": [rs.band_mean[name] for name in rs.bands],
                "band_std": [rs.band_std[name] for name in rs.bands],
                "formula": "(digital number + digital_number_offset - (mean - 2 std)) / (4 std), clipped to clip_range, with "
                "quantize truncated to multiples of 1/255, then resized bicubically (half-pixel centres) to size; reflectance "
                "is multiplied by 10,000 first",
            },
            "sv": {
                **{name: getattr(sv, name) for name in ("image_mean", "image_std", "size", "antialias")},
                "formula": "(pixel in 0-255 - mean) / std, then resized bicubically (half-pixel centres) to size",
            },
        },
    }


def _as_json(value: Value) -> dict[str, Any]:
    return {"name": value.name, "shape": list(value.shape), "dtype": "float32", "meaning": value.meaning}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="training/export.py", description="Takes a model to other runtimes.")
    parser.add_argument("--model", required=True, metavar="NAME", help="directory or Hub repository of a GAIR model")
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="gets the folders " + ", ".join(FOLDERS)
    )
    parser.add_argument("--int8", action="store_true", help="add quantised files and measure what they lose")
    parser.add_argument(
        "--data",
        default=SAMPLE_WORLD,
        metavar="NAME",
        help="pairs to measure int8 on: a pairs CSV, a folder or a data set on the Hub (default: the sample world)",
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> None:
    """Exports, and prints what was found."""
    chosen = parse(arguments)
    disable_progress_bars()
    model, processor = load_gair(chosen.model)
    said = export(model.float(), processor, chosen.output, chosen.data if chosen.int8 else None)
    for name, part in said["parts"].items():
        print(f"{name}: normalised outputs differ by {max(part['largest_error'].values()):.1e} at most")
    if chosen.int8:
        print(f"\n{said['int8']['table']}")
    print(f"\nWrote {', '.join(str(chosen.output / name) for name in FOLDERS)}")
