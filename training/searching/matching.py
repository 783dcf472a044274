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
"""Which row a labelled place labels: the one in whose footprint it lies, or else the nearest within a stated distance."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import shapely
from scipy.spatial import KDTree

from modeling_gair.geo_gair import great_circle_distance_m
from training.common.sphere import points_on_sphere
from training.embedding.outputs.rows import read_vectors
from training.searching.labels import Labels

_FURTHER_SHOWN = 3


@dataclass
class Matches:
    """
    The rows that labels were matched with.

    Attributes:
        distance_m (`np.ndarray` of shape `(L,)`): from each label to its row's lon, lat; 0 in the row's footprint.
        vectors (`np.ndarray` of shape `(L, D)`): the rows' embeddings, raw.
        ids (`np.ndarray` of shape `(L,)`): the rows' ids.
    """

    distance_m: np.ndarray
    vectors: np.ndarray
    ids: np.ndarray


def match_rows(labels: Labels, tables: Iterable[pa.Table], dimension: int, within_m: float) -> Matches:
    """
    Matches each label with a row. A label in several footprints takes the one whose lon, lat is nearest.

    Args:
        labels ([`Labels`]): L labels.
        tables (`Iterable[pa.Table]`): all rows, some at a time, with geometry, lon, lat, id and their embeddings.
        dimension (`int`): D.
        within_m (`float`): largest distance from a label to the lon, lat of its row, unless it lies in the row's footprint.

    Raises:
        ValueError: labels lie farther than that from every row.
    """
    count = len(labels)
    best = Matches(np.full(count, np.inf), np.zeros((count, dimension), np.float32), np.full(count, "", object))
    # Footprints come before distances.
    inside = np.zeros(count, bool)
    centre_m = np.full(count, np.inf)
    for table in tables:
        rows, distance, contained = _candidates(labels.lon_lat, table)
        better = (contained & ~inside) | ((contained == inside) & (distance < centre_m))
        if better.any():
            chosen = table.take(pa.array(rows[better]))
            best.vectors[better] = read_vectors(chosen)
            best.ids[better] = chosen.column("id").to_pylist()
            inside[better], centre_m[better] = contained[better], distance[better]
    best.distance_m[:] = np.where(inside, 0, centre_m)
    _check_near(labels, best.distance_m, within_m)
    return best


def _candidates(lon_lat: np.ndarray, table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each label, a row of the table, the distance in metres to its lon, lat, and whether the label lies in its footprint."""
    centres = np.stack([table.column(axis).to_numpy() for axis in ("lon", "lat")], axis=1)
    _, rows = KDTree(points_on_sphere(*np.radians(centres.T))).query(points_on_sphere(*np.radians(lon_lat.T)))
    distance = great_circle_distance_m(*lon_lat.T, *centres[rows].T)
    contained = np.zeros(len(lon_lat), bool)
    shapes = shapely.from_wkb(table.column("geometry").to_numpy(zero_copy_only=False))
    if (shapely.get_type_id(shapes) == shapely.GeometryType.POINT).all():
        return rows, distance, contained
    label, row = shapely.STRtree(shapes).query(shapely.points(lon_lat), predicate="intersects")
    apart = great_circle_distance_m(*lon_lat[label].T, *centres[row].T)
    # The nearest last, so that it stays.
    order = np.argsort(-apart, kind="stable")
    rows[label[order]], distance[label[order]] = row[order], apart[order]
    contained[label] = True
    return rows, distance, contained


def _check_near(labels: Labels, distance_m: np.ndarray, within_m: float) -> None:
    far = np.flatnonzero(distance_m > within_m)
    if len(far):
        shown = "; ".join(
            f"lon, lat {labels.lon_lat[row, 0]:.5f}, {labels.lon_lat[row, 1]:.5f} ({distance_m[row]:,.0f} m away)"
            for row in far[:_FURTHER_SHOWN]
        )
        raise ValueError(
            f"{len(far)} of {len(labels)} labels lie farther than {within_m:,.0f} m from every row and in no footprint, first {shown}; move "
            "or delete them, embed these places, or pass a larger --within_m."
        )
