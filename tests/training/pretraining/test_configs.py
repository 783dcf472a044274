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
"""Every settings file is accepted by its program."""

from pathlib import Path

import pytest

from modeling_gair import GairConfig, GairModel
from training.pretraining.settings import load_settings

pytest.importorskip("accelerate", reason="the extra train is not installed")
from accelerate.commands.config.config_args import load_config_from_file

CONFIGS = Path(__file__).parents[3] / "training" / "configs"


def test_base_yaml_has_the_published_sizes_and_objective():
    settings = load_settings(["--config", str(CONFIGS / "base.yaml")])
    assert settings.gair_config().rs_config.hidden_size == 768
    assert settings.objective_settings().queue_size == 4096 and settings.augmentation.rs_jitter == 0.7
    assert settings.warmup_steps < settings.max_steps


@pytest.mark.parametrize("path", sorted((CONFIGS / "accelerate").glob("*.yaml")), ids=lambda path: path.stem)
def test_accelerate_accepts_the_launcher_configs(path: Path):
    """Accelerate rejects unknown keys."""
    config = load_config_from_file(str(path))
    assert config.mixed_precision == "bf16" and config.num_processes % config.num_machines == 0
    if "fsdp" in path.stem:
        assert config.fsdp_config["fsdp_version"] == 2
        wrapped = set(config.fsdp_config["fsdp_transformer_layer_cls_to_wrap"].split(","))
        assert wrapped <= {type(module).__name__ for module in GairModel(GairConfig.tiny()).modules()}
    else:
        assert config.dynamo_config["dynamo_backend"] == "INDUCTOR"
