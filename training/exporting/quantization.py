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

"""Exported parts in int8, and what that costs in retrieval."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from modeling_gair import GairModel, GairProcessor
from training.exporting.onnx_runs import OnnxModel
from training.measuring.embeddings import EmbeddedPairs, embed_pairs, evaluation_pairs
from training.measuring.retrieval import (
    ACROSS_TILES,
    AMONG_POINTS,
    Table,
    one_photo_per_tile,
    photos_of_each_tile,
    retrieval,
)
from training.pairs.loading import load
from training.pairs.sources import HOLDOUT_FRACTION, open_sources
from training.world.settings import WorldSettings

INT8_SUFFIX = ".int8.onnx"
# The localized query stays in float32: at the published sizes it is a fortieth of the weights, and it would lose the most
# (its embeddings' mean cosine with float32 ones was 0.992 where the towers' were 0.9999), as tokens and offsets within a
# cell would share one scale.
QUANTIZED = ("rs_tower", "sv_tower", "location_tower")
_BATCH_SIZE, _EVALUATION_TILES = 32, 256
_PRODUCTS = ("MatMul", "Gemm")


def quantize(folder: Path) -> None:
    """
    Writes `NAME.int8.onnx` beside the exported files: weights of matrix products in int8, one scale an output channel,
    activations in uint8 with a scale for each call (dynamic quantisation, which needs no calibration data).

    What multiplies coordinates stays in float32: phases reach thousands of radians, which 8 bits cannot tell apart.
    """
    for name in QUANTIZED:
        path = folder / f"{name}.onnx"
        # The file is optimised already; this only adds the shapes that quantising looks up.
        with_shapes = folder / f"{name}.shapes.onnx"
        quant_pre_process(path, with_shapes, skip_optimization=True, skip_symbolic_shape=True)
        quantize_dynamic(
            with_shapes,
            folder / f"{name}{INT8_SUFFIX}",
            op_types_to_quantize=list(_PRODUCTS),
            # 7 bits of 8, as sums of pairs overflow 16 bits on processors without VNNI.
            reduce_range=True,
            per_channel=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=_products_of_coordinates(path),
        )
        with_shapes.unlink()


def _products_of_coordinates(path: Path) -> list[str]:
    """The products whose matrix has two rows: of x and y, or of lon and lat."""
    graph = onnx.load(path, load_external_data=False).graph
    of_two = {tensor.name for tensor in graph.initializer if list(tensor.dims)[:1] == [2] and len(tensor.dims) == 2}
    return [node.name for node in graph.node if node.op_type in _PRODUCTS and of_two & set(node.input)]


def measure_loss(model: GairModel, processor: GairProcessor, folder: Path, data: str) -> dict[str, Any]:
    """
    Retrieval on held-out pairs by the model, and by its exported files in onnxruntime, in int8 where there are such.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): what was exported.
        folder (`Path`): holds the int8 files.
        data (`str`): as `--data` of pre-training.

    Returns:
        `dict`: `evaluated` (on what), `float32` and `int8` (tables of `training.measuring.retrieval`), `cosine` (of each
        modality's embeddings with their float32 ones, the mean over pairs) and `table` (the tables as text).
    """
    sources = open_sources({data: 1.0}, HOLDOUT_FRACTION, WorldSettings())
    evaluated, pairs = evaluation_pairs(sources, processor, _BATCH_SIZE, _EVALUATION_TILES)
    quantized: Any = OnnxModel(model, folder, dict.fromkeys(QUANTIZED, INT8_SUFFIX))
    batches = load(pairs, num_workers=2)
    whole, eight = embed_pairs([model, quantized], processor, batches, "embed in float32 and int8")
    cosine = {
        name: (whole.embeddings[name] * eight.embeddings[name]).sum(dim=-1).mean().item()
        for name in ("tile_mean", "nili", "sv", "location")
    }
    evaluated = f"{len(whole.tile_index)} photos of {whole.tile_count} {evaluated}"
    tables = {"float32": _tables(whole), "int8": _tables(eight)}
    return {"evaluated": evaluated, "cosine": cosine, **tables, "table": format_loss(tables, evaluated)}


def _tables(pairs: EmbeddedPairs) -> dict[str, Table]:
    across, among = one_photo_per_tile(pairs.tile_index), photos_of_each_tile(pairs.tile_index)
    tables = {"across_tiles": retrieval(pairs.embeddings, across, ACROSS_TILES)}
    return tables | ({"among_points": retrieval(pairs.embeddings, among, AMONG_POINTS)} if among else {})


def format_loss(tables: Mapping[str, Mapping[str, Table]], evaluated: str) -> str:
    """The two forms beside each other, as text."""
    titles = {"across_tiles": "Among one photo of each tile", "among_points": "Among the photos of one tile"}
    blocks = [f"Measured on {evaluated}"]
    for key, table in tables["float32"].items():
        lines = [f"{titles[key]:<38}" + "".join(f"{head:>16}" for head in ("R@1", "int8", "mean rank", "int8"))]
        for direction, row in table.items():
            other = tables["int8"][key][direction]
            cells = [f"{row['R@1']:.1%}", f"{other['R@1']:.1%}", f"{row['mean_rank']:.2f}", f"{other['mean_rank']:.2f}"]
            lines.append(f"{direction:<38}" + "".join(f"{cell:>16}" for cell in cells))
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)
