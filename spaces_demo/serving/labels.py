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
"""Places that a visitor labels: what each line of the text says, and the text again."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from serving.layers import PALETTE
from serving.text import numbers_text

# What a click means if no classes are named.
PLUS, MINUS = "like this", "not like this"
MOST_LABELS = 500
MOST_CLASSES = len(PALETTE)
_LONGEST_NAME = 40
_EXPECTED = "longitude, latitude, class in each line, such as 13.40, 52.52, city"


@dataclass(frozen=True)
class Labels:
    """
    Labelled places.

    Attributes:
        lon_lat (`np.ndarray` of shape `(L, 2)`): lon in [-180, 180), lat in degrees.
        classes (`np.ndarray` of shape `(L,)`): index of each label's class.
        names (`tuple[str, ...]`): the classes; "not like this" and "like this", or in the order of their first label.
    """

    lon_lat: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.classes)

    @property
    def are_plus_and_minus(self) -> bool:
        """Whether the only classes are "like this" and "not like this"."""
        return set(self.names) <= {PLUS, MINUS}

    def marks(self) -> list[dict[str, Any]]:
        """The labels as marks of a map."""
        kinds = {PLUS: "plus", MINUS: "minus"} if self.are_plus_and_minus else {}
        return [
            {
                "id": f"label {number}",
                "lon": float(lon),
                "lat": float(lat),
                "kind": kinds.get(self.names[own], "class"),
                "label": self.names[own],
                "colour": PALETTE[own],
            }
            for number, ((lon, lat), own) in enumerate(zip(self.lon_lat, self.classes), start=1)
        ]


def parse_labels(text: str, coordinates: Any) -> Labels:
    """
    Reads labels.

    Args:
        text (`str`): a label in each line, `lon, lat, class`; lines without text are skipped.
        coordinates (`GairCoordinateProcessor`): checks lon, lat.

    Raises:
        ValueError: if a line is not a label, or there are too many labels or classes.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_LABELS:
        raise ValueError(f"There are {len(lines)} labels, expected at most {MOST_LABELS}; remove some.")
    places, owners = [], []
    for line in lines:
        *place, name = (part.strip() for part in line.replace("−", "-").split(",", 2))
        try:
            lon, lat = map(float, place)
            if not (np.isfinite([lon, lat]).all() and _is_name(name)):
                raise ValueError
        except ValueError as error:
            raise ValueError(f"A label is {line[:60]!r}, expected {_EXPECTED}; correct the line.") from error
        places.append((lon, lat))
        owners.append(name)
    names = tuple(dict.fromkeys(owners))
    if set(names) <= {PLUS, MINUS}:
        names = tuple(name for name in (MINUS, PLUS) if name in names)
    if len(names) > MOST_CLASSES:
        raise ValueError(f"There are {len(names)} classes, expected at most {MOST_CLASSES}; name some of them alike.")
    checked = coordinates.check(*np.array(places).T) if places else np.zeros((0, 2))
    return Labels(np.asarray(checked, np.float64), np.array([names.index(name) for name in owners], int), names)


def with_labels(text: str, pins: Sequence[tuple[float, float]], name: str) -> str:
    """
    The text with a line for each pin that it does not hold yet.

    Args:
        text (`str`): labels, a line each.
        pins (`Sequence` of lon, lat): in degrees.
        name (`str`): the class of new labels.

    Raises:
        ValueError: if the name is empty, too long, or has a comma or "~".
    """
    name = " ".join(name.split())
    if not _is_name(name):
        raise ValueError(
            f"The class is {name[:60]!r}, expected a name of up to {_LONGEST_NAME} letters without commas and ~; enter another."
        )
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    known = {line.rsplit(",", 1)[0].strip() for line in lines}
    return "\n".join([*lines, *(f"{place}, {name}" for place in map(numbers_text, pins) if place not in known)])


def compact(labels: Labels) -> str:
    """Labels as a part of a link: `~` and a class before its places, such as `~like this,13.4,52.52,2.35,48.86,~other,0,0`."""
    parts: list[str] = []
    for own, places in groupby(zip(labels.classes, labels.lon_lat), key=lambda label: label[0]):
        parts += [f"~{labels.names[own]}", *(numbers_text(place).replace(" ", "") for _, place in places)]
    return ",".join(parts)


def expanded(code: str) -> str:
    """
    The text of labels that [`compact`] wrote; [`parse_labels`] checks what it says.

    Raises:
        ValueError: if it does not consist of classes and pairs of numbers.
    """
    lines: list[str] = []
    for part in code.split("~")[1:]:
        name, *numbers = part.rstrip(",").split(",")
        lines += [f"{lon}, {lat}, {name}" for lon, lat in zip(numbers[::2], numbers[1::2])]
        if len(numbers) % 2 or not numbers:
            lines = []
            break
    if not lines:
        raise ValueError(
            f"the labels are {code[:40]!r}, expected ~class,longitude,latitude,longitude,latitude and so on"
        )
    return "\n".join(lines)


def without_last(text: str) -> str:
    """The text without its last label."""
    return "\n".join([line.strip() for line in text.splitlines() if line.strip()][:-1])


def _is_name(name: str) -> bool:
    """Whether a class can be called so; links separate classes by "~"."""
    return 0 < len(name) <= _LONGEST_NAME and not set(name) & set(",~")
