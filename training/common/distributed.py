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
"""Exchange of values and rows between training processes; a single process keeps its own."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import Accelerator
from torch.distributed.checkpoint import CheckpointException

T = TypeVar("T")


def row_counts(rows: int) -> list[int]:
    """
    Number of rows of each process, by rank. Synchronises the processes but not their devices.

    Args:
        rows (`int`): number of rows of this process.
    """
    if not _is_distributed():
        return [rows]
    counts = torch.zeros(dist.get_world_size(), dtype=torch.int64)
    counts[dist.get_rank()] = rows
    dist.all_reduce(counts, group=_cpu_group(dist.group.WORLD))
    return counts.tolist()


def row_offset(counts: list[int]) -> int:
    """Index of this process's first row among the rows of all processes; `counts` are from [`row_counts`]."""
    return sum(counts[: dist.get_rank()]) if _is_distributed() else 0


@torch.no_grad()
def gather_rows(rows: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """
    The rows of all processes in the order of their ranks, without gradient.

    Args:
        rows (`torch.Tensor` of shape `(n, ...)`): the rows of this process.
        counts (`list[int]`): result of [`row_counts`]; processes may have different numbers of rows.

    Returns:
        `torch.Tensor` of shape `(sum(counts), ...)`, the same on every process.
    """
    if not _is_distributed():
        return rows.detach()
    # all_gather needs equal shapes.
    padded = rows.new_zeros(max(counts), *rows.shape[1:])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded)
    return torch.cat([part[:count] for part, count in zip(parts, counts)])


def gather_with_grad(rows: torch.Tensor, counts: list[int]) -> torch.Tensor:
    """
    Like [`gather_rows`], with gradient: a row receives the sum of the gradients of all processes' losses.

    Every process must call it and run the backward pass through it.
    """
    return _Gather.apply(rows, counts) if _is_distributed() else rows


def any_rank(flag: bool) -> bool:
    """Whether `flag` is true on any process. All must call it; synchronises the processes but not their devices."""
    if not _is_distributed():
        return flag
    flags = torch.tensor([flag], dtype=torch.int64)
    dist.all_reduce(flags, op=dist.ReduceOp.MAX, group=_cpu_group(dist.group.WORLD))
    return bool(flags.item())


def together(work: Callable[[], T]) -> T:
    """
    Does work on all processes, and raises on all of them if it fails on any: a process that raised alone would leave the
    others waiting for it in their next exchange. All must call it.

    Args:
        work (`Callable`): must not exchange anything between the processes.

    Returns:
        What the work returns on this process.

    Raises:
        Exception: as the work raised it; on processes where it succeeded, a `ValueError`.
    """
    results: list[T] = []
    failure: BaseException | None = None
    try:
        results.append(work())
    # Whatever failed, the other processes must not wait for this one; torch's own CheckpointException is no Exception.
    except (Exception, CheckpointException) as error:
        failure = error
    if any_rank(failure is not None):
        raise failure or ValueError("Another process failed; its message says why.")
    return results[0]


def main_first(work: Callable[[], T], accelerator: Accelerator) -> T:
    """Does work on the main process of each machine, then on the others, as [`together`] does."""
    if accelerator.is_local_main_process:
        result = together(work)
        together(lambda: None)
        return result
    together(lambda: None)
    return together(work)


def mean_over_ranks(values: dict[str, torch.Tensor]) -> dict[str, float]:
    """
    Mean of each value over the processes. It waits for the device, so use it for logging only.

    Args:
        values (`dict[str, torch.Tensor]`): scalars on any device, with the same names in the same order on all processes.
    """
    means = torch.tensor([value.item() for value in values.values()], dtype=torch.float64)
    if _is_distributed():
        dist.all_reduce(means, group=_cpu_group(dist.group.WORLD))
        means /= dist.get_world_size()
    return dict(zip(values, means.tolist()))


def unwrapped(module: torch.nn.Module, accelerator: Accelerator) -> Any:
    """The module without the wrappers of Accelerate and `torch.compile`; the parameters are shared."""
    return accelerator.unwrap_model(module, keep_torch_compile=False)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, counts: list[int]) -> torch.Tensor:
        ctx.counts = counts
        return gather_rows(rows, counts)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        # A copy, since autograd may use the gradient elsewhere.
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        start = row_offset(ctx.counts)
        return total[start : start + ctx.counts[dist.get_rank()]], None


def _is_distributed() -> bool:
    return dist.is_available() and dist.is_initialized()


@lru_cache(maxsize=1)
def _cpu_group(world: Any) -> Any:
    """A group of all processes in `world` that communicates on the CPU; created once, which all processes must do."""
    return dist.new_group(backend="gloo")
