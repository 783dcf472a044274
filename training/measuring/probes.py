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
"""Linear probes on frozen embeddings: how well a ridge regression predicts labels from them."""

from collections.abc import Mapping

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from training.measuring.retrieval import LABELS, WITHOUT_PIXELS

# Label column → embeddings to predict it from; "localized" is the model's own reading of the tile at the photo, with the
# pixels if it reads them, and also without. Columns whose names begin with photo_ hold one value per photo.
PROBES = {
    "photo_cover": ("localized", "bilinear", "tile_mean", "sv"),
    "moisture": ("location", "tile_mean"),
    "temperature": ("location", "tile_mean"),
    "precipitation": ("location", "tile_mean"),
}
TITLES = {
    "photo_cover": "cover at the photo",
    "moisture": "annual moisture",
    "temperature": "annual temperature",
    "precipitation": "annual precipitation",
}
_RIDGE_STRENGTHS = np.logspace(-1, 5, 13)


def ridge_r2(train: torch.Tensor, train_values: np.ndarray, test: torch.Tensor, test_values: np.ndarray) -> float:
    """
    R² of a ridge regression from standardised embeddings, on the test rows. Several targets are weighted by their variance.

    Args:
        train, test (`torch.Tensor` of shape `(N, D)`, `(M, D)`): embeddings.
        train_values, test_values (`np.ndarray` of shape `(N,)` or `(N, K)`, and M likewise): the targets.
    """
    probe = make_pipeline(StandardScaler(), RidgeCV(_RIDGE_STRENGTHS))
    probe.fit(train.double().numpy(), train_values)
    return float(r2_score(test_values, probe.predict(test.double().numpy()), multioutput="variance_weighted"))


def probe_table(
    trained: tuple[Mapping[str, torch.Tensor], Mapping[str, torch.Tensor]],
    untrained: tuple[Mapping[str, torch.Tensor], Mapping[str, torch.Tensor]],
    labels: tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray]],
    mode: str,
) -> dict[str, dict[str, float]]:
    """
    R² of every probe whose label column both sides have.

    Args:
        trained, untrained: embeddings of training pairs and of held-out pairs by name, each `(N, D)`, from the trained
            model and from a model with the same config and its initial weights.
        labels: label columns of the same pairs, one value (or row of values) per photo.
        mode (`str`): the model's own query mode.

    Returns:
        `dict[str, dict[str, float]]`: "target from embedding" → R² of `trained` and `untrained`; empty without labels.
    """
    table = {}
    for column, names in PROBES.items():
        if column not in labels[0] or column not in labels[1]:
            continue
        values = labels[0][column], labels[1][column]
        own = {"localized": (mode, WITHOUT_PIXELS)}
        read = dict.fromkeys(name for named in names for name in own.get(named, (named,)) if name in trained[0])
        for name in read:
            table[f"{TITLES[column]} from {LABELS[name]}"] = {
                kind: ridge_r2(train[name], values[0], test[name], values[1])
                for kind, (train, test) in (("trained", trained), ("untrained", untrained))
            }
    return table
