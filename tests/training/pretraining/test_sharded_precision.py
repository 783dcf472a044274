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
"""Models divided by FSDP2 in bfloat16: coordinates and query points stay in float32."""

from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("accelerate", reason="the extra train is not installed")
from accelerate.utils import FullyShardedDataParallelPlugin
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from modeling_gair import GairConfig, GairModel, GairProcessor
from training.objectives.base import PretrainingModule
from training.objectives.registry import make_objective
from training.objectives.settings import GairSettings
from training.pretraining.loop import keep_inputs_precise


def _policy() -> MixedPrecisionPolicy:
    """As Accelerate makes it for mixed precision, changed as for training."""
    plugin = FullyShardedDataParallelPlugin(fsdp_version=2, mixed_precision_policy="bf16")
    assert plugin.mixed_precision_policy.cast_forward_inputs
    keep_inputs_precise(SimpleNamespace(state=SimpleNamespace(fsdp_plugin=plugin)))
    return plugin.mixed_precision_policy


def embedded(rank: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    model = GairModel(
        GairConfig.tiny(location_config={"scales": [1.0, 256.0], "num_frequencies": 64, "hidden_size": 64})
    )
    objective = make_objective(model, GairProcessor.for_config(model.config), GairSettings())
    module, generator = PretrainingModule(model, objective).eval(), torch.Generator().manual_seed(1)
    inputs = {
        "rs_pixel_values": torch.rand(2, 10, 96, 96, generator=generator),
        "sv_pixel_values": torch.rand(2, 3, 64, 64, generator=generator),
        "coordinates": torch.tensor([[139.75009, 35.657349], [-83.2583, 42.4823]]),
        "query_points": torch.rand(2, 1, 2, generator=generator),
        "tile_index": torch.arange(2),
    }
    with torch.no_grad():
        whole, _ = module(inputs)
        for layer in [*model.rs_model.layers, module]:
            fully_shard(layer, mp_policy=_policy())
        sharded, _ = module(inputs)
    similar = {
        name: torch.cosine_similarity(whole[name], sharded[name].float()) for name in ("sv", "localized", "location")
    }
    return {"given": inputs["coordinates"], "kept": sharded["coordinates"], "dtype": sharded["sv"].dtype, **similar}


def test_places_are_not_rounded_in_mixed_precision(two_processes):
    for found in two_processes.run(embedded):
        assert torch.equal(found["given"], found["kept"]) and found["dtype"] == torch.bfloat16
        assert all(found[name].min() > 0.999 for name in ("sv", "localized", "location"))


def test_other_launchers_have_no_policy():
    keep_inputs_precise(SimpleNamespace(state=SimpleNamespace()))
