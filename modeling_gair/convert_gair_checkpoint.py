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
Converts the published GAIR checkpoint (a pickled `.pth`) to a directory that the Auto classes load.

    python -m modeling_gair.convert_gair_checkpoint CHECKPOINT OUT_DIR [--check PAIRS.csv]

The directory contains the weights (safetensors), the config, processors with the release's own pixel arithmetic, the code
files, a model card, and `provenance.json`, which says what was converted. Every tensor of the checkpoint must be used or known to be unused; otherwise nothing is written.
"""

import argparse
import csv
import hashlib
import json
import os
import pickle
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from . import GairConfig, GairLocationConfig, GairModel, GairProcessor, GairRSConfig

# Beside converted weights: what they were converted from, and a digest by which to tell that they were not changed since.
PROVENANCE = "provenance.json"

# Tensors of the published checkpoint that no published embedding depends on, and what they are.
UNUSED_TENSORS = {
    r"query_feature|rs_patch_pos_encoding|nerf_fn\..+": "a transformer query, an alternative to NILI",
    r"logit_scale": "a temperature; the loss uses the config's fixed value (0.07)",
    r"queue_for_location|queue_ptr_location": "the coordinate queue, part of the training state",
    r"rs_encoder\.layer_norm\..+|rs_encoder\.head\..+": "a classification head on the tile mean",
    r"radar_proj\..+|location_proj\..+": "projections whose outputs are not used",
}

_CARD = """---
license: cc-by-nc-4.0
library_name: transformers
pipeline_tag: feature-extraction
tags: [geospatial, remote-sensing, street-view, sentinel-2, location-encoder]
---
# GAIR, converted weights

Converted to safetensors from `{checkpoint}` (SHA-256 `{sha256}`), which holds the tensors of the published GAIR release (arXiv
2503.16683) by name and shape. **The published weights are licensed under CC BY-NC 4.0**: no commercial use. The code files in
this repository are licensed under Apache-2.0.

```python
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained("{name}", trust_remote_code=True)
processor = AutoProcessor.from_pretrained("{name}", trust_remote_code=True)
inputs = processor(rs="tile.tif", sv="street.jpg", lon=-83.2583, lat=42.4823, return_tensors="pt")
outputs = model(**inputs)
```

Pixels are prepared exactly as in the release (8-bit quantisation, resizing without antialiasing).
"""


# For each tensor: its published name, its name here, its published shape.
Layout = Iterator[tuple[str, str, tuple[int, ...]]]


def _affine(published: str, saved: str, rows: int, columns: int, bias: bool = True) -> Layout:
    yield f"{published}.weight", f"{saved}.weight", (rows, columns)
    if bias:
        yield f"{published}.bias", f"{saved}.bias", (rows,)


def _norm(published: str, saved: str, size: int) -> Layout:
    yield f"{published}.weight", f"{saved}.weight", (size,)
    yield f"{published}.bias", f"{saved}.bias", (size,)


def optical_blocks_layout(rs: GairRSConfig) -> Layout:
    """
    Yields the tensors of the transformer blocks of CROMA's optical encoder, which GAIR's files name as CROMA's do:
    published name, name in [`GairRSModel`], shape.
    """
    width = rs.hidden_size
    for index in range(rs.num_hidden_layers):
        published, saved = f"transformer.layers.{index}", f"layers.{index}"
        yield from _norm(f"{published}.0.input_norm", f"{saved}.attention_norm", width)
        yield from _affine(f"{published}.0.to_qkv", f"{saved}.attention.qkv_proj", 3 * width, width, bias=False)
        yield from _affine(f"{published}.0.to_out", f"{saved}.attention.o_proj", width, width)
        yield from _norm(f"{published}.1.input_norm", f"{saved}.mlp_norm", width)
        yield from _affine(f"{published}.1.net.0", f"{saved}.mlp.up_proj", rs.intermediate_size, width)
        yield from _affine(f"{published}.1.net.3", f"{saved}.mlp.down_proj", width, rs.intermediate_size)


def _published_layout(config: GairConfig) -> Layout:
    """Yields (published name, saved name here, published shape) of every tensor that a model of `config` needs."""
    width = config.rs_config.hidden_size
    yield from _rs_layout(config.rs_config)
    yield from _sv_layout(config.sv_config)
    yield from _affine("optical_proj", "sv_projection", width, config.sv_config.hidden_size)
    yield from _affine("imnet", "nili.affine", width, 9 * width + 2)
    yield from _location_layout(config.location_config, width)


def _rs_layout(rs: GairRSConfig) -> Layout:
    width, patch_values = rs.hidden_size, rs.num_channels * rs.patch_size**2
    yield "rs_encoder.s2_encoder.linear_input.weight", "rs_model.embeddings.projection.weight", (width, patch_values)
    yield "rs_encoder.s2_encoder.linear_input.bias", "rs_model.embeddings.projection.bias", (width,)
    for published, saved, shape in optical_blocks_layout(rs):
        yield f"rs_encoder.s2_encoder.{published}", f"rs_model.{saved}", shape


def _sv_layout(sv: Any) -> Layout:
    # The SV tower keeps its published names, which transformers still uses in saved ViTs.
    width, patch = sv.hidden_size, sv.patch_size
    for name, shape in (
        ("embeddings.cls_token", (1, 1, width)),
        ("embeddings.position_embeddings", (1, (sv.image_size // patch) ** 2 + 1, width)),
        ("embeddings.patch_embeddings.projection.weight", (width, sv.num_channels, patch, patch)),
        ("embeddings.patch_embeddings.projection.bias", (width,)),
    ):
        yield f"sv_encoder.{name}", f"sv_model.{name}", shape
    for index in range(sv.num_hidden_layers):
        published, saved = (f"{tower}.encoder.layer.{index}" for tower in ("sv_encoder", "sv_model"))
        for name in ("query", "key", "value"):
            name = f"attention.attention.{name}"
            yield from _affine(f"{published}.{name}", f"{saved}.{name}", width, width)
        yield from _affine(f"{published}.attention.output.dense", f"{saved}.attention.output.dense", width, width)
        for name, rows, columns in (
            ("intermediate.dense", sv.intermediate_size, width),
            ("output.dense", width, sv.intermediate_size),
        ):
            yield from _affine(f"{published}.{name}", f"{saved}.{name}", rows, columns)
        for name in ("layernorm_before", "layernorm_after"):
            yield from _norm(f"{published}.{name}", f"{saved}.{name}", width)
    yield from _norm("sv_encoder.layernorm", "sv_model.layernorm", width)
    yield from _affine("sv_encoder.pooler.dense", "sv_model.pooler.dense", width, width)


def _location_layout(location: GairLocationConfig, embedding: int) -> Layout:
    for index in range(len(location.scales)):
        published, saved = f"location_encoder.LocEnc{index}", f"location_model.capsules.{index}"
        yield f"{published}.capsule.0.b", f"{saved}.features.frequencies", (location.num_frequencies, 2)
        columns = 2 * location.num_frequencies
        for layer in range(location.num_hidden_layers):
            yield from _affine(
                f"{published}.capsule.{2 * layer + 1}", f"{saved}.layers.{layer}", location.hidden_size, columns
            )
            columns = location.hidden_size
        yield from _affine(f"{published}.head.0", f"{saved}.head", embedding, columns)


def convert_state_dict(tensors: dict[str, torch.Tensor], config: GairConfig) -> dict[str, torch.Tensor]:
    """
    Renames the published tensors to this package's names.

    Args:
        tensors (`dict[str, torch.Tensor]`): published name → tensor; a prefix `module.` is removed.
        config (`GairConfig`): the expected sizes.

    Returns:
        `dict[str, torch.Tensor]`: saved name → contiguous tensor; the patch projection becomes the weight of a convolution.

    Raises:
        ValueError: for missing, unknown or misshapen tensors; the message names all of them.
    """
    tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    converted, problems = {}, []
    for published, saved, shape in _published_layout(config):
        tensor = tensors.pop(published, None)
        if tensor is None:
            problems.append(f"{published} is missing")
        elif tuple(tensor.shape) != shape:
            problems.append(f"{published} has the shape {tuple(tensor.shape)}, expected {shape}")
        else:
            converted[saved] = tensor.contiguous()
    unused = re.compile("|".join(UNUSED_TENSORS))
    problems += [f"{name} is not known" for name in tensors if not unused.fullmatch(name)]
    if problems:
        raise ValueError(
            f"The checkpoint does not match the published GAIR model: {'; '.join(problems)}; pass the released file."
        )
    rs = config.rs_config
    projection = "rs_model.embeddings.projection.weight"
    converted[projection] = converted[projection].unflatten(1, (rs.num_channels, rs.patch_size, rs.patch_size))
    return converted


def read_pickle(checkpoint: str | os.PathLike) -> Any:
    """
    Reads tensors, in nested dictionaries, from a `.pth` or `.pt` file without running any code that it may contain.

    Raises:
        ValueError: if the file is missing, not a checkpoint, or contains more than tensors and plain values.
    """
    if not os.path.isfile(checkpoint):
        raise ValueError(
            f"{str(checkpoint)!r}: file not found, expected the published checkpoint (.pth); check the path."
        )
    try:
        return torch.load(checkpoint, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as error:
        # Not torch's own words, which recommend to run the code in a pickle.
        raise ValueError(
            f"{str(checkpoint)!r} cannot be read as a checkpoint of plain tensors ({type(error).__name__}): it is damaged, of "
            "another format, or contains code; download the published file again."
        ) from error


def read_checkpoint(checkpoint: str | os.PathLike) -> dict[str, torch.Tensor]:
    """
    Reads the tensors of a `.pth` file, at top level or under the key `model`, without running any code that it may contain.

    Raises:
        ValueError: if the file is missing, not a checkpoint, or contains anything but tensors by name.
    """
    content = read_pickle(checkpoint)
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]
    if not isinstance(content, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in content.values()):
        raise ValueError(
            f"{str(checkpoint)!r} contains no tensors, expected a dictionary of them at top level or under 'model'."
        )
    return content


def convert_gair_checkpoint(
    checkpoint: str | os.PathLike, out_dir: str | os.PathLike, config: GairConfig | None = None
) -> GairModel:
    """
    Converts a published checkpoint to a directory that `AutoModel.from_pretrained` and `AutoProcessor.from_pretrained`
    load.

    Args:
        checkpoint (`str` or `PathLike`): the published `.pth`.
        out_dir (`str` or `PathLike`): the directory to write; it must be new or empty.
        config (`GairConfig`, *optional*): the model's sizes; the published ones by default.

    Returns:
        [`GairModel`]: the converted model, in float32 and evaluation mode.

    Raises:
        ValueError: if the checkpoint does not match, or `out_dir` is not empty; nothing is written.
    """
    config = config or GairConfig()
    target = Path(out_dir)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{str(out_dir)!r} exists, expected a new or empty directory; choose another.")
    tensors = convert_state_dict(read_checkpoint(checkpoint), config)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Written to a temporary directory next to the target first, so that a failure leaves no partial model behind.
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        loading, complete = Path(scratch, "loading"), Path(scratch, "complete")
        config.save_pretrained(loading)
        save_file(tensors, loading / "model.safetensors", metadata={"format": "pt"})
        # `from_pretrained` maps the ViT's saved names to the installed transformers' module names.
        loaded: Any = GairModel.from_pretrained(loading, dtype=torch.float32, output_loading_info=True)
        model, info = loaded
        left_over = [*info["missing_keys"], *info["unexpected_keys"], *info["mismatched_keys"]]
        if left_over:
            raise ValueError(f"The installed transformers could not place these tensors: {left_over}.")
        model.save_pretrained(complete)
        GairProcessor.for_config(config, parity=True).save_pretrained(complete)
        origin = _provenance(Path(checkpoint), model)
        (complete / PROVENANCE).write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
        card = _CARD.format(name=target.name, checkpoint=origin["checkpoint"], sha256=origin["checkpoint_sha256"])
        (complete / "README.md").write_text(card, encoding="utf-8")
        if target.exists():
            target.rmdir()
        shutil.move(complete, target)
    return model.eval()


def _provenance(checkpoint: Path, model: GairModel) -> dict[str, str]:
    with checkpoint.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {
        "converted_by": "modeling_gair.convert_gair_checkpoint",
        "checkpoint": checkpoint.name,
        "checkpoint_sha256": digest,
        "weights_sha256": weights_digest(model),
    }


def weights_digest(model: torch.nn.Module) -> str:
    """SHA-256 of a model's tensors: names, dtypes, shapes and values, however they are divided into files."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


@torch.no_grad()
def check_conventions(model: GairModel, processor: GairProcessor, pairs: str | os.PathLike) -> dict[str, float]:
    """
    Computes the mean rank of each photo's own tile among all tiles, each read at its photo's point, under two conventions:
    `published` (x east, y south over the whole tile), which the model follows, and `first_version`, the authors' first
    code, which swapped x and y and addressed only one quadrant (it passed q in [0, 1] instead of 2 q - 1).

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): the converted model and its processor.
        pairs (`str` or `PathLike`): a CSV with the columns rs, sv, lon, lat; paths are relative to it.

    Returns:
        `dict[str, float]`: convention → mean rank; 1 is best, chance is (number of pairs + 1) / 2.
    """
    with open(pairs, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    folder = Path(pairs).parent
    inputs = processor(
        rs=[str(folder / row["rs"]) for row in rows],
        sv=[str(folder / row["sv"]) for row in rows],
        lon=[float(row["lon"]) for row in rows],
        lat=[float(row["lat"]) for row in rows],
        return_tensors="pt",
    )
    sv_embeds = torch.nn.functional.normalize(model.get_sv_features(inputs["sv_pixel_values"]), dim=-1)
    tiles = model.encode_tiles(inputs["rs_pixel_values"])
    published = inputs["query_points"]
    ranks = {}
    for convention, points in {"published": published, "first_version": (1 + published.flip(-1)) / 2}.items():
        localized = torch.nn.functional.normalize(model.localize(tiles, points)[:, 0], dim=-1)
        similarity = sv_embeds @ localized.T
        ranks[convention] = (similarity >= similarity.diagonal()[:, None]).sum(dim=1).float().mean().item()
    return ranks


def main(arguments: list[str] | None = None) -> None:
    # argparse, as the package is installed without the library that the training programs use for their command lines.
    parser = argparse.ArgumentParser(description="Convert the published GAIR checkpoint to a directory of safetensors.")
    parser.add_argument("checkpoint", help="the published checkpoint (.pth)")
    parser.add_argument("out_dir", help="directory to write; it must be new or empty")
    parser.add_argument("--check", metavar="PAIRS.csv", help="report retrieval on pairs (rs, sv, lon, lat)")
    options = parser.parse_args(arguments)
    try:
        model = convert_gair_checkpoint(options.checkpoint, options.out_dir)
    except ValueError as error:
        parser.exit(1, f"{error}\n")
    print(f"Wrote {options.out_dir} ({model.num_parameters():,} parameters, weights under CC BY-NC 4.0).")
    if options.check:
        processor = GairProcessor.from_pretrained(options.out_dir)
        for convention, rank in check_conventions(model, processor, options.check).items():
            print(f"{convention:>13}: each photo's own tile has the mean rank {rank:.2f}")


if __name__ == "__main__":
    main()
