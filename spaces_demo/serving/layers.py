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
"""A map of the world as numbers: what the page draws, and what files hold."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.grids import Region
from serving.similarity import NO_DATA, Scale, to_base64

# Colours of classes that differ for most kinds of colour vision: Paul Tol's "muted" scheme, and three of his "vibrant" one.
PALETTE = (
    "#CC6677", "#332288", "#DDCC77", "#117733", "#88CCEE", "#882255", "#44AA99", "#999933", "#AA4499", "#EE7733", "#0077BB", "#BBBBBB",
)  # fmt: skip


@dataclass(frozen=True)
class Classes:
    """
    Values as numbers of classes.

    Attributes:
        names (`tuple[str, ...]`): at most 12 classes, in the order of their numbers.
    """

    names: tuple[str, ...]

    @property
    def palette(self) -> tuple[str, ...]:
        """A colour `#RRGGBB` for each class."""
        return PALETTE[: len(self.names)]


@dataclass(frozen=True)
class Layer:
    """
    Cells of a region.

    Attributes:
        region ([`Region`]): which cells.
        values (`np.ndarray`): float32, NaN without data: `(rows, columns)` for a scale or classes, or `(rows, columns, 3)` for
            colours, from 0 to 1.
        drawn_as ([`Scale`], [`Classes`] or None): None for colours.
        title (`str`): what is shown, in plain words.
        view (west, south, east, north): for which the layer was made, in degrees.
        key (`str`): equal for equal queries.
        coarse (`bool`): whether finer cells follow.
        pins (`Sequence` of lon, lat): places of the query.
        places (`Sequence[dict]`): `lon, lat, similarity`, the most similar first.
        marks (`Sequence[dict]`): `id, lon, lat, kind, label`, and perhaps `colour`.
    """

    region: Region
    values: np.ndarray
    drawn_as: Scale | Classes | None
    title: str
    view: Sequence[float]
    key: str
    coarse: bool
    pins: Sequence[tuple[float, float]] = ()
    places: Sequence[dict[str, float]] = ()
    marks: Sequence[dict[str, Any]] = ()

    def value(self) -> dict[str, Any]:
        """What map.js draws."""
        rows, columns = self.region.shape
        return {
            **dict(zip(("west", "south", "east", "north"), self.region.bounds)),
            "columns": columns,
            "rows": rows,
            **self._cells(),
            "title": self.title,
            "pins": [{"lon": lon, "lat": lat} for lon, lat in self.pins],
            "places": list(self.places),
            "marks": list(self.marks),
            "drawn_for": list(self.view),
            "key": self.key,
            "coarse": self.coarse,
        }

    def _cells(self) -> dict[str, Any]:
        match self.drawn_as:
            case Scale(low, high, label, unit):
                cells = to_base64(self.values, low, high)
                return {"cells": cells, "low": low, "high": high, "scale": label, "unit": unit}
            case Classes(names):
                numbers = np.where(np.isfinite(self.values), self.values, NO_DATA).astype(np.uint8)
                classes = base64.b64encode(numbers.tobytes()).decode("ascii")
                return {"classes": classes, "names": list(names), "palette": list(self.drawn_as.palette)}
        alpha = np.isfinite(self.values).all(axis=-1, keepdims=True)
        colours = np.rint(255 * np.concatenate([np.where(alpha, self.values, 0), alpha], axis=-1)).astype(np.uint8)
        return {"colours": base64.b64encode(colours.tobytes()).decode("ascii")}
