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
"""Training in bfloat16 on a CPU: with the attention whose gradient is fast there, and close to float32."""

import pytest
import torch

pytest.importorskip("accelerate", reason="the extra train is not installed")
from accelerate.state import AcceleratorState

from modeling_gair import GairProcessor
from training.pretraining.costs import random_inputs
from training.pretraining.loop import Trainer, make_accelerator
from training.pretraining.settings import load_settings


def _first_step(precision, folder, monkeypatch):
    """The form of attention, the loss, and a gradient's norm."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", precision)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        settings = load_settings(["--output_dir", str(folder), "--batch_size", "4", "--report_to", "none"])
        processor = GairProcessor.for_config(settings.gair_config())
        trainer = Trainer(processor, settings, make_accelerator(settings), resumed=False)
        torch.manual_seed(0)
        loss, terms = trainer.step([random_inputs(processor, 4, 2, torch.device("cpu"))])
        return trainer.model.rs_model.config._attn_implementation, loss.item(), float(terms["gradient_norm"])
    finally:
        torch.use_deterministic_algorithms(False)
        AcceleratorState._reset_state(reset_partial_state=True)


def test_a_step_in_bfloat16(tmp_path, monkeypatch):
    exact, rounded = (_first_step(precision, tmp_path, monkeypatch) for precision in ("no", "bf16"))
    assert (exact[0], rounded[0]) == ("sdpa", "eager")
    assert rounded[1:] != exact[1:] and rounded[1:] == pytest.approx(exact[1:], rel=0.05)
