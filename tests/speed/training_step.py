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
"""
Time and memory of a training step: compared with the same step with eager attention and NILI by its definition; and time and
memory of gradient caching as the batch grows.

    python -m tests.speed.training_step          # both, with the tiny preset
    python -m tests.speed.training_step base     # the first, with the published sizes

Prints ratios; asserts nothing. Memory is the peak allocated during the step.
"""

import copy
import sys
from collections.abc import Callable
from functools import partial

import torch
from accelerate import Accelerator

from modeling_gair import GairConfig, GairModel, GairProcessor
from modeling_gair.nili_gair import GairNILI
from tests.helpers.literal_nili import literal_nili
from tests.speed.measuring import median_seconds, peak_bytes
from training.objectives.base import PretrainingModule
from training.objectives.gair import GairObjective
from training.objectives.settings import GairSettings
from training.pretraining.costs import random_inputs
from training.pretraining.gradient_cache import backward

# Tiles and photos per tile.
SIZES = {"tiny": (32, 4), "base": (2, 4)}
CPU = torch.device("cpu")

Tensors = dict[str, torch.Tensor]


class LiteralNILI(GairNILI):
    """NILI by its definition, as in the published code: one point per tile, and the tile is unfolded for every photo."""

    def forward(self, feature_map, query_points, method="auto", tile_index=None):
        return literal_nili(feature_map[tile_index], query_points, self.affine)


class SharedLiteralNILI(GairNILI):
    """The same with each tile unfolded once for all its photos; needs photos in tile order, equally many per tile."""

    def forward(self, feature_map, query_points, method="auto", tile_index=None):
        points = query_points.reshape(len(feature_map), -1, 2)
        return literal_nili(feature_map, points, self.affine).reshape(len(query_points), 1, -1)


# Baselines of the comparison, all with eager attention.
PLAIN = {"eager, literal": LiteralNILI, "… tiles shared": SharedLiteralNILI}


def make_module(config: GairConfig, plain: type[GairNILI] | None = None) -> PretrainingModule:
    torch.manual_seed(0)
    # A copy: the form of attention is a setting, and models that shared it would share the form.
    model = GairModel(copy.deepcopy(config))
    if plain is not None:
        model.set_attn_implementation({"rs_config": "eager", "sv_config": "eager"})
        model.nili.__class__ = plain
    processor = GairProcessor.for_config(config)
    return PretrainingModule(model, GairObjective(model, processor, GairSettings(queue_size=1024))).train()


def step_of(module: PretrainingModule, parts: list[Tensors], accelerator: Accelerator) -> Callable[[], None]:
    """A step with loss, gradients and optimiser as in `training/pretrain.py`."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=1e-4, fused=True)

    def step() -> None:
        _, _, rows = backward(module, parts, accelerator)
        optimizer.step()
        optimizer.zero_grad()
        module.objective.after_step(module.model, rows)

    return step


def whole_batch(module: PretrainingModule, parts: list[Tensors]) -> None:
    """Compute the gradients of all parts in one graph, which gradient caching replaces."""
    embedded = [module(part, with_shared=part is parts[-1]) for part in parts]
    rows = {name: torch.cat([rows[name] for rows, _ in embedded]) for name in embedded[0][0]}
    module.objective.loss(rows, embedded[-1][1])[0].backward()
    module.zero_grad()


def cached_batch(module: PretrainingModule, parts: list[Tensors], accelerator: Accelerator) -> None:
    backward(module, parts, accelerator)
    module.zero_grad()


def against_literal(preset: str, accelerator: Accelerator) -> None:
    config = GairConfig.tiny() if preset == "tiny" else GairConfig()
    tiles, photos = SIZES[preset]
    inputs = random_inputs(GairProcessor.for_config(config), tiles, photos, CPU)
    runs = {
        name: step_of(make_module(config, plain), [inputs], accelerator)
        for name, plain in {**PLAIN, "ours": None}.items()
    }
    seconds = median_seconds(runs, repeats=9 if preset == "tiny" else 3)
    memory = {name: peak_bytes(run) for name, run in runs.items()}
    print(f"\nA training step of the {preset} preset, {tiles} tiles with {photos} photos each\n")
    print(f"{'':<16}{'s/step':>10}{'faster':>9}{'peak MiB':>10}{'less memory':>13}")
    for name in runs:
        speed, saving = seconds["eager, literal"] / seconds[name], memory["eager, literal"] / memory[name]
        print(f"{name:<16}{seconds[name]:>10.2f}{speed:>8.2f}x{memory[name] / 2**20:>10.0f}{saving:>12.1f}x")


def caching(accelerator: Accelerator, times: tuple[int, ...] = (1, 4, 16)) -> None:
    config = GairConfig.tiny()
    module, processor = make_module(config), GairProcessor.for_config(config)
    tiles, photos = SIZES["tiny"]
    print(f"\nGradient caching, tiny preset, parts of {tiles} tiles with {photos} photos each\n")
    print(
        f"{'pairs':>8}{'':>5}{'s at once':>11}{'s cached':>10}{'ratio':>8}{'MiB at once':>13}{'MiB cached':>12}{'ratio':>8}"
    )
    for count in times:
        parts = [random_inputs(processor, tiles, photos, CPU) for _ in range(count)]
        runs = {
            "once": partial(whole_batch, module, parts),
            "cached": partial(cached_batch, module, parts, accelerator),
        }
        seconds = median_seconds(runs, repeats=5 if count < 16 else 3)
        memory = {name: peak_bytes(run) / 2**20 for name, run in runs.items()}
        print(
            f"{count * tiles * photos:>8}{f'{count}×':>5}{seconds['once']:>11.2f}{seconds['cached']:>10.2f}"
            f"{seconds['cached'] / seconds['once']:>8.2f}{memory['once']:>13.0f}{memory['cached']:>12.0f}"
            f"{memory['cached'] / memory['once']:>8.2f}"
        )


def main(preset: str = "tiny") -> None:
    accelerator = Accelerator(cpu=True)
    print(f"float32, {torch.get_num_threads()} threads, torch {torch.__version__}")
    against_literal(preset, accelerator)
    if preset == "tiny":
        caching(accelerator)


if __name__ == "__main__":
    main(*sys.argv[1:])
