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
"""Int8 versions of exported parts, and their loss in retrieval."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from modeling_gair import GairModel, GairProcessor
from training.exporting.onnx_model import OnnxModel
from training.measuring.embeddings import embed_pairs, evaluation_pairs
from training.measuring.retrieval import Table
from training.measuring.tables import retrieval_tables
from training.pairs.sources import HOLDOUT_FRACTION, open_sources
from training.world.settings import WorldSettings

INT8_SUFFIX = ".int8.onnx"
# The localized query stays in float32: at the published sizes it holds 1/40 of the weights, and it would lose most (mean
# cosine to the float32 embeddings 0.992, against 0.9999 for the towers), because tokens and offsets within a cell would
# share one scale.
QUANTIZED = ("rs_tower", "sv_tower", "location_tower")
_PRODUCTS = ("MatMul", "Gemm")
# Tiles to measure on, and tiles per batch.
_MAX_TILES, _BATCH_TILES = 256, 32


def quantize(folder: Path) -> None:
    """
    Writes `NAME.int8.onnx` beside each exported tower: weights of matrix products in int8 with one scale per output channel,
    activations in uint8 with one scale per call (dynamic quantisation, which needs no calibration data).

    Products with coordinates stay in float32: phases reach thousands of radians, which 8 bits cannot resolve.

    Args:
        folder (`Path`): holds `NAME.onnx` for each of `QUANTIZED`.
    """
    for name in QUANTIZED:
        path = folder / f"{name}.onnx"
        # The file is already optimised; this only adds the shapes that quantisation needs.
        with_shapes = folder / f"{name}.shapes.onnx"
        quant_pre_process(path, with_shapes, skip_optimization=True, skip_symbolic_shape=True)
        quantize_dynamic(
            with_shapes,
            folder / f"{name}{INT8_SUFFIX}",
            op_types_to_quantize=list(_PRODUCTS),
            # 7 of 8 bits, because sums of two products overflow 16 bits on processors without VNNI.
            reduce_range=True,
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_products_of_coordinates(path),
        )
        with_shapes.unlink()


def _products_of_coordinates(path: Path) -> list[str]:
    """Names of the products with coordinates: their matrix has two rows, for x and y or for lon and lat."""
    graph = onnx.load(path, load_external_data=False).graph
    of_two = {tensor.name for tensor in graph.initializer if list(tensor.dims)[:1] == [2] and len(tensor.dims) == 2}
    return [node.name for node in graph.node if node.op_type in _PRODUCTS and of_two & set(node.input)]


def measure_loss(model: GairModel, processor: GairProcessor, folder: Path, data: str) -> dict[str, Any]:
    """
    Measures retrieval on held-out pairs by the model in float32, and by its exported files with the towers in int8.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): the exported model.
        folder (`Path`): holds the files.
        data (`str`): a pairs CSV, a folder, a data set on the Hub, or `sample_world`.

    Returns:
        `dict`: `evaluated` (a description of the pairs), `float32` and `int8` (tables of `training.measuring.retrieval`),
        `cosine` (mean cosine between int8 and float32 embeddings, by modality) and `table` (the tables as text).

    Raises:
        ValueError: no such data set, or too few good pairs.
    """
    sources = open_sources({data: 1.0}, HOLDOUT_FRACTION, WorldSettings())
    description, pairs = evaluation_pairs(sources, processor, _BATCH_TILES, _MAX_TILES)
    quantized: Any = OnnxModel(model, folder, dict.fromkeys(QUANTIZED, INT8_SUFFIX))
    float32, int8 = embed_pairs([model, quantized], processor, pairs, "embed in float32 and int8")
    cosine = {
        name: (float32.embeddings[name] * int8.embeddings[name]).sum(dim=-1).mean().item()
        for name in ("tile_mean", float32.mode, "sv", "location")
    }
    evaluated = f"{len(float32.tile_index)} photos of {float32.tile_count} {description}"
    tables = {"float32": retrieval_tables(float32), "int8": retrieval_tables(int8)}
    return {"evaluated": evaluated, "cosine": cosine, **tables, "table": format_loss(tables, evaluated)}


def format_loss(tables: Mapping[str, Mapping[str, Table]], evaluated: str) -> str:
    """Formats the tables of float32 and int8 side by side, as text."""
    titles = {"across_tiles": "Among one photo of each tile", "among_points": "Among the photos of one tile"}
    blocks = [f"Measured on {evaluated}"]
    for key, table in tables["float32"].items():
        if not table:
            continue
        lines = [f"{titles[key]:<38}" + "".join(f"{head:>16}" for head in ("R@1", "int8", "mean rank", "int8"))]
        for direction, row in table.items():
            other = tables["int8"][key][direction]
            cells = [f"{row['R@1']:.1%}", f"{other['R@1']:.1%}", f"{row['mean_rank']:.2f}", f"{other['mean_rank']:.2f}"]
            lines.append(f"{direction:<38}" + "".join(f"{cell:>16}" for cell in cells))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
