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
"""A tile in colours: the main directions of the embeddings of its points."""

import io

import numpy as np
from PIL import Image

from serving.colours import main_directions
from serving.encoded_tile import EncodedTile

# Of the points of the map, these many are enough to find the directions.
_EVERY = 5


def tile_colours(encoded: EncodedTile) -> tuple[np.ndarray, float]:
    """
    Draws the points of a tile in the three directions in which their embeddings differ most.

    Args:
        encoded ([`EncodedTile`]): read as its model reads it.

    Returns:
        `tuple` of red, green and blue `(SIDE, SIDE, 3)`, uint8, row 0 in the north, and the share of the variance along the three
        directions, 0 to 1.
    """
    width = len(encoded.tokens)
    # The cosines to the axes are the coordinates of the embeddings, scaled to length 1.
    dense = encoded.similarity(np.eye(width, dtype=np.float32))
    points = dense.reshape(width, -1).T
    some = points[::_EVERY]
    directions = main_directions(some, np.ones(len(some)))
    colours = np.rint(255 * directions.colours(points)).astype(np.uint8)
    return colours.reshape(*dense.shape[1:], 3), directions.explained


def png_of(colours: np.ndarray) -> bytes:
    """Colours `(SIDE, SIDE, 3)` as a PNG."""
    buffer = io.BytesIO()
    Image.fromarray(colours).save(buffer, "PNG")
    return buffer.getvalue()
