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
"""Sharing values and rows between processes: two of them on this machine, and one alone."""

from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from training.common.distributed import any_rank, gather_rows, gather_with_grad, mean_over_ranks, row_counts, row_offset

COUNTS = [2, 3]
ROWS = torch.arange(10, dtype=torch.float64).reshape(5, 2)
# What each of the processes' losses weighs the gathered rows with.
WEIGHTS = torch.stack([torch.linspace(-1, 1, 10).reshape(5, 2), torch.linspace(3, 9, 10).reshape(5, 2) ** 2]).double()


def own(rows: torch.Tensor, rank: int) -> torch.Tensor:
    return rows.split(COUNTS)[rank]


def what_a_process_sees(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    rendezvous = f"file://{folder}/rendezvous"
    dist.init_process_group("gloo", rendezvous, timedelta(minutes=3), rank=rank, world_size=2)
    rows = own(ROWS, rank).clone().requires_grad_()
    counts = row_counts(len(rows))
    gathered = gather_with_grad(rows, counts)
    (gathered * WEIGHTS[rank]).sum().backward()
    whole_numbers = own(torch.arange(5), rank)
    seen = {
        "counts": counts,
        "offset": row_offset(counts),
        "gathered": gathered.detach(),
        "gradient": rows.grad,
        "without_grad": gather_rows(rows, counts),
        "whole_numbers": gather_rows(whole_numbers, counts),
        "none_here": gather_rows(rows.detach()[: 2 * rank], row_counts(2 * rank)),
        "any": [any_rank(flag) for flag in (False, rank == 1, rank == 0, True)],
        "means": mean_over_ranks({"b": torch.tensor(1.0 + rank), "a": torch.tensor(rank)}),
    }
    torch.save(seen, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> list[dict]:
    """What each of two processes sees."""
    folder: Path = tmp_path_factory.mktemp("ranks")
    mp.spawn(what_a_process_sees, (str(folder),), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("rank", [0, 1])
def test_rows_come_together_in_the_order_of_the_ranks(seen, rank):
    assert seen[rank]["counts"] == COUNTS and seen[rank]["offset"] == [0, 2][rank]
    for name in ("gathered", "without_grad"):
        assert torch.equal(seen[rank][name], ROWS)
        assert not seen[rank][name].requires_grad
    assert torch.equal(seen[rank]["whole_numbers"], torch.arange(5))
    assert torch.equal(seen[rank]["none_here"], ROWS[2:4])


@pytest.mark.parametrize("rank", [0, 1])
def test_a_row_receives_what_all_losses_send_back(seen, rank):
    torch.testing.assert_close(seen[rank]["gradient"], own(WEIGHTS.sum(0), rank), rtol=0, atol=1e-12)


@pytest.mark.parametrize("rank", [0, 1])
def test_processes_agree_and_average(seen, rank):
    assert seen[rank]["any"] == [False, True, True, True]
    assert seen[rank]["means"] == {"b": 1.5, "a": 0.5} and list(seen[rank]["means"]) == ["b", "a"]


def test_alone_everything_stays_as_it_is():
    rows = ROWS.clone().requires_grad_()
    counts = row_counts(5)
    assert counts == [5] and row_offset(counts) == 0
    assert gather_with_grad(rows, counts) is rows
    assert torch.equal(gather_rows(rows, counts), ROWS) and not gather_rows(rows, counts).requires_grad
    assert any_rank(True) and not any_rank(False)
    assert mean_over_ranks({"loss": torch.tensor(2.5, requires_grad=True)}) == {"loss": 2.5}
