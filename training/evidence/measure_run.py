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
"""Measures a trained run of the comparison."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import torch

from training.benchmarks.encoders.gair import GairEncoder, open_gair
from training.evidence.arms import UNTRAINED, comparisons_of
from training.evidence.options import EvidenceOptions
from training.evidence.pair_features import embed_for_probes, embed_held_out
from training.evidence.pair_measures import pair_measures, probe_measures, robustness_measures
from training.evidence.place_measures import (
    TABLES,
    PlaceTarget,
    field_targets,
    place_measures,
    table_targets,
)
from training.evidence.query_costs import query_costs
from training.evidence.runs import TrainingRun, write_json
from training.pairs.sources import Source, open_source
from training.pretraining.costs import flops_per_pair
from training.pretraining.initial_weights import random_model
from training.world.settings import WorldSettings
from training.world.writer import ensure_sample_dataset


def measure_run(options: EvidenceOptions) -> None:
    """
    Measures the run that `--measure ARM SEED` names, and writes `evidence.json` into its folder.

    Raises:
        ValueError: no such model.
    """
    arm, seed = options.measure
    run = TrainingRun(arm, int(seed), options)
    encoder = open_gair(str(run.folder), torch.device("cpu"))
    figures = {"trained": _measure(run, encoder)}
    if arm in UNTRAINED:
        initial = GairEncoder(random_model(run.settings()).eval(), encoder.processor, "initial weights")
        figures["untrained"] = _measure(run, initial, trained=False)
    write_json(run.measures, figures)


def open_world(settings: WorldSettings, workers: int = 1) -> Source:
    """Opens a sample world; on first use, that many processes create it."""
    return open_source(str(ensure_sample_dataset(settings, workers)), holdout_fraction=0.0)


def selection_world(world: WorldSettings) -> WorldSettings:
    """A third world, to choose settings on; nothing else is measured on it."""
    return replace(second_world(world), seed=world.seed + 2)


def second_world(world: WorldSettings) -> WorldSettings:
    """A world of the same kind with another seed; no arm is trained on it, so its training split is small."""
    return replace(world, seed=world.seed + 1, tiles=min(world.tiles, 64))


@cache
def place_targets(world: WorldSettings, tables: Path | None) -> list[PlaceTarget]:
    """Fields of the sample world, and real values if tables are given."""
    targets = field_targets(open_world(world))
    return targets + (table_targets(tables, TABLES, world) if tables is not None else [])


def _measure(run: TrainingRun, encoder: GairEncoder, trained: bool = True) -> dict[str, float]:
    """All measures that the arm's comparisons need. Robustness and costs are measured for trained weights only."""
    model, processor, settings = encoder.model, encoder.processor, run.settings()
    world = settings.sample_world
    own, tiles = open_world(world), world.held_out_tiles
    comparisons = comparisons_of(run.arm)
    found = {}
    if trained:
        cost = flops_per_pair(model.config, processor, settings.photos_per_tile, settings.objective_settings())
        found["MFLOP a pair"] = cost / 1e6
        found |= query_costs(model, processor)
    if any(comparison.selects for comparison in comparisons):
        third = embed_held_out(model, processor, open_world(selection_world(world)), tiles)
        found |= {f"selection world/{measure}": value for measure, value in pair_measures(third).items()}
        if all(comparison.selects for comparison in comparisons):
            return found
    disturbed_by = run.seed if trained and any(comparison.robust for comparison in comparisons) else None
    held_out = embed_held_out(model, processor, own, tiles, disturbed_by)
    second = embed_held_out(model, processor, open_world(second_world(world)), tiles)
    for name, features in (("own", held_out), ("second", second)):
        found |= {f"{name} world/{measure}": value for measure, value in pair_measures(features).items()}
    found |= probe_measures(embed_for_probes(model, processor, own), held_out)
    if disturbed_by is not None:
        found |= robustness_measures(held_out)
    if any(comparison.places for comparison in comparisons):
        found |= place_measures(encoder, place_targets(world, run.options.tables), run.seed)
    return found
