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
"""The picture of a training run."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt

from training.common.figures import PANEL_IN
from training.common.files import written_whole

# What the panels of a run's picture show: title, unit or none, and the names in the log that begin so.
_PANELS = (
    ("Loss", "", ("loss", "incl", "secl", "sv_distillation", "rs_distillation")),
    ("Own place found in the batch", "share", ("accuracy_",)),
    ("Retrieval on held-out pairs", "median rank", ("retrieval_",)),
    ("Gradient norm", "", ("gradient_norm",)),
    ("Speed", "pairs/s", ("pairs_per_s",)),
    ("Waiting for data", "share of time", ("waiting",)),
)


def training_figure(path: Path, log: Sequence[dict[str, float]]) -> None:
    """
    Writes a picture of a run: losses, accuracies, retrieval and speed over its steps.

    Args:
        path (`Path`): PNG to write.
        log (`Sequence[dict[str, float]]`): lines of figures, each with its `step`.
    """
    figure, axes = plt.subplots(2, 3, figsize=(PANEL_IN * 5, PANEL_IN * 2.4), layout="constrained", squeeze=False)
    for axis, (title, unit, beginnings) in zip(axes.flat, _PANELS):
        names = dict.fromkeys(name for line in log for name in line if name.startswith(beginnings))
        for name in names:
            points = [(line["step"], line[name]) for line in log if name in line]
            label = name.removeprefix("accuracy_").removeprefix("retrieval_").replace("_", " ")
            axis.plot(*zip(*points), marker="o" if len(points) < 20 else None, markersize=3, label=label)
        axis.set(title=title, xlabel="step", ylabel=unit)
        if unit:
            # From zero, so that a small share of waiting looks small.
            axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        if len(names) > 1:
            axis.legend(fontsize=8)
    with written_whole(path) as file:
        figure.savefig(file, dpi=90)
    plt.close(figure)
