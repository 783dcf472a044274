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
"""Kinds of places that a model tells apart without being told any: clusters of its embeddings of land, by k-means."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from serving.grids import Grids
from serving.layers import PALETTE, Classes, Layer
from serving.turns import always

MOST_CLUSTERS = len(PALETTE)


class Clusters:
    """The world in clusters; those of each number are found once."""

    def __init__(self, grids: Grids):
        self._grids = grids
        self._found: dict[int, tuple[np.ndarray, Classes]] = {}

    def draw(
        self, count: int, view: Sequence[float], sea: bool = False, current: Callable[[], bool] = always
    ) -> Iterator[Layer]:
        """
        The clusters of the cells in a view, coarse cells first if fine ones take time; see [`Grids.steps`].

        Args:
            count (`int`): number of clusters, 2 to 12. The first is the largest.
            view (west, south, east, north): in degrees.

        Raises:
            ValueError: if the number is out of range.
        """
        if not (isinstance(count, int) and 2 <= count <= MOST_CLUSTERS):
            raise ValueError(
                f"The number of clusters is {count!r:.40}, expected 2 to {MOST_CLUSTERS}; move the slider."
            )
        if count not in self._found:
            self._found[count] = self._clustered(count)
        centres, classes = self._found[count]
        nearest = lambda cells: (cells @ centres.T - (centres**2).sum(axis=1) / 2).argmax(axis=1)  # noqa: E731
        title = f"{count} clusters of embeddings of land: the model finds places of one colour similar"
        for region, values, coarse in self._grids.steps(view, nearest, sea, current):
            yield Layer(region, values, classes, title, view, f"clusters {count}", coarse)

    def _clustered(self, count: int) -> tuple[np.ndarray, Classes]:
        """Centres `(count, D)`, and the classes, named by their share of the land."""
        # Here, since it takes a second and 60 MB that not every visitor needs.
        from sklearn.cluster import KMeans

        _, lat, embeddings = self._grids.land()
        areas = np.cos(np.radians(lat)).astype(np.float32)
        with self._grids.turns.turn(0):
            found = KMeans(count, n_init=1, random_state=0).fit(embeddings.astype(np.float32), sample_weight=areas)
        shares = np.bincount(found.labels_, areas, minlength=count) / areas.sum()
        order = np.argsort(-shares)
        names = tuple(f"{number}: {share:.0%} of land" for number, share in enumerate(shares[order], start=1))
        return found.cluster_centers_[order].astype(np.float32), Classes(names)
