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

import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from operator import index
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers.feature_extraction_utils import BatchFeature

# Float32 values of a batch that is prepared at a time on a CPU.
_VALUES_AT_A_TIME = 1_000_000


def shown(value: Any, most: int = 80) -> str:
    """A value for a message: on one line, and cut off if it is long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= most else f"{text[:most]} …"


def listed(names: Sequence[Any], most: int = 13) -> str:
    """Names for a message: the first of many, and long ones cut off."""
    return ", ".join(str(name)[:20] for name in names[:most]) + (
        f", … ({len(names)} in all)" if len(names) > most else ""
    )


def local_file(path: str | os.PathLike) -> str:
    """
    Resolves the path of an existing local file, in which `~` is the home directory and no other sign is special; raises
    `ValueError` for remote and GDAL-virtual paths, folders, and files that cannot be read.
    """
    text = os.fsdecode(os.fspath(path))
    if "://" in text or text.startswith("/vsi"):
        raise ValueError(f"{text!r} is a remote or virtual path, expected a local file; download it first.")
    file = text if os.path.exists(text) else os.path.expanduser(text)
    if os.path.isdir(file):
        raise ValueError(
            f"{text!r} is a folder, expected a file; pass a file in it, for a product such as .SAFE a GeoTIFF of its bands."
        )
    if not os.path.isfile(file):
        raise ValueError(f"{text!r}: file not found, expected the path of a local file; check the spelling.")
    if not os.access(file, os.R_OK):
        raise ValueError(f"{text!r} may not be read, expected a file that you may read; change its permissions.")
    resolved = os.path.realpath(file)
    if resolved.startswith("/vsi"):
        raise ValueError(
            f"{text!r} leads to {resolved!r}, which GDAL interprets as a virtual path, expected another folder; move the file."
        )
    return resolved


class SavedWhole:
    """Saves a processor's settings whole or not at all, so that a failure leaves the file saved before as it was."""

    def to_json_file(self, json_file_path: str | os.PathLike) -> None:
        """Writes the settings beside the file, and renames them once they are complete."""
        text = self.to_json_string()  # type: ignore[attr-defined]
        temporary = f"{os.fspath(json_file_path)}.{os.getpid()}"
        try:
            with open(temporary, "w", encoding="utf-8") as writer:
                writer.write(text)
            os.replace(temporary, json_file_path)
        except BaseException:
            with suppress(OSError):
                os.remove(temporary)
            raise


def as_number(name: str, value: Any) -> float:
    """A setting as a plain number, also from NumPy and torch, so that it can be saved; `ValueError` if it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} is {shown(value)}, expected a number; pass one.") from error
    if not math.isfinite(number) or isinstance(value, (str, bool)):
        raise ValueError(f"{name} is {shown(value)}, expected a finite number; pass one.")
    return number


def as_flag(name: str, value: Any) -> bool:
    """A setting that is true or false; `ValueError` for anything else, of which Python would take most as true."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name} is {shown(value)}, expected True or False; pass one of them.")
    return bool(value)


def as_size(size: int | dict[str, int]) -> dict[str, int]:
    """Height and width in pixels, from both or from one number for both."""
    try:
        sides = {"height": size, "width": size} if hasattr(size, "__index__") else dict(size)
        sides = {name: index(side) for name, side in sides.items()}
    except (TypeError, ValueError):
        sides = {}
    if set(sides) != {"height", "width"} or not min(sides.values()) > 0 or isinstance(size, bool):
        raise ValueError(
            f"size is {shown(size)}, expected a whole number of pixels or {{'height': 96, 'width': 96}}; pass one of them."
        )
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
    images: Any,
    device: Any,
    size: dict[str, int],
    antialias: bool,
    before: Callable[[torch.Tensor], torch.Tensor],
    after: Callable[[torch.Tensor], torch.Tensor] = lambda pixels: pixels,
) -> torch.Tensor:
    """
    Resizes images, batching those of one shape.

    Args:
        images (list of `np.ndarray` or `torch.Tensor`, or one, or one batch): images of any sizes.
        device: where to compute; by default, where the images are.
        size (`dict[str, int]`): height and width in pixels.
        antialias (`bool`): whether downsampling is antialiased.
        before (`Callable`): makes pixels `(B, C, H, W)` of a batch of images; new ones in float32, contiguous.
        after (`Callable`, *optional*): is applied to resized pixels, which it may overwrite.

    Returns:
        `torch.Tensor` of shape `(B, C, height, width)`, float32.
    """
    target = size["height"], size["width"]

    def prepare(batch: torch.Tensor) -> torch.Tensor:
        # Copied in its own, smaller dtype; from pinned memory the copy overlaps with computation.
        pixels = before(batch.to(device, non_blocking=True))
        # Bicubic resizing to the same size is the identity.
        if pixels.shape[-2:] != target:
            pixels = F.interpolate(pixels, size=target, mode="bicubic", align_corners=False, antialias=antialias)
        return after(pixels)

    images = images if getattr(images, "ndim", 0) == 4 else as_list(images)
    prepared: torch.Tensor | None = None
    for positions, batch in _batches_by_shape(images, device):
        pixels = prepare(batch)
        if len(pixels) == len(images):
            return pixels
        if prepared is None:
            prepared = pixels.new_empty(len(images), *pixels.shape[1:])
        prepared[_on_device(positions, pixels.device)] = pixels
    assert prepared is not None
    return prepared


def _batches_by_shape(images: Any, device: Any) -> Iterator[tuple[slice | list[int], torch.Tensor]]:
    """Batches of images of one shape and dtype, and their positions; small ones where the processor computes."""
    if not isinstance(images, list):
        batch = torch.as_tensor(images)
        step = _images_at_a_time(batch[0], device or batch.device)
        for first in range(0, len(batch), step):
            yield slice(first, first + step), batch[first : first + step]
        return
    groups: dict[tuple, list[int]] = {}
    for position, image in enumerate(images):
        groups.setdefault((type(image), image.dtype, tuple(image.shape)), []).append(position)
    for group in groups.values():
        step = _images_at_a_time(images[group[0]], device or getattr(images[group[0]], "device", "cpu"))
        for first in range(0, len(group), step):
            positions = group[first : first + step]
            own = [images[position] for position in positions]
            # Some versions of torch cannot stack uint16.
            arrays = isinstance(own[0], np.ndarray)
            yield (
                positions,
                torch.from_numpy(np.stack(own)) if arrays else torch.stack([image.to(torch.float32) for image in own]),
            )


def _images_at_a_time(image: Any, device: Any) -> int:
    """On a CPU, as many as keep to memory that it has at hand: the first writing of fresh memory takes longer than the sums."""
    if torch.device(device).type != "cpu":
        return sys.maxsize
    return max(1, _VALUES_AT_A_TIME // max(1, math.prod(image.shape)))


def _on_device(positions: slice | list[int], device: torch.device) -> slice | torch.Tensor:
    """Positions in a batch for indexing; a list alone would be copied to a GPU while the processor waits for it."""
    return positions if isinstance(positions, slice) else torch.tensor(positions).to(device, non_blocking=True)


def per_channel(values: Sequence[float], device: torch.device) -> torch.Tensor:
    """Numbers of the channels, to broadcast over pixels `(B, C, H, W)`; nothing waits until a GPU has them."""
    return torch.tensor(values)[:, None, None].to(device, non_blocking=True)


def as_array(source: Any, expected: str) -> np.ndarray:
    """An array or tensor as a NumPy array; `ValueError`, which says what was `expected`, for anything else."""
    if isinstance(source, torch.Tensor) and source.dtype != torch.bfloat16:
        return source.detach().cpu().numpy()
    if isinstance(source, np.ma.MaskedArray):
        raise ValueError(
            "A masked array was given, whose mask would be lost, expected a plain array; fill it, a tile with "
            ".astype('float32').filled(np.nan), a photo with .filled(255)."
        )
    if isinstance(source, np.ndarray):
        return source
    raise ValueError(f"The input is {type(source).__name__} {shown(source)}, expected {expected}; pass one.")


__all__ = [
    "SavedWhole",
    "as_array",
    "as_features",
    "as_flag",
    "as_list",
    "as_number",
    "as_size",
    "listed",
    "local_file",
    "per_channel",
    "prepare_by_shape",
    "shown",
]
