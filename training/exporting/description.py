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
"""The description of exported files in export.json: inputs, outputs, preparation of pixels, comparison of embeddings."""

from typing import Any

import onnxruntime
import torch

import modeling_gair
from modeling_gair import GairModel, GairProcessor
from training.exporting.parts import Part, Value


def describe_part(part: Part, largest_error: dict[str, float]) -> dict[str, Any]:
    """
    Describes a part.

    Args:
        part ([`Part`]): the part.
        largest_error (`dict[str, float]`): file → largest difference from the model, as a share of an embedding's norm.
    """
    return {
        "inputs": [_as_json(value) for value in part.inputs],
        "outputs": [_as_json(value) for value in part.outputs],
        "largest_error": largest_error,
    }


def describe_model(model: GairModel, processor: GairProcessor) -> dict[str, Any]:
    """Describes what holds for all parts: versions, how to compare embeddings, how to prepare pixels."""
    rs, sv = processor.image_processor, processor.sv_image_processor
    kept = ("units", "digital_number_offset", "clip_range", "quantize", "size", "antialias")
    return {
        "model_type": model.config.model_type,
        "query_mode": model.config.query_mode,
        "versions": {
            "gair": modeling_gair.__version__,
            "torch": torch.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
        "comparison": "L2-normalise the embeddings of any two parts; their dot product is the cosine similarity",
        "preparation": {
            "rs": {
                **{name: getattr(rs, name) for name in kept},
                "bands": rs.bands,
                "band_mean": [rs.band_mean[name] for name in rs.bands],
                "band_std": [rs.band_std[name] for name in rs.bands],
                "formula": "(digital number + digital_number_offset - (mean - 2 std)) / (4 std), clipped to clip_range; if "
                "quantize is true, truncated to multiples of 1/255; then resized bicubically (half-pixel centres) to size. "
                "Multiply reflectance by 10,000 first",
            },
            "sv": {
                **{name: getattr(sv, name) for name in ("image_mean", "image_std", "size", "antialias")},
                "formula": "(pixel in 0-255 - mean) / std, then resized bicubically (half-pixel centres) to size",
            },
        },
    }


def _as_json(value: Value) -> dict[str, Any]:
    return {"name": value.name, "shape": list(value.shape), "dtype": "float32", "meaning": value.meaning}
