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
"""Geographic bias: errors by continent, latitude and other strata, and how surprisingly they cluster."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache

import geopandas
import numpy as np
from scipy.spatial import cKDTree
from scipy.special import log_ndtr
from sklearn.neighbors import BallTree

from modeling_gair.geo_gair import EARTH_RADIUS_M
from training.benchmarks.kinds.kind import PlaceErrors
from training.common.land import land
from training.common.sphere import points_on_sphere

ELSEWHERE = "islands and sea"
# The outlines are coarse, so places up to this distance from one belong to it.
_NEAR_KM = 100.0
_BAND_DEGREES = 30
_BANDS = ["90° S to 60° S", "60° S to 30° S", "30° S to 0°", "0° to 30° N", "30° N to 60° N", "60° N to 90° N"]
_LEVELS = ("low", "middle", "high")
_FEW_VALUES = 12

# The neighbourhoods of the self-information score.
RADIUS_KM = 1000.0
_MOST_PLACES, _FEWEST_PLACES, _NEIGHBOURS = 100, 12, 4
_MOST_CENTRES = 1000
# The mean of -log2 p for uniform p: the value for errors without spatial structure.
CHANCE_BITS = float(1 / np.log(2))


@dataclass(frozen=True)
class PartBias:
    """
    The errors of one part of the tested places.

    Args:
        stratum, part (`str`): what divides the places, and the name of this part.
        places (`int`): number of places.
        error (`float`): their mean error (for classes, the share of wrong ones).
        ratio (`float`): mean error over that of all places; 1 is fair.
        skill (`float`, *optional*): 1 − squared error over that of predicting the mean of all tested places.
    """

    stratum: str
    part: str
    places: int
    error: float
    ratio: float
    skill: float | None


@dataclass(frozen=True)
class SelfInformation:
    """
    How surprising the arrangement of places is around each place of low performance.

    Args:
        lon, lat (`np.ndarray` of shape `(C,)`): the centres, places of low performance with enough others around.
        marked (`np.ndarray` of shape `(C,)`): bits for the arrangement of low among other performance.
        unmarked (`np.ndarray` of shape `(C,)`): bits for the arrangement of the tested places, against uniform ones.
    """

    lon: np.ndarray
    lat: np.ndarray
    marked: np.ndarray
    unmarked: np.ndarray


@dataclass(frozen=True)
class Bias:
    """
    The bias of one task for the report: errors by part, the number of places with a self-information score (0: there is
    none), and their mean bits.
    """

    run: str
    parts: list[PartBias]
    centres: int = 0
    marked: float = 0.0
    unmarked: float = 0.0

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Bias":
        values = json.loads(text)
        return cls(**(values | {"parts": [PartBias(**part) for part in values["parts"]]}))


def summary(run: str, parts: list[PartBias], surprise: SelfInformation | None) -> Bias:
    """The [`Bias`] of a run."""
    if surprise is None:
        return Bias(run, parts)
    return Bias(run, parts, len(surprise.lon), float(surprise.marked.mean()), float(surprise.unmarked.mean()))


def bias_table(places: PlaceErrors, earth: bool = True) -> list[PartBias]:
    """
    Errors by continent, by 30-degree bands of latitude, and by the task's strata (numbers with many values by thirds).

    Args:
        places ([`PlaceErrors`]): errors of the tested places.
        earth (`bool`): whether the places are on the Earth, so that continents apply.
    """
    strata = {"continent": continents(places.lon, places.lat)} if earth else {}
    strata |= {"latitude": latitude_bands(places.lat)}
    strata |= {name: _parts(values) for name, values in places.strata.items()}
    return [row for name, parts in strata.items() for row in _by_part(name, parts, places)]


def continents(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """
    The continent of each place by Natural Earth's coarse outlines (all of Russia counts as Europe), or
    `"islands and sea"` for places more than 100 km from all of them.

    Args:
        lon, lat (`np.ndarray` of shape `(N,)`): degrees, lon in [-180, 180).

    Returns:
        `np.ndarray` of shape `(N,)`, of names.
    """
    points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(lon, lat), crs=land().crs)
    joined = points.sjoin(land(), predicate="intersects")
    # A place on a border is joined with both sides.
    joined = joined[~joined.index.duplicated()]
    found = np.full(len(lon), ELSEWHERE, dtype=object)
    found[joined.index] = joined["continent"]
    rest = np.flatnonzero(found == ELSEWHERE)
    if len(rest):
        # geopandas measures distances in a plane only; vertices are dense enough to stand for the outline.
        tree, names = _vertices()
        distance, nearest = tree.query(np.radians(np.stack([lat, lon], axis=1)[rest]), 1)
        near = distance[:, 0] * EARTH_RADIUS_M / 1000 <= _NEAR_KM
        found[rest[near]] = names[nearest[near, 0]]
    return found


@lru_cache(maxsize=1)
def _vertices() -> tuple[BallTree, np.ndarray]:
    """All vertices of the outlines as a search tree, and the continent `(V,)` of each."""
    vertices = land().set_index("continent").geometry.get_coordinates()
    lat_lon = np.radians(vertices[["y", "x"]].to_numpy())
    return BallTree(lat_lon, metric="haversine"), vertices.index.to_numpy(dtype=object)


def latitude_bands(lat: np.ndarray) -> np.ndarray:
    """Names of the 30-degree bands of latitudes `(N,)`."""
    return np.array(_BANDS)[np.clip(np.floor(lat / _BAND_DEGREES).astype(int) + 3, 0, 5)]


def self_information(places: PlaceErrors) -> SelfInformation | None:
    """
    Spatial self-information as in the geo-bias literature (TorchSpatial's geo-bias scores): the information, in bits, of
    Moran's statistic in the neighbourhood of each place of low performance (a wrong class, or an error above the median).

    The statistic is `Σ wᵢⱼ zᵢ zⱼ` over the four nearest neighbours, where z is 1 for low performance, else 0, minus its
    mean. The information is `-log2` of the two-sided tail probability under independent marks (normal approximation). The
    published scores use the density in place of the tail, and natural logarithms, so the values are not comparable.
    Independent marks give 1.44 bits on average. A neighbourhood has at most 100 places within 1,000 km.

    Returns:
        [`SelfInformation`] of at most 1,000 centres; None if no place of low performance has 12 others around it.
    """
    threshold = 0.5 if places.unit == "wrong" else np.median(places.error)
    low = (places.error > threshold).astype(np.float64)
    centres = np.flatnonzero(low)
    centres = np.sort(np.random.default_rng(0).permutation(centres)[:_MOST_CENTRES])
    lat_lon = np.radians(np.stack([places.lat, places.lon], axis=1))
    if not len(centres) or low.all():
        return None
    tree = BallTree(lat_lon, metric="haversine")
    distance, nearest = tree.query(lat_lon[centres], min(_MOST_PLACES, len(low)))
    kept, marked, unmarked = [], [], []
    for centre, far, around in zip(centres, distance * EARTH_RADIUS_M / 1000, nearest):
        around = around[far <= RADIUS_KM]
        if len(around) > _FEWEST_PLACES:
            kept.append(centre)
            points = points_on_sphere(*lat_lon[around].T[::-1])
            marked.append(_surprise(points, low[around] - low.mean(), low.std()))
            unmarked.append(_presence_surprise(points, points_on_sphere(*lat_lon[centre : centre + 1].T[::-1])[0]))
    if not kept:
        return None
    return SelfInformation(places.lon[kept], places.lat[kept], np.array(marked), np.array(unmarked))


def _surprise(points: np.ndarray, z: np.ndarray, deviation: float) -> float:
    """Bits of `Σ wᵢⱼ zᵢ zⱼ` over the nearest neighbours of points `(n, 3)`; the marks z have mean 0 and this deviation."""
    neighbours = cKDTree(points).query(points, _NEIGHBOURS + 1)[1][:, 1:]
    own = np.repeat(np.arange(len(points)), _NEIGHBOURS)
    weights = np.zeros((len(points), len(points)))
    weights[own, neighbours.ravel()] = 1 / _NEIGHBOURS
    both = weights + weights.T
    # Products of different pairs are uncorrelated, so their variances add up.
    spread = deviation**2 * np.sqrt((np.triu(both, 1) ** 2).sum())
    score = (z @ weights @ z) / spread
    return float(-(np.log(2) + log_ndtr(-abs(score))) / np.log(2))


def _presence_surprise(points: np.ndarray, centre: np.ndarray) -> float:
    """
    Self-information in bits of the arrangement of points `(n, 3)` among an equal number of random points, drawn uniformly
    over their cap. A regular lattice would not do as background, because even uniform points look clustered next to it.
    """
    reach = np.arccos(np.clip(points @ centre, -1, 1)).max()
    background = _cap(len(points), centre, reach)
    marks = np.repeat([0.5, -0.5], [len(points), len(background)])
    return _surprise(np.concatenate([points, background]), marks, 0.5)


def _cap(count: int, centre: np.ndarray, reach: float) -> np.ndarray:
    """Points `(count, 3)` drawn uniformly over a spherical cap with this centre `(3,)` and angular radius (radians)."""
    share, turn = np.random.default_rng(0).random((2, count))
    height = 1 - share * (1 - np.cos(reach))
    angle, radius = 2 * np.pi * turn, np.sqrt(1 - height**2)
    east = np.cross([0, 0, 1] if abs(centre[2]) < 0.9 else [1, 0, 0], centre)
    east = east / np.linalg.norm(east)
    north = np.cross(centre, east)
    return (
        height[:, None] * centre + (radius * np.cos(angle))[:, None] * east + (radius * np.sin(angle))[:, None] * north
    )


def _by_part(stratum: str, parts: np.ndarray, places: PlaceErrors) -> Iterator[PartBias]:
    overall = places.error.mean()
    for part in _in_order(set(parts.tolist())):
        own = parts == part
        error = float(places.error[own].mean())
        skill = None
        if places.reference is not None:
            skill = float(1 - (places.error[own] ** 2).sum() / max(places.reference[own].sum(), 1e-12))
        yield PartBias(stratum, str(part), int(own.sum()), error, float(error / max(overall, 1e-12)), skill)


def _in_order(parts: set[str]) -> list[str]:
    """Levels from low to high, bands from north to south, names in alphabetical order."""
    if parts <= set(_LEVELS):
        return [level for level in _LEVELS if level in parts]
    return sorted(parts, key=lambda name: (-_BANDS.index(name) if name in _BANDS else 0, name))


def _parts(values: np.ndarray) -> np.ndarray:
    """Values as names; numbers with many values as low, middle and high thirds."""
    if values.dtype.kind not in "iuf" or len(np.unique(values)) <= _FEW_VALUES:
        return values.astype(str)
    return np.array(_LEVELS)[np.digitize(values, np.nanpercentile(values, (100 / 3, 200 / 3)))]
