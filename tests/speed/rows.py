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
"""What the suite measures: rows with a time, its spread, a rate and a ratio, from functions that run in turn."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tests.speed.measuring import seconds_in_turn
from training.common.matrix_rate import matrix_product

# A comparison that takes longer has fewer rounds.
_ENOUGH_S = 20.0
# Matrix products in a turn, about a tenth of a second on a CPU.
_PRODUCTS = 8


@dataclass(frozen=True)
class Settings:
    """
    What is measured, and how thoroughly.

    Attributes:
        device (`torch.device`): where models compute.
        quick (`bool`): tiny models and few repeats, to see that everything runs; the figures mean little.
        published (`Path`, *optional*): a checkout of the published implementation.
        published_python (`str`): an interpreter with the transformers that it pins.
    """

    device: torch.device
    quick: bool
    published: Path | None = None
    published_python: str = "python3"

    @property
    def repeats(self) -> int:
        """Rounds of a comparison, at most."""
        return 2 if self.quick else 7


@dataclass(frozen=True)
class Row:
    """
    One measurement.

    Attributes:
        section, case (`str`): its name, the same in every run.
        value (`float`): the median.
        unit (`str`): of the value; `"s"` for seconds.
        spread (`float`): half the distance between the quartiles over the median; 0 of a single value.
        rate (`float`, *optional*): items a second.
        items (`str`): what the rate counts.
        ratio (`float`, *optional*): how many times as fast as `than`.
        than (`str`): the case of the same section that it is compared with, or what else.
        note (`str`): what else a reader should know.
    """

    section: str
    case: str
    value: float
    unit: str = "s"
    spread: float = 0.0
    rate: float | None = None
    items: str = ""
    ratio: float | None = None
    than: str = ""
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def compare(
    section: str,
    runs: Mapping[str, Callable[[], Any]],
    settings: Settings,
    *,
    items: tuple[float, str] | None = None,
    than: str | None = None,
    gflop: float = 0.0,
    dtypes: Mapping[str, torch.dtype] | None = None,
) -> list[Row]:
    """
    Times functions in turn; see [`~tests.speed.measuring.seconds_in_turn`].

    Args:
        section (`str`), runs (`Mapping[str, Callable]`): the functions by the names of their cases.
        settings ([`Settings`]): how many rounds.
        items (`tuple[float, str]`, *optional*): how many of what one call does, for a rate.
        than (`str`, *optional*): the case that the others are compared with.
        gflop (`float`), dtypes (`Mapping[str, torch.dtype]`, *optional*): billions of FLOPs of one call, and in which type each case
            multiplies. The note then states the share of the rate at which the device multiplies large matrices, which takes its turn too.
    """
    dtypes = dtypes or {}
    products = {str(dtype): matrix_product(settings.device, dtype) for dtype in dtypes.values()}
    in_turn = {**runs, **{name: partial(_repeated, multiply) for name, (multiply, _) in products.items()}}
    seconds = seconds_in_turn(
        {case: partial(_finished, run, settings.device) for case, run in in_turn.items()},
        settings.repeats,
        enough_s=_ENOUGH_S,
    )
    medians = {case: statistics.median(values) for case, values in seconds.items()}
    rates = {name: _PRODUCTS * flops / 1e9 / medians.pop(name) for name, (_, flops) in products.items()}
    return [
        Row(
            section,
            case,
            median,
            spread=spread(seconds[case]),
            rate=items[0] / median if items else None,
            items=items[1] if items else "",
            ratio=medians[than] / median if than and case != than else None,
            than=than if than and case != than else "",
            note=f"{gflop / median / rates[str(dtypes[case])]:.0%} of the matrix rate" if case in dtypes else "",
        )
        for case, median in medians.items()
    ]


def _repeated(multiply: Callable[[], torch.Tensor]) -> None:
    for _ in range(_PRODUCTS):
        multiply()


def cosines(exact: torch.Tensor, rounded: torch.Tensor) -> str:
    """A note on how far embeddings `(..., D)` in fewer bits are from those in float32."""
    found = torch.cosine_similarity(exact, rounded, dim=-1)
    return f"cosines to float32: mean 1 − {1 - found.double().mean():.1e}, least {found.min():.6f}"


def timed(run: Callable[[], Any], device: torch.device) -> float:
    """Seconds of one call, with what it left to the device to do."""
    start = time.perf_counter()
    _finished(run, device)
    return time.perf_counter() - start


def _finished(run: Callable[[], Any], device: torch.device) -> None:
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def spread(values: list[float]) -> float:
    """Half the distance between the quartiles over the median; 0 of fewer than four values."""
    if len(values) < 4:
        return 0.0
    first, _, third = statistics.quantiles(values, n=4)
    return (third - first) / 2 / statistics.median(values)
