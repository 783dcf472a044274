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
"""A training step on a GPU only queues work: nothing in it makes the processor wait for the GPU."""

import pytest
import torch

pytest.importorskip("accelerate", reason="the extra train is not installed")
from accelerate.state import AcceleratorState

from modeling_gair import GairProcessor
from tests.helpers.pairs import ALL_AUGMENTATIONS, made_batch
from training.pairs.augmentation import Augmentation, step_generator
from training.pairs.loading import prepare_pairs
from training.pretraining.loop import Trainer, make_accelerator
from training.pretraining.settings import load_settings

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("parts", [1, 2], ids=["a batch at once", "gradient caching"])
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_a_step_waits_for_nothing(precision, parts, tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", precision)
    AcceleratorState._reset_state(reset_partial_state=True)
    flags = [
        "--output_dir",
        str(tmp_path),
        "--batch_size",
        "4",
        "--batches_per_step",
        str(parts),
        "--report_to",
        "none",
    ]
    settings = load_settings(flags)
    processor = GairProcessor.for_config(settings.gair_config())
    trainer = Trainer(processor, settings, make_accelerator(settings), resumed=False)
    augment, device = Augmentation(ALL_AUGMENTATIONS, processor), trainer.accelerator.device
    batches = [made_batch().pin_memory() for _ in range(parts)]

    def step() -> None:
        inputs = [prepare_pairs(batch, processor, device) for batch in batches]
        trainer.step([augment(part, step_generator(0, 1, 0)) for part in inputs])

    # Memory is allocated, and kernels are chosen, in the first step.
    step()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
        AcceleratorState._reset_state(reset_partial_state=True)
