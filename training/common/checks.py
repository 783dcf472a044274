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
"""Checks of settings and paths that several programs share."""

import difflib
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def is_number(value: Any) -> bool:
    """Whether a value is a finite int or float; booleans are not numbers."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def check_whole(name: str, value: Any, least: int) -> None:
    """
    Check that a setting is a whole number of at least `least`.

    Raises:
        ValueError: it is not; the message calls it `name`.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}; expected a whole number of at least {least}.")


def check_empty(folder: Path, advice: str) -> None:
    """
    Check that `folder` does not exist or is an empty directory.

    Raises:
        ValueError: `folder` is a file or a directory that is not empty; `advice` tells the user what to do.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{str(folder)!r} exists and is not an empty directory; {advice}.")


def check_keys(keys: Iterable[Any], known: Iterable[str], owner: str) -> None:
    """
    Check that all keys are among the `known` ones.

    Raises:
        ValueError: a key is unknown; the message names `owner`, whose keys these are, and the nearest known key.
    """
    known = sorted(known)
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(known)}."
            raise ValueError(f"{owner}: unknown setting {key!r}; {hint}")
