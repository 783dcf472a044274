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
"""Costs of a run: FLOPs and memory counted from shapes, and time estimated from one short measured step."""

import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
import yaml
from accelerate import Accelerator
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode
from transformers.initialization import no_init_weights

from modeling_gair import GairConfig, GairModel, GairProcessor
from training.common.matrix_rate import matrix_rate, now
from training.objectives.base import PretrainingModule
from training.objectives.registry import make_objective
from training.objectives.settings import GairSettings
from training.pretraining.settings import PretrainSettings

Tensors = dict[str, torch.Tensor]

# Number of tiles that are counted; costs are proportional to it.
_COUNTED_TILES = 2
# Bytes per parameter in training: weight, gradient and AdamW's two moments, each in float32.
_TRAINED_BYTES = 16
# Target duration of the measured step.
_TIMED_SECONDS = 2.0
# Repetitions; the shortest time counts, because the first one includes warm-up.
_PASSES = 3


@dataclass(frozen=True)
class StepCosts:
    """
    Costs of a step of one process.

    Attributes:
        tiles, photos_per_tile (`int`): size of one part of a batch; only one part is in memory at a time.
        parts (`int`): number of parts in a batch.
        parameters (`dict[str, int]`): number of parameters by tower.
        flops_per_pair (`float`): FLOPs of forward and backward per pair; a multiply-add counts as 2, and the second embedding
            of gradient caching does not count.
        activations_bytes (`int`): bytes in float32 that the forward pass of one part keeps for the backward pass.
        matrix_rate (`float`): FLOP/s at which the device multiplies large matrices.
        device, precision (`str`): type of the device, and data type of its matrix products.
        seconds (`float`): time per step, estimated from a shorter step.
    """

    tiles: int
    photos_per_tile: int
    parts: int
    parameters: dict[str, int]
    flops_per_pair: float
    activations_bytes: int
    matrix_rate: float
    device: str
    precision: str
    seconds: float

    @property
    def pairs(self) -> int:
        """Photos in all parts."""
        return self.tiles * self.photos_per_tile * self.parts

    @property
    def weights_bytes(self) -> int:
        """Bytes of weights, gradients and AdamW's moments in float32."""
        return sum(self.parameters.values()) * _TRAINED_BYTES


class _Shapes(FakeTensorMode):
    """Computes shapes without values, and lets modules with fake tensors be deep-copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Shapes":
        return self


def print_costs(settings: PretrainSettings, processor: GairProcessor) -> None:
    """Prints the settings with all defaults and the costs of the run: the output of `--dry_run`."""
    print(yaml.safe_dump(settings.resolved(), sort_keys=False, allow_unicode=True))
    accelerator = Accelerator()
    costs = step_costs(
        settings.gair_config(),
        processor,
        accelerator.device,
        compute_dtype(accelerator),
        settings.batch_size,
        settings.photos_per_tile,
        settings.batches_per_step,
        settings.objective_settings(),
    )
    print(format_costs(costs, accelerator.num_processes, settings.max_steps))


def compute_dtype(accelerator: Accelerator) -> torch.dtype:
    """The data type of matrix products under the accelerator's mixed precision."""
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(accelerator.mixed_precision, torch.float32)


def flops_per_pair(
    config: GairConfig, processor: GairProcessor, photos_per_tile: int, objective: Any | None = None
) -> float:
    """
    Counts the FLOPs of forward and backward for one photo with its share of its tile, from shapes alone.

    The count covers the embedding of an objective's rows. It leaves out teachers, and the loss, which is small in comparison.

    Args:
        config (`GairConfig`): config of the model.
        processor (`GairProcessor`): determines the sizes of the inputs.
        photos_per_tile (`int`): photos that share the encoding of one tile.
        objective (*optional*): settings of the objective; by default those of GAIR.
    """
    config = copy.deepcopy(config)
    # Fused attention is counted on some devices only.
    config._attn_implementation = "eager"
    with _Shapes(), no_init_weights():
        module = _module(config, processor, objective)
        inputs = random_inputs(processor, _COUNTED_TILES, photos_per_tile, torch.device("cpu"))
        with FlopCounterMode(display=False) as counter:
            _forward(module, inputs).backward()
    return counter.get_total_flops() / (_COUNTED_TILES * photos_per_tile)


def activation_bytes(
    config: GairConfig, processor: GairProcessor, tiles: int, photos_per_tile: int, objective: Any | None = None
) -> int:
    """
    Counts the bytes that a forward pass keeps for the backward pass in float32, without the weights, from shapes alone.

    Args:
        config, processor, photos_per_tile, objective: as in [`flops_per_pair`].
        tiles (`int`): number of tiles in the batch.
    """
    # Tensors are kept alive, so that no two of them share an address.
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[_address(tensor)] = tensor
        return tensor

    counted = min(tiles, _COUNTED_TILES)
    with _Shapes(), no_init_weights():
        module = _module(config, processor, objective)
        inputs = random_inputs(processor, counted, photos_per_tile, torch.device("cpu"))
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            _forward(module, inputs)
    for parameter in module.parameters():
        kept.pop(_address(parameter), None)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) * tiles // counted


def step_costs(
    config: GairConfig,
    processor: GairProcessor,
    device: torch.device,
    dtype: torch.dtype,
    tiles: int,
    photos_per_tile: int,
    batches_per_step: int,
    objective: Any | None = None,
) -> StepCosts:
    """
    Counts the FLOPs and memory of a step, and estimates its time from a shorter step on the device.

    Args:
        config, processor, photos_per_tile, objective: as in [`flops_per_pair`].
        device, dtype: the device, and the data type of its matrix products.
        tiles (`int`): tiles in one part of the batch.
        batches_per_step (`int`): parts of a batch.
    """
    each, rate = flops_per_pair(config, processor, photos_per_tile, objective), matrix_rate(device, dtype)
    affordable = int(_TIMED_SECONDS * rate / (each * photos_per_tile))
    timed = max(min(tiles, affordable), 1)
    module = _module(config, processor, objective)
    seconds = _time_pass(module.to(device), random_inputs(processor, timed, photos_per_tile, device), dtype)
    # Gradient caching embeds all parts twice; the extra forward pass costs a third of forward and backward.
    again = 4 / 3 if batches_per_step > 1 else 1
    return StepCosts(
        tiles=tiles,
        photos_per_tile=photos_per_tile,
        parts=batches_per_step,
        parameters=parameter_counts(module.model),
        flops_per_pair=each,
        activations_bytes=activation_bytes(config, processor, tiles, photos_per_tile, objective),
        matrix_rate=rate,
        device=device.type,
        precision=str(dtype).removeprefix("torch."),
        seconds=seconds * tiles / timed * batches_per_step * again,
    )


def format_costs(costs: StepCosts, processes: int, steps: int) -> str:
    """
    Formats the costs as text, for `--dry_run`.

    Args:
        costs (`StepCosts`): costs of one process.
        processes (`int`): number of processes that share the work, each on a device of the same kind.
        steps (`int`): number of steps of the run.
    """
    each = ", ".join(f"{name} {count:,}" for name, count in costs.parameters.items())
    pairs, caching = costs.pairs * processes, ", embedded twice (gradient caching)" if costs.parts > 1 else ""
    share = costs.flops_per_pair * costs.pairs / costs.seconds / costs.matrix_rate
    lines = {
        "parameters": f"{sum(costs.parameters.values()):,}: {each}",
        "batch": f"{pairs:,} pairs: {processes} process(es) × {costs.parts} part(s) × {costs.tiles} tiles × "
        f"{costs.photos_per_tile} photos{caching}",
        "FLOPs per pair": f"{costs.flops_per_pair:.3g}, forward and backward, without the loss (counted)",
        "memory": f"{costs.weights_bytes / 1e9:.2f} GB weights, gradients and AdamW + "
        f"{costs.activations_bytes / 1e9:.2f} GB activations of one part (counted in float32; bfloat16 roughly halves the "
        "activations; workspaces, teachers and queue not included)",
        "matrix products": f"{costs.matrix_rate / 1e12:.3g} TFLOP/s on {costs.device} in {costs.precision} (measured)",
        "time per step": f"{costs.seconds:.2g} s, {pairs / costs.seconds:.0f} pairs/s, {share:.0%} of that rate (estimated "
        "from one short step; data loading, optimizer and communication not included)",
        f"{steps:,} steps": f"{_duration(steps * costs.seconds)} (estimate: steps × time per step)",
    }
    return "\n".join(f"{name:<18}{text}" for name, text in lines.items())


def random_inputs(processor: GairProcessor, tiles: int, photos_per_tile: int, device: torch.device) -> Tensors:
    """
    Random model inputs in the shapes that a processor returns.

    Args:
        processor ([`GairProcessor`]): determines the sizes.
        tiles (`int`): number of tiles.
        photos_per_tile (`int`): photos in each tile.
        device (`torch.device`): device of the tensors.

    Returns:
        `dict[str, torch.Tensor]`: inputs as returned by `training.pairs.loading.prepare_pairs`.
    """
    photos = tiles * photos_per_tile
    rs, sv = processor.image_processor, processor.sv_image_processor
    return {
        "rs_pixel_values": torch.rand(tiles, len(rs.bands), rs.size["height"], rs.size["width"], device=device),
        "sv_pixel_values": torch.rand(photos, 3, sv.size["height"], sv.size["width"], device=device),
        "coordinates": torch.rand(photos, 2, device=device),
        "query_points": torch.rand(photos, 1, 2, device=device),
        "tile_index": torch.arange(tiles, device=device).repeat_interleave(photos_per_tile),
    }


def _module(config: GairConfig, processor: GairProcessor, objective: Any | None) -> PretrainingModule:
    """A model with its objective as in training, but without teachers."""
    settings = GairSettings() if objective is None else objective
    if isinstance(settings, GairSettings):
        settings = replace(
            settings, sv_teacher=None, rs_teacher=None, sv_teacher_projection=None, rs_teacher_projection=None
        )
    model = GairModel(config)
    return PretrainingModule(model, make_objective(model, processor, settings))


def _forward(module: PretrainingModule, inputs: Tensors) -> torch.Tensor:
    """A scalar that depends on all embeddings."""
    rows, _ = module(inputs, with_shared=False)
    return torch.stack([values.sum() for values in rows.values() if values.requires_grad]).sum()


def _time_pass(module: PretrainingModule, inputs: Tensors, dtype: torch.dtype) -> float:
    """Seconds of forward and backward, the shortest of several."""
    device = inputs["rs_pixel_values"].device
    seconds = []
    for _ in range(_PASSES):
        start = now(device)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            value = _forward(module, inputs)
        value.backward()
        seconds.append(now(device) - start)
    return min(seconds)


def parameter_counts(model: GairModel) -> dict[str, int]:
    """Number of parameters by tower."""
    parts = {
        "RS": [model.rs_model],
        "SV": [model.sv_model, model.sv_projection],
        "location": [model.location_model],
        "NILI": [model.nili],
        "pixel query": [] if model.pixel_query is None else [model.pixel_query],
    }
    return {
        name: sum(parameter.numel() for module in modules for parameter in module.parameters())
        for name, modules in parts.items()
    }


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} h" if hours >= 1 else f"{minutes:.0f} min" if minutes >= 1 else f"{seconds:.0f} s"
