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
"""Coordinates of places: numbers, masks, ranges and shapes."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from modeling_gair import GairCoordinateProcessor
from tests.bad_inputs.case import Case, Refused, Right


def _check(lon: Any, lat: Any) -> Any:
    return lambda folder: GairCoordinateProcessor().check(lon, lat)


def _locate(crs: Any, bounds: Any = (500000.0, 5000000.0, 500600.0, 5000600.0)) -> Any:
    """Where the middle of a tile lies in it."""

    def run(folder: Path) -> Any:
        places = GairCoordinateProcessor()
        degrees = places.places_at([0.5, 0.5], bounds, crs)
        return places(*degrees, bounds, crs)["query_points"].tolist()

    return run


def _saved_over(folder: Path) -> Any:
    places = GairCoordinateProcessor()
    places.save_pretrained(folder)
    return [path.name for path in folder.iterdir()]


def _in_middle(points: Any) -> bool:
    return np.allclose(points, 0.5, atol=1e-6)


def _empty_geometry() -> tuple[Any, Any]:
    """lon and lat of a point and an empty one, as GeoPandas gives them."""
    return np.array([13.4, np.nan]), np.array([52.5, np.nan])


CASES: list[Case] = [
    Refused(
        "masked", _check(np.ma.masked_equal([1.0, 2.0], 2.0), [1.0, 2.0]), "lon has masked values.*drop those rows"
    ),
    Refused("masked in a list", _check([1.0, np.ma.masked], [1.0, 2.0]), "lon has masked values"),
    Refused(
        "lists of masked arrays", _check([[1.0, 2.0]], [np.ma.masked_equal([1.0, 2.0], 2.0)]), "lat has masked values"
    ),
    Right("nothing masked", _check(np.ma.array([1.0]), [2.0]), lambda found: found.tolist() == [[1.0, 2.0]]),
    Refused("an empty geometry", _check(*_empty_geometry()), "lon contains nan, expected finite degrees"),
    Refused("metres", _check(500000.0, 80.0), "lon is 500000.0, expected degrees.*not metres"),
    Refused("beyond any turn", _check([0.0, -720.5], [0.0, 0.0]), "lon is -720.5"),
    Refused(
        "half precision", _check(np.float16(13.4), np.float16(52.5)), "lon is in half precision.*off by kilometres"
    ),
    Refused(
        "bfloat16", _check(torch.tensor(13.4, dtype=torch.bfloat16), torch.tensor(52.5)), "lon is in half precision"
    ),
    Refused("dates", _check(np.datetime64("2020-01-01"), 0.0), "expected degrees as a number"),
    Refused("flags", _check(True, False), "lon is True, expected degrees as a number"),
    Refused("complex numbers", _check(1 + 2j, 0.0), "expected degrees as a number"),
    Refused("ragged lists", _check([[1.0], [1.0, 2.0]], 0.0), "expected degrees as a number"),
    Refused("a dict", _check({"lon": 1.0}, 0.0), "expected degrees as a number"),
    Right(
        "tensors with gradients",
        _check(torch.ones(2, requires_grad=True), torch.ones(2)),
        lambda found: found.shape == (2, 2),
    ),
    Right("two turns of maps", _check([539.0, -361.0], [0, 0]), lambda found: found[:, 0].tolist() == [179.0, -1.0]),
    Right("CRS as a number", _locate(32633), _in_middle),
    Right("CRS as text", _locate("epsg:32633"), _in_middle),
    Refused("CRS of Mars", _locate("IAU_2015:49900"), "Earth's surface|not a known coordinate reference system"),
    Right("saved whole", _saved_over, lambda names: {name.rpartition(".")[2] for name in names} == {"json", "py"}),
    Refused("NaN", _check(float("nan"), 0.0), "lon contains nan, expected finite degrees"),
    Refused("inf", _check(0.0, np.inf), "lat contains inf"),
    Refused("lat beyond a pole", _check(0.0, 91.0), "lat is 91.0, expected -90 to 90"),
    Refused("swapped", _check(48.0, 139.0), "lon and lat are not swapped"),
    Refused("text", _check("east", 0.0), "lon is 'east', expected degrees as a number"),
    Refused("None", _check(None, 0.0), "lon"),
    Refused("different shapes", _check([1.0, 2.0], [1.0]), "expected equal shapes"),
    Right("one turn too far", _check(190.0, 0.0), lambda found: found.tolist() == [-170.0, 0.0]),
    Right("numbers as text", _check("13.4", "52.5"), lambda found: found.tolist() == [13.4, 52.5]),
    Right("float16-free integers", _check(np.int64(13), np.int64(52)), lambda found: found.dtype == np.float64),
]
