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
"""Clusters of the world: that they tell apart what differs, their order, and what is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
pytest.importorskip("sklearn")
from serving.clusters import Clusters
from serving.grids import WORLD, Grids


@pytest.fixture(scope="module")
def hemispheres(tmp_path_factory):
    """A world whose embeddings say only how far north a place is: in the tropics, or north or south of them."""

    def embed(lon, lat):
        zone = np.digitize(lat, [-23, 23])
        return np.eye(3, dtype=np.float32)[zone]

    return Grids(embed, tmp_path_factory.mktemp("zones") / "world.npy", finest=0)


def test_clusters_are_what_differs_the_largest_first(hemispheres):
    (layer,) = Clusters(hemispheres).draw(3, WORLD)
    north, tropics, south = (layer.values[row] for row in (30, 90, 120))
    known = [set(row[np.isfinite(row)].tolist()) for row in (north, tropics, south)]
    # Most land lies north of the tropics, least south of them.
    assert known == [{0.0}, {1.0}, {2.0}]
    shares = [int(name.split(": ")[1].split("%")[0]) for name in layer.drawn_as.names]
    assert shares == sorted(shares, reverse=True) and 98 <= sum(shares) <= 102


def test_each_number_of_clusters_is_found_once(served_model, monkeypatch):
    clusters = Clusters(served_model.grids)
    first = [list(clusters.draw(count, WORLD))[-1].values for count in (4, 6)]
    monkeypatch.setattr(clusters, "_clustered", None)
    again = [list(clusters.draw(count, WORLD))[-1].values for count in (4, 6)]
    assert all(np.array_equal(*pair, equal_nan=True) for pair in zip(first, again))
    assert [len(np.unique(values[np.isfinite(values)])) for values in first] == [4, 6]


@pytest.mark.parametrize("count", [1, 13, 2.5, "3", None])
def test_the_number_of_clusters_is_checked(count):
    with pytest.raises(ValueError, match="expected 2 to 12"):
        list(Clusters(SimpleNamespace()).draw(count, WORLD))
