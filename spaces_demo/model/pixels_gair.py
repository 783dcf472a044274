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
"""What both image processors share: files, lists of images, sizes, and the normalising and resizing of whole batches."""

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers.feature_extraction_utils import BatchFeature


def local_file(path: str | os.PathLike) -> str:
    """Resolves the path of an existing local file; raises `ValueError` for remote and GDAL-virtual paths."""
    text = os.fsdecode(os.fspath(path))
    if "://" in text or text.startswith("/vsi"):
        raise ValueError(f"{text!r} is a remote or virtual path, expected a local file; download it first.")
    if not os.path.isfile(text):
        raise ValueError(f"{text!r}: file not found, expected the path of a local file; check the spelling.")
    resolved = os.path.realpath(text)
    if resolved.startswith("/vsi"):
        raise ValueError(
            f"{text!r} leads to {resolved!r}, which GDAL interprets as a virtual path, expected another folder; move the file."
        )
    return resolved


def as_size(size: int | dict[str, int]) -> dict[str, int]:
    sides = {"height": size, "width": size} if isinstance(size, int) else dict(size)
    if set(sides) != {"height", "width"} or not all(isinstance(n, int) and n > 0 for n in sides.values()):
        raise ValueError(f"size is {size!r}, expected a whole number of pixels or {{'height': 96, 'width': 96}}.")
    return sides


def as_list(images: Any) -> list[Any]:
    """One image or several (a list, a tuple or a four-dimensional array) as a non-empty list."""
    several = isinstance(images, (list, tuple)) or getattr(images, "ndim", 0) == 4
    listed = list(images) if several else [images]
    if not listed:
        raise ValueError(
            "The list of images is empty, expected at least one; leave the argument out if there are none."
        )
    return listed


def as_features(data: dict[str, torch.Tensor], return_tensors: str | None) -> BatchFeature:
    """Tensors as a `BatchFeature` of NumPy arrays, or of the requested type."""
    return BatchFeature(data={key: value.cpu().numpy() for key, value in data.items()}, tensor_type=return_tensors)


def prepare_by_shape(
    images: Any, device: Any, normalise: Callable[[torch.Tensor], torch.Tensor], size: dict[str, int], antialias: bool
) -> torch.Tensor:
    """Normalises and resizes images, batching those of one shape. Returns float32 `(B, C, height, width)`."""
    target = size["height"], size["width"]

    def prepare(batch: torch.Tensor) -> torch.Tensor:
        # Copied in its own, smaller dtype; from pinned memory the copy overlaps with computation.
        batch = normalise(batch.to(device, non_blocking=True).to(torch.float32))
        # Bicubic resizing to the same size is the identity.
        if batch.shape[-2:] == target:
            return batch
        return F.interpolate(batch, size=target, mode="bicubic", align_corners=False, antialias=antialias)

    if getattr(images, "ndim", 0) == 4:
        return prepare(torch.as_tensor(images))
    images = as_list(images)
    groups: dict[tuple, list[int]] = {}
    for index, image in enumerate(images):
        groups.setdefault((type(image), image.dtype, tuple(image.shape)), []).append(index)
    prepared: dict[int, torch.Tensor] = {}
    for indexes in groups.values():
        own = [images[index] for index in indexes]
        # Some versions of torch cannot stack uint16.
        arrays = isinstance(own[0], np.ndarray)
        batch = torch.from_numpy(np.stack(own)) if arrays else torch.stack([image.to(torch.float32) for image in own])
        prepared.update(zip(indexes, prepare(batch)))
    return torch.stack([prepared[index] for index in range(len(images))])


def as_array(source: Any, expected: str) -> np.ndarray:
    if isinstance(source, torch.Tensor) and source.dtype != torch.bfloat16:
        return source.detach().cpu().numpy()
    if isinstance(source, np.ma.MaskedArray):
        raise ValueError(
            "A masked array was given, whose mask would be lost, expected a plain array; set masked pixels to NaN with "
            ".filled(np.nan)."
        )
    if isinstance(source, np.ndarray):
        return source
    raise ValueError(f"The input is {type(source).__name__} {str(source)[:60]!r}, expected {expected}.")


__all__ = ["as_array", "as_features", "as_list", "as_size", "local_file", "prepare_by_shape"]
