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
"""Helpers for the figures of several packages. Importing this selects a backend that needs no display, and plain text."""

import matplotlib
import numpy as np

matplotlib.use("Agg")
# Names in figures are users' own: a dollar sign is a dollar sign.
matplotlib.rcParams["text.parse_math"] = False

# Side length of a square panel, in inches.
PANEL_IN = 2.6
# Extent of an image over a tile: x from 0 to 1 eastwards, y from 0 to 1 southwards.
UNIT_SQUARE = (0.0, 1.0, 1.0, 0.0)


def true_colour(pixels: np.ndarray, bands: list[str]) -> np.ndarray:
    """
    A tile in true colour, stretched from its 2nd to its 98th percentile.

    Args:
        pixels (`np.ndarray` of shape `(C, H, W)`): pixels as read.
        bands (`list[str]`): names of the bands, including B04, B03 and B02.

    Returns:
        `np.ndarray` of shape `(H, W, 3)`, in [0, 1].
    """
    colour = np.stack([pixels[bands.index(band)] for band in ("B04", "B03", "B02")], axis=-1).astype(np.float64)
    low, high = np.percentile(colour, (2, 98))
    return np.clip((colour - low) / max(high - low, 1e-9), 0, 1)
