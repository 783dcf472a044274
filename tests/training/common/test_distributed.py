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
"""Exchange of values and rows between two processes, and on a single one."""

from typing import Any

import pytest
import torch

pytest.importorskip("accelerate", reason="the extra train is not installed")
from accelerate import Accelerator

from training.common.distributed import (
    any_rank,
    gather_rows,
    gather_with_grad,
    main_first,
    mean_over_ranks,
    row_counts,
    row_offset,
    together,
)

COUNTS = [2, 3]
ROWS = torch.arange(10, dtype=torch.float64).reshape(5, 2)
# The weights of the gathered rows in the loss of each process.
WEIGHTS = torch.stack([torch.linspace(-1, 1, 10).reshape(5, 2), torch.linspace(3, 9, 10).reshape(5, 2) ** 2]).double()


def share(rows: torch.Tensor, rank: int) -> torch.Tensor:
    return rows.split(COUNTS)[rank]


def exchange(rank: int) -> dict[str, Any]:
    rows = share(ROWS, rank).clone().requires_grad_()
    counts = row_counts(len(rows))
    gathered = gather_with_grad(rows, counts)
    (gathered * WEIGHTS[rank]).sum().backward()
    return {
        "counts": counts,
        "offset": row_offset(counts),
        "gathered": gathered.detach(),
        "gradient": rows.grad,
        "without_grad": gather_rows(rows, counts),
        "whole_numbers": gather_rows(share(torch.arange(5), rank), counts),
        "none_on_rank_0": gather_rows(rows.detach()[: 2 * rank], row_counts(2 * rank)),
        "any": [any_rank(flag) for flag in (False, rank == 1, rank == 0, True)],
        "means": mean_over_ranks({"b": torch.tensor(1.0 + rank), "a": torch.tensor(rank)}),
    }


@pytest.fixture(scope="module")
def seen(two_processes) -> list[dict[str, Any]]:
    """The results on each of two processes."""
    return two_processes.run(exchange)


@pytest.mark.parametrize("rank", [0, 1])
def test_rows_are_gathered_in_the_order_of_the_ranks(seen, rank):
    assert seen[rank]["counts"] == COUNTS and seen[rank]["offset"] == [0, 2][rank]
    for name in ("gathered", "without_grad"):
        assert torch.equal(seen[rank][name], ROWS)
        assert not seen[rank][name].requires_grad
    assert torch.equal(seen[rank]["whole_numbers"], torch.arange(5))
    assert torch.equal(seen[rank]["none_on_rank_0"], ROWS[2:4])


@pytest.mark.parametrize("rank", [0, 1])
def test_a_row_receives_the_gradient_of_all_losses(seen, rank):
    torch.testing.assert_close(seen[rank]["gradient"], share(WEIGHTS.sum(0), rank), rtol=0, atol=1e-12)


@pytest.mark.parametrize("rank", [0, 1])
def test_processes_agree_on_flags_and_means(seen, rank):
    assert seen[rank]["any"] == [False, True, True, True]
    assert seen[rank]["means"] == {"b": 1.5, "a": 0.5} and list(seen[rank]["means"]) == ["b", "a"]


def test_a_single_process_keeps_its_values():
    rows = ROWS.clone().requires_grad_()
    counts = row_counts(5)
    assert counts == [5] and row_offset(counts) == 0
    assert gather_with_grad(rows, counts) is rows
    assert torch.equal(gather_rows(rows, counts), ROWS) and not gather_rows(rows, counts).requires_grad
    assert any_rank(True) and not any_rank(False)
    assert mean_over_ranks({"loss": torch.tensor(2.5, requires_grad=True)}) == {"loss": 2.5}


def fails_on(rank: int, failing: int) -> tuple[list[str], int]:
    """The errors of work that fails on one rank, and the result of work that succeeds on both afterwards."""
    accelerator = Accelerator()

    def work() -> int:
        if rank == failing:
            raise ValueError(f"rank {rank} found a bad file")
        return rank

    errors = []
    for attempt in (lambda: together(work), lambda: main_first(work, accelerator)):
        try:
            attempt()
        except ValueError as error:
            errors.append(str(error))
    return errors, together(lambda: rank) + main_first(lambda: 10 * rank, accelerator)


@pytest.mark.parametrize("failing", [0, 1])
def test_what_fails_on_one_process_is_raised_on_both(two_processes, failing):
    answers = two_processes.run(fails_on, failing)
    for rank, (errors, after) in enumerate(answers):
        own = rank == failing
        assert (
            errors == [f"rank {rank} found a bad file" if own else "Another process failed; its message says why."] * 2
        )
        assert after == 11 * rank


def test_a_single_process_raises_its_own_error():
    assert together(lambda: 3) == 3
    with pytest.raises(KeyError, match="own"):
        together(lambda: {}["own"])
