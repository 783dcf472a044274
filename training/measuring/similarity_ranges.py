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
"""The range of a model's cosine similarities, by pair of modalities: a scale for maps of similarity."""

from itertools import combinations
from typing import Any

import numpy as np
import torch

from modeling_gair import GairModel, GairProcessor
from training.measuring.embeddings import EmbeddedPairs, embed_pairs_once
from training.pairs.loading import EvaluationPairs
from training.pairs.sources import HOLDOUT_FRACTION, open_source

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
_MOST_TILES, _BATCH_SIZE = 256, 16


def measure_ranges(model: GairModel, processor: GairProcessor, data: str, called: str) -> dict[str, Any]:
    """
    Measures similarity ranges on the held-out pairs of a data set. Embeddings are cached by batch, so that a second
    measurement, or one after an interruption, only computes what is missing.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): the model and its processor.
        data (`str`): a pairs CSV, a folder of parquet files, or a data set on the Hub.
        called (`str`): the name of the data for readers.

    Returns:
        `dict`: the `similarity_ranges` of a [`GairConfig`].

    Raises:
        ValueError: the data set does not exist, or has fewer than two good tiles.
    """
    source = open_source(data, HOLDOUT_FRACTION)
    rows = source.train if source.held_out is None else source.held_out
    pairs = EvaluationPairs([(rows, source.folder)], processor, _BATCH_SIZE, _MOST_TILES, photos_per_tile=1)
    title = "embed pairs for similarity ranges"
    embedded = embed_pairs_once(model, processor, pairs, title, pairs.count_batches())
    kind = "tiles (which may have trained the model)" if source.held_out is None else "held-out tiles"
    return {
        "percentiles": list(PERCENTILES),
        "measured_on": f"one photo of each of {embedded.tile_count} {kind} of {called} ({source.rule})",
        "pairs": ranges_of(embedded),
    }


def ranges_not_measured(called: str) -> dict[str, Any]:
    """What stands for the ranges in a dry run, which measures nothing; arguments as for [`measure_ranges`]."""
    return {"percentiles": list(PERCENTILES), "measured_on": f"{called} (not measured in a dry run)", "pairs": {}}


def ranges_of(embedded: EmbeddedPairs) -> dict[str, dict[str, list[float]]]:
    """
    Percentiles of the cosine similarity between modalities, for matching and for unrelated pairs; one photo per tile counts.

    Args:
        embedded ([`EmbeddedPairs`]): pairs of at least two tiles.

    Returns:
        `dict`: two modalities → `matched` (within one pair) and `others` (between pairs of different tiles) → the cosines
        at `PERCENTILES`.

    Raises:
        ValueError: there are fewer than two tiles, so there are no unrelated pairs.
    """
    if embedded.tile_count < 2:
        raise ValueError(f"The good pairs come from {embedded.tile_count} tile, expected two tiles or more; add pairs.")
    # Name of the model's output → name in `EmbeddedPairs.embeddings`.
    modalities = {"sv": "sv", "localized": embedded.mode, "rs": "tile_mean", "location": "location"}
    # Photos of one tile share the tile, so pairs between them are not unrelated.
    firsts = np.unique(embedded.tile_index.numpy(), return_index=True)[1]
    ours = {name: embedded.embeddings[key][torch.from_numpy(firsts)] for name, key in modalities.items()}
    matched = np.eye(len(firsts), dtype=bool)
    ranges = {}
    for one, other in combinations(modalities, 2):
        cosines = (ours[one] @ ours[other].T).numpy()
        ranges[f"{one}_{other}"] = {
            "matched": _percentiles(cosines[matched]),
            "others": _percentiles(cosines[~matched]),
        }
    return ranges


def _percentiles(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in np.percentile(values, PERCENTILES)]
