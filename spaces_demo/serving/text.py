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
"""Numbers as visitors type and read them."""

from collections.abc import Sequence

import numpy as np


def typed_numbers(text: str, count: int, expected: str) -> list[float]:
    """
    Parses numbers separated by commas.

    Args:
        text (`str`): what the visitor typed; a typographic minus sign is accepted.
        count (`int`): how many numbers are expected.
        expected (`str`): what the error message says is expected.

    Returns:
        `list[float]`: finite numbers.

    Raises:
        ValueError: if the count differs or a part is not a finite number.
    """
    parts = text.replace("−", "-").split(",")
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"The input is {text.strip()[:60]!r}, expected {expected}; correct it.")
    return values


def numbers_text(numbers: Sequence[float]) -> str:
    """Numbers separated by commas, with up to four decimals; the inverse of [`typed_numbers`]."""
    return ", ".join(f"{number:.4f}".rstrip("0").rstrip(".") for number in numbers)


def degrees_text(lon: float, lat: float, digits: int = 4) -> str:
    """A place in degrees with hemispheres, such as `13.4000° E, 52.5200° N`."""
    return f"{abs(lon):.{digits}f}° {'W' if lon < 0 else 'E'}, {abs(lat):.{digits}f}° {'S' if lat < 0 else 'N'}"


def number_text(number: float, digits: int) -> str:
    """A number for readers, with a real minus sign, such as `−0.60`."""
    return f"{number:.{digits}f}".replace("-", "−")
