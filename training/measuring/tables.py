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
"""The tables of retrieval and probes that describe a model, and their text."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from training.common.files import write_atomically
from training.measuring.embeddings import EmbeddedPairs
from training.measuring.probes import probe_table
from training.measuring.retrieval import (
    RECALLS,
    Table,
    across_tiles,
    among_points,
    one_photo_per_tile,
    photos_of_each_tile,
    retrieval,
)

METRICS_FILE = "metrics.json"


def retrieval_tables(pairs: EmbeddedPairs) -> dict[str, Table]:
    """
    Both retrieval tables of some pairs.

    Returns:
        `dict`: `across_tiles` (among one photo of each tile; empty for a single tile) and `among_points` (among the photos
        of one tile; empty if no tile has two).
    """
    embeddings, mode = pairs.embeddings, pairs.mode
    across, among = one_photo_per_tile(pairs.tile_index), photos_of_each_tile(pairs.tile_index)
    return {
        "across_tiles": retrieval(embeddings, across, across_tiles(embeddings, mode)) if pairs.tile_count > 1 else {},
        "among_points": retrieval(embeddings, among, among_points(embeddings, mode)) if among else {},
    }


def measure(
    trained: tuple[EmbeddedPairs, EmbeddedPairs], untrained: tuple[EmbeddedPairs, EmbeddedPairs]
) -> dict[str, Any]:
    """
    Retrieval among evaluation pairs, and probes fitted on training pairs and scored on evaluation pairs.

    Args:
        trained, untrained: training pairs and evaluation pairs, embedded by the trained model and by a model with its
            initial weights.

    Returns:
        `dict`: `tiles` and `photos` (how many), the two tables of [`retrieval_tables`], and `probes` (a
        [`~training.measuring.probes.probe_table`], empty without labels).
    """
    pairs = trained[1]
    probes = probe_table(
        (trained[0].embeddings, pairs.embeddings),
        (untrained[0].embeddings, untrained[1].embeddings),
        (trained[0].labels, pairs.labels),
        pairs.mode,
    )
    return {"tiles": pairs.tile_count, "photos": len(pairs.tile_index), **retrieval_tables(pairs), "probes": probes}


def write_metrics(found: dict[str, Any], output_dir: Path) -> None:
    """Writes the result of [`measure`], and whatever was added to it, as metrics.json."""
    write_atomically(output_dir / METRICS_FILE, json.dumps(found, indent=2, ensure_ascii=False))


def format_measures(found: dict[str, Any]) -> str:
    """The tables of [`measure`] as text."""
    parts = []
    if found["across_tiles"]:
        parts.append(format_retrieval(found["across_tiles"], f"Among one photo of each of {found['tiles']} tiles"))
    if found["among_points"]:
        parts.append(format_retrieval(found["among_points"], "Among the photos of one tile"))
    if found["probes"]:
        parts.append(format_probes(found["probes"]))
    if "climate_auc" in found:
        parts.append(format_climate(found["climate_auc"]))
    return "\n\n".join(parts)


def format_retrieval(table: Table, title: str) -> str:
    """A table of [`~training.measuring.retrieval.retrieval`] as text."""
    heads = [*(f"R@{k}" for k in RECALLS), "median_rank", "mean_rank"]
    lines = [f"{title:<48}" + "".join(f"{head.replace('_', ' '):>13}" for head in heads)]
    for name, row in table.items():
        lines.append(f"{name:<48}" + "".join(f"{cell:>13}" for cell in _cells(row)))
    return "\n".join(lines)


def format_probes(table: Mapping[str, Mapping[str, float]]) -> str:
    """A table of [`~training.measuring.probes.probe_table`] as text."""
    lines = [f"{'R² of a frozen linear probe on held-out tiles':<61}{'trained':>13}{'untrained':>13}"]
    lines += [f"{name:<61}{row['trained']:>13.2f}{row['untrained']:>13.2f}" for name, row in table.items()]
    return "\n".join(lines)


def format_climate(table: Mapping[str, Mapping[str, float]]) -> str:
    """A table of [`~training.measuring.climate.climate_auc`] of both models as text."""
    lines = [f"{'AUC: places of the same climate are more similar, held-out land':<61}{'trained':>13}{'untrained':>13}"]
    lines += [f"{name:<61}{value:>13.2f}{table['untrained'][name]:>13.2f}" for name, value in table["trained"].items()]
    return "\n".join(lines)


def _cells(row: Mapping[str, float]) -> Iterator[str]:
    yield from (f"{row[f'R@{k}']:.1%}" for k in RECALLS)
    yield from (f"{row[name]:.1f}" for name in ("median_rank", "mean_rank"))
