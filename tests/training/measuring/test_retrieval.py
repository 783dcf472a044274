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
"""Ranks, recalls and the tables of retrieval."""

import pytest
import torch
from torch.nn.functional import normalize

from training.measuring.retrieval import (
    LABELS,
    across_tiles,
    among_points,
    headline,
    one_photo_per_tile,
    photos_of_each_tile,
    ranks,
    retrieval,
)
from training.measuring.tables import format_retrieval


def drawn(count: int, width: int = 16) -> torch.Tensor:
    return normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(count)), dim=-1)


def test_an_identical_embedding_ranks_first():
    embeds = drawn(20)
    assert ranks(embeds, embeds).tolist() == [1.0] * 20


def test_the_rank_counts_the_targets_with_higher_similarity():
    targets = torch.eye(4)
    queries = normalize(torch.tensor([[1.0, 2, 3, 4], [4, 3, 2, 1], [1, 2, 4, 3], [1, 2, 3, 4]]), dim=-1)
    assert ranks(queries, targets).tolist() == [4.0, 2.0, 1.0, 1.0]


@pytest.mark.parametrize("count", [2, 5, 30])
def test_constant_embeddings_score_at_chance(count):
    constant = torch.ones(count, 4) / 2
    assert ranks(drawn(count, 4), constant).tolist() == [(count + 1) / 2] * count


def test_rounding_does_not_break_ties():
    # Photos of one tile, compared with the tile mean that was computed in two batches.
    means = normalize(torch.ones(4, 8), dim=-1) + torch.tensor([0, 1e-8, -1e-8, 2e-8])[:, None]
    assert ranks(drawn(4, 8), means).tolist() == [2.5] * 4


def test_random_embeddings_score_near_chance():
    queries, targets = drawn(2000), drawn(2001)[:2000]
    found = ranks(queries, targets)
    assert abs(found.mean().item() - 1000.5) < 50
    assert abs((found <= 10).double().mean().item() - 10 / 2000) < 0.01


def test_ranks_do_not_depend_on_the_chunk_size(monkeypatch):
    queries, targets = drawn(50), drawn(51)[:50]
    whole = ranks(queries, targets)
    monkeypatch.setattr("training.measuring.retrieval._CHUNK", 7)
    assert torch.equal(ranks(queries, targets), whole)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_embeddings_that_are_not_finite_are_refused(value):
    broken = drawn(3).clone()
    broken[1, 0] = value
    for queries, targets in ((broken, drawn(3)), (drawn(3), broken)):
        with pytest.raises(ValueError, match="not finite"):
            ranks(queries, targets)


def test_the_table_has_recalls_and_ranks_of_each_direction():
    embeddings = {name: drawn(12) for name in LABELS}
    embeddings["location"] = embeddings["location"].flip(0)
    directions = across_tiles(embeddings, "nili")
    table = retrieval(embeddings, [torch.arange(12)], directions)
    assert len(table) == 1 + len(directions)
    perfect = {"R@1": 1.0, "R@5": 1.0, "R@10": 1.0, "median_rank": 1.0, "mean_rank": 1.0}
    assert table["SV → RS at the point (NILI)"] == table["RS, tile mean → SV"] == perfect
    assert table["SV → location"]["median_rank"] > 1
    lines = format_retrieval(table, "title").splitlines()
    assert len(lines) == 2 + len(directions) and len({len(line) for line in lines}) == 1
    assert lines[1].split() == ["chance", "8.3%", "41.7%", "83.3%", "6.5", "6.5"]


def test_the_median_of_an_even_number_of_ranks_is_their_midpoint():
    embeddings = {name: torch.eye(2) for name in LABELS}
    embeddings["sv"] = torch.tensor([[1.0, 0], [1, 0]])
    table = retrieval(embeddings, [torch.arange(2)], [("sv", "location")])
    assert table["SV → location"]["median_rank"] == 1.5


@pytest.mark.parametrize("mode", ["nili", "bilinear", "mean"])
def test_tables_begin_with_the_models_own_reading(mode):
    names = ["nili", "bilinear", "bicubic", mode, "tile_mean", "sv", "location"]
    for directions in (across_tiles, among_points):
        rows = directions(names, mode)
        assert rows[0] == ("sv", mode) and (mode, "sv") in rows and len(set(rows)) == len(rows)
        assert "without_pixels" not in {name for row in rows for name in row}
        assert directions([*names, "without_pixels"], mode) == [rows[0], ("sv", "without_pixels"), *rows[1:]]
    assert across_tiles(names, mode)[-2:] == [(mode, "location"), ("location", mode)]
    assert headline(mode) == f"SV → {LABELS[mode]}"


def test_photos_are_grouped_across_tiles_and_within_tiles():
    tile_index = torch.tensor([2, 0, 0, 2, 1, 2, 1])
    across = one_photo_per_tile(tile_index)
    assert [group.tolist() for group in across] == [[1, 4, 0], [2, 6, 3]]
    assert [group.tolist() for group in photos_of_each_tile(tile_index, least=3)] == [[0, 3, 5]]


def test_chance_averages_over_groups_of_different_sizes():
    embeddings = {name: drawn(7) for name in LABELS}
    groups = [torch.arange(5), torch.arange(5, 7)]
    found = retrieval(embeddings, groups, [("sv", "nili")])["chance"]
    assert found == pytest.approx({"R@1": 2 / 7, "R@5": 1, "R@10": 1, "median_rank": 2, "mean_rank": 18 / 7})


def test_each_photo_is_compared_with_its_own_group_only():
    embeddings = {name: drawn(6) for name in LABELS}
    embeddings["sv"] = embeddings["sv"][[0, 1, 2, 3, 5, 4]]
    table = retrieval(embeddings, [torch.arange(4), torch.arange(4, 6)], [("sv", "nili")])
    assert table["SV → RS at the point (NILI)"]["mean_rank"] == pytest.approx((4 * 1 + 2 * 2) / 6)


def test_the_tile_mean_ties_among_the_photos_of_a_tile():
    embeddings = {"sv": drawn(5), "tile_mean": drawn(1).expand(5, -1)}
    table = retrieval(embeddings, [torch.arange(5)], [("sv", "tile_mean")])
    assert table["SV → RS, tile mean"]["mean_rank"] == table["chance"]["mean_rank"] == 3
