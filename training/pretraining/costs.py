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
"""What a run costs: FLOPs counted, memory counted, and time from one step that is really made."""

import copy
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
import yaml
from accelerate import Accelerator
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode
from transformers.initialization import no_init_weights

from modeling_gair import GairConfig, GairModel, GairProcessor
from training.objectives.base import PretrainingModule
from training.objectives.registry import make_objective
from training.objectives.settings import GairSettings
from training.pretraining.settings import PretrainSettings

Tensors = dict[str, torch.Tensor]

# Counted on so many tiles: one tile more costs as much as any other.
_COUNTED_TILES = 2
# Bytes of a parameter in training: weight, gradient and AdamW's two moments, in float32 each.
_TRAINED_BYTES = 16
# A step that tells the time of the others should take about so long.
_TIMED_SECONDS = 2.0
# Sides of the matrices that measure a device.
_MATRIX_SIDE = {"cpu": 1024, "cuda": 8192}
# Of each time that is measured the least counts, as the first is always longer.
_PRODUCTS, _PASSES = 8, 3


@dataclass(frozen=True)
class StepCosts:
    """
    Costs of a step of one process.

    Attributes:
        tiles, photos_per_tile (`int`): of one part of a batch, which is all that is held at once.
        parts (`int`): of a batch.
        parameters (`dict[str, int]`): how many each tower has.
        flops_per_pair (`float`): of forward and backward, 2 for a multiplication with its addition; what gradient caching
            computes twice counts once.
        activations_bytes (`int`): what one part's forward pass keeps for the backward pass, in float32.
        matrix_rate (`float`): FLOP/s at which the device multiplies large matrices.
        device, precision (`str`): which device, and in what it multiplies.
        seconds (`float`): estimate from a shorter step.
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
        """Photos of all parts."""
        return self.tiles * self.photos_per_tile * self.parts

    @property
    def weights_bytes(self) -> int:
        """Weights, gradients and AdamW's moments in float32."""
        return sum(self.parameters.values()) * _TRAINED_BYTES


class _Shapes(FakeTensorMode):
    """Computes shapes alone, also of modules that are copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Shapes":
        return self


def print_costs(settings: PretrainSettings, processor: GairProcessor) -> None:
    """Prints the settings with all defaults filled in, and what the run would cost: the output of `--dry_run`."""
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
    """The type in which matrices are multiplied."""
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(accelerator.mixed_precision, torch.float32)


def flops_per_pair(
    config: GairConfig, processor: GairProcessor, photos_per_tile: int, objective: Any | None = None
) -> float:
    """
    FLOPs of forward and backward for one photo with its share of its tile, counted from the operations on shapes alone: of
    what embeds the rows of an objective, without its loss, whose products are few beside them, and without teachers.

    Args:
        config (`GairConfig`): of the model.
        processor (`GairProcessor`): whose sizes the inputs have.
        photos_per_tile (`int`): photos that share a tile's encoding.
        objective (*optional*): settings of what is learned; by default GAIR's own.
    """
    config = copy.deepcopy(config)
    # Attention in one operation is counted on some devices only.
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
    Bytes that a forward pass keeps for the backward pass in float32, without the weights, counted from shapes alone.

    Args:
        config, processor, photos_per_tile, objective: as in [`flops_per_pair`].
        tiles (`int`): of the batch.
    """
    # Kept, so that no address is given to two of them.
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


@torch.no_grad()
def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """
    FLOP/s at which a device multiplies large square matrices, the best of some tries: what a model's rate is compared with.

    Args:
        device (`torch.device`): to measure.
        dtype (`torch.dtype`): of the matrices.
    """
    side = _MATRIX_SIDE.get(device.type, _MATRIX_SIDE["cpu"])
    matrix = torch.randn(side, side, device=device, generator=torch.Generator(device)).to(dtype)
    seconds = []
    for _ in range(_PRODUCTS):
        start = _now(device)
        torch.mm(matrix, matrix)
        seconds.append(_now(device) - start)
    return 2 * side**3 / min(seconds)


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
    Counts a step's FLOPs and memory, and makes a short one to tell its time.

    Args:
        config, processor, photos_per_tile, objective: as in [`flops_per_pair`].
        device, dtype: what is computed on, and in which precision.
        tiles (`int`): of a part of the batch.
        batches_per_step (`int`): parts.
    """
    each, rate = flops_per_pair(config, processor, photos_per_tile, objective), matrix_rate(device, dtype)
    affordable = int(_TIMED_SECONDS * rate / (each * photos_per_tile))
    timed = max(min(tiles, affordable), 1)
    module = _module(config, processor, objective)
    seconds = _time_pass(module.to(device), random_inputs(processor, timed, photos_per_tile, device), dtype)
    # Gradient caching embeds all parts once more, which is a third of forward and backward.
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
    What `--dry_run` prints of the costs.

    Args:
        costs (`StepCosts`): of one process.
        processes (`int`): that share the work, all with such a device.
        steps (`int`): of the run.
    """
    each = ", ".join(f"{name} {count:,}" for name, count in costs.parameters.items())
    pairs, caching = costs.pairs * processes, ", embedded twice (gradient caching)" if costs.parts > 1 else ""
    share = costs.flops_per_pair * costs.pairs / costs.seconds / costs.matrix_rate
    lines = {
        "parameters": f"{sum(costs.parameters.values()):,}: {each}",
        "batch": f"{pairs:,} pairs: {processes} process(es) × {costs.parts} part(s) × {costs.tiles} tiles × "
        f"{costs.photos_per_tile} photos{caching}",
        "FLOPs a pair": f"{costs.flops_per_pair:.3g}, forward and backward, without the objective (counted)",
        "memory": f"{costs.weights_bytes / 1e9:.2f} GB weights, gradients and AdamW + "
        f"{costs.activations_bytes / 1e9:.2f} GB activations of one part (counted in float32; bfloat16 about halves the "
        "latter, an estimate; without workspaces, teachers and queue)",
        "matrix products": f"{costs.matrix_rate / 1e12:.3g} TFLOP/s on {costs.device} in {costs.precision} (measured)",
        "time a step": f"{costs.seconds:.2g} s, {pairs / costs.seconds:.0f} pairs/s, {share:.0%} of that rate (estimate "
        "from one short step; without data, optimiser and what processes send one another)",
        f"{steps:,} steps": f"{_duration(steps * costs.seconds)} (estimate: steps × time a step)",
    }
    return "\n".join(f"{name:<18}{text}" for name, text in lines.items())


def random_inputs(processor: GairProcessor, tiles: int, photos_per_tile: int, device: torch.device) -> Tensors:
    """
    The model's inputs in the shapes that a processor gives, with random values.

    Returns:
        `dict[str, torch.Tensor]`: as `training.pairs.loading.prepare_pairs` gives them, for T tiles with as many photos each.
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
    """A model with an objective, as they are trained but for teachers."""
    settings = GairSettings() if objective is None else objective
    if isinstance(settings, GairSettings):
        settings = replace(
            settings, sv_teacher=None, rs_teacher=None, sv_teacher_projection=None, rs_teacher_projection=None
        )
    model = GairModel(config)
    return PretrainingModule(model, make_objective(model, processor, settings))


def _forward(module: PretrainingModule, inputs: Tensors) -> torch.Tensor:
    """A scalar that depends on all rows."""
    rows, _ = module(inputs, with_shared=False)
    return torch.stack([values.sum() for values in rows.values() if values.requires_grad]).sum()


def _time_pass(module: PretrainingModule, inputs: Tensors, dtype: torch.dtype) -> float:
    """Seconds of forward and backward, the least of some."""
    device = inputs["rs_pixel_values"].device
    seconds = []
    for _ in range(_PASSES):
        start = _now(device)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            value = _forward(module, inputs)
        value.backward()
        seconds.append(_now(device) - start)
    return min(seconds)


def parameter_counts(model: GairModel) -> dict[str, int]:
    """How many parameters each tower has."""
    parts = {
        "RS": [model.rs_model],
        "SV": [model.sv_model, model.sv_projection],
        "location": [model.location_model],
        "NILI": [model.nili],
    }
    return {
        name: sum(parameter.numel() for module in modules for parameter in module.parameters())
        for name, modules in parts.items()
    }


def _address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _now(device: torch.device) -> float:
    if device.type != "cpu":
        torch.get_device_module(device).synchronize(device)
    return time.perf_counter()


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} h" if hours >= 1 else f"{minutes:.0f} min" if minutes >= 1 else f"{seconds:.0f} s"
