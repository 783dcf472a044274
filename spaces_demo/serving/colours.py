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
"""Embeddings as colours: their three main directions as red, green and blue, so that alike places look alike."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from serving.grids import Grids
from serving.layers import Layer
from serving.turns import always

# Percentiles of each direction that become the darkest and the brightest colour.
_DARKEST, _BRIGHTEST = 2, 98


@dataclass(frozen=True)
class MainDirections:
    """
    The three directions in which embeddings vary most (their first principal components).

    Attributes:
        mean (`np.ndarray` of shape `(D,)`): of the embeddings.
        axes (`np.ndarray` of shape `(3, D)`): of length 1, the one with the largest variance first; the entry of each with the
            largest magnitude is positive, so that colours are the same each time.
        low, high (`np.ndarray` of shape `(3,)`): what is drawn as 0 and as 1 along each.
        explained (`float`): share of the variance along the three, 0 to 1.
    """

    mean: np.ndarray
    axes: np.ndarray
    low: np.ndarray
    high: np.ndarray
    explained: float

    def colours(self, embeddings: np.ndarray) -> np.ndarray:
        """Red, green and blue `(n, 3)`, float32, from 0 to 1, of embeddings `(n, D)`."""
        along = (embeddings - self.mean) @ self.axes.T
        return np.clip((along - self.low) / (self.high - self.low), 0, 1).astype(np.float32)


def main_directions(embeddings: np.ndarray, weights: np.ndarray) -> MainDirections:
    """
    Finds the main directions of embeddings.

    Args:
        embeddings (`np.ndarray` of shape `(N, D)`): three or more, of width three or more.
        weights (`np.ndarray` of shape `(N,)`): how much each counts, such as the area of its cell.

    Returns:
        [`MainDirections`]
    """
    embeddings = embeddings.astype(np.float32)
    shares = (weights / weights.sum()).astype(np.float32)
    mean = shares @ embeddings
    centred = embeddings - mean
    variances, axes = np.linalg.eigh((centred.T * shares) @ centred)
    axes = axes[:, ::-1][:, :3].T
    axes *= np.sign(axes[np.arange(3), np.abs(axes).argmax(axis=1)])[:, None]
    low, high = np.percentile(centred @ axes.T, (_DARKEST, _BRIGHTEST), axis=0)
    return MainDirections(
        mean, axes, low, np.maximum(high, low + 1e-6), float(variances[-3:].sum() / max(variances.sum(), 1e-12))
    )


class Colours:
    """The world in the main directions of the embeddings of its land, which are found once."""

    def __init__(self, grids: Grids):
        self._grids = grids

    @cached_property
    def directions(self) -> MainDirections:
        """The main directions of the embeddings of land."""
        _, lat, embeddings = self._grids.land()
        return main_directions(embeddings, np.cos(np.radians(lat)))

    def draw(self, view: Sequence[float], sea: bool = False, current: Callable[[], bool] = always) -> Iterator[Layer]:
        """
        The colours of the cells in a view (west, south, east, north in degrees), coarse ones first if fine ones take time; see
        [`Grids.steps`].
        """
        title = (
            f"Embeddings as colours: similar colours, similar places ({self.directions.explained:.0%} of the variance)"
        )
        for region, values, coarse in self._grids.steps(view, self.directions.colours, sea, current):
            yield Layer(region, values, None, title, view, "colours", coarse)
