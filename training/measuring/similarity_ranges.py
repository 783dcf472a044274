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
"""How high a model's cosines come out, by pair of modalities, so that maps of similarity can be compared."""

from itertools import combinations
from typing import Any

import numpy as np
import torch

from modeling_gair import GairModel, GairProcessor
from training.measuring.embeddings import EmbeddedPairs, embed_pairs
from training.pairs.sources import open_source
from training.pairs.stream import EvaluationPairs

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
# As the model's outputs are called → as `training.measuring.embeddings` calls them.
MODALITIES = {"sv": "sv", "localized": "nili", "rs": "tile_mean", "location": "location"}
_MOST_TILES, _BATCH_SIZE = 256, 16
# Of the tiles, where a data set holds none out itself; as in pre-training.
_HOLDOUT_FRACTION = 0.1


def measure_ranges(model: GairModel, processor: GairProcessor, data: str, called: str) -> dict[str, Any]:
    """
    Measures on the held-out pairs of a data set.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): of the directory.
        data (`str`): a pairs CSV, a folder of parquet files or a data set on the Hub.
        called (`str`): what readers are told that the data are.

    Returns:
        `dict`: `similarity_ranges` of [`GairConfig`].

    Raises:
        ValueError: there is no such data set, or it has fewer than two good tiles.
    """
    source = open_source(data, _HOLDOUT_FRACTION)
    rows = source.train if source.held_out is None else source.held_out
    pairs = EvaluationPairs([(rows, source.folder)], processor, _BATCH_SIZE, _MOST_TILES)
    (embedded,) = embed_pairs([model], processor, pairs, "embed pairs for similarity ranges")
    kind = "tiles (which may have trained the model)" if source.held_out is None else "held-out tiles"
    return {
        "percentiles": list(PERCENTILES),
        "measured_on": f"one photo of each of {embedded.tile_count} {kind} of {called}",
        "pairs": ranges_of(embedded),
    }


def ranges_of(embedded: EmbeddedPairs) -> dict[str, dict[str, list[float]]]:
    """
    Percentiles of cosines of one photo of each tile, its place, and tiles.

    Args:
        embedded ([`EmbeddedPairs`]): of two tiles or more.

    Returns:
        `dict`: two modalities → `matched` (of one pair) and `others` (of two different tiles' pairs) → the cosines at
        `PERCENTILES`.

    Raises:
        ValueError: fewer than two tiles, among which nothing is unmatched.
    """
    if embedded.tile_count < 2:
        raise ValueError(f"Pairs of {embedded.tile_count} tile came, expected two tiles or more; add pairs.")
    # Photos of one tile share it, and would count as others.
    firsts = np.unique(embedded.tile_index.numpy(), return_index=True)[1]
    ours = {name: embedded.embeddings[key][torch.from_numpy(firsts)] for name, key in MODALITIES.items()}
    matched = np.eye(len(firsts), dtype=bool)
    ranges = {}
    for one, other in combinations(MODALITIES, 2):
        cosines = (ours[one] @ ours[other].T).numpy()
        ranges[f"{one}_{other}"] = {
            "matched": _percentiles(cosines[matched]),
            "others": _percentiles(cosines[~matched]),
        }
    return ranges


def _percentiles(values: np.ndarray) -> list[float]:
    return [round(float(value), 4) for value in np.percentile(values, PERCENTILES)]
