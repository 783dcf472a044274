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
An Accelerator that divides models among processes by FSDP2 on CPUs: Accelerate itself divides them among accelerators
only, so its state is set by hand to what training/configs/accelerate/fsdp2.yaml makes it.
"""

from pathlib import Path

import yaml
from accelerate import Accelerator
from accelerate.state import AcceleratorState, PartialState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

CONFIG = Path(__file__).parents[2] / "training" / "configs" / "accelerate" / "fsdp2.yaml"


class ShardingAccelerator(Accelerator):
    def __init__(self, **options):
        super().__init__(**options)
        settings = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["fsdp_config"]
        plugin = FullyShardedDataParallelPlugin(
            fsdp_version=settings["fsdp_version"],
            auto_wrap_policy=settings["fsdp_auto_wrap_policy"],
            transformer_cls_names_to_wrap=settings["fsdp_transformer_layer_cls_to_wrap"].split(","),
            reshard_after_forward=settings["fsdp_reshard_after_forward"],
            state_dict_type=settings["fsdp_state_dict_type"],
            cpu_ram_efficient_loading=settings["fsdp_cpu_ram_efficient_loading"],
        )
        for state in (PartialState, AcceleratorState):
            state._shared_state["distributed_type"] = DistributedType.FSDP
        AcceleratorState._shared_state["fsdp_plugin"] = plugin
        assert self.is_fsdp2
