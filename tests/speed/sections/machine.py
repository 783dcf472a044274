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
"""What the machine can do: the bounds of everything else."""

import torch

from tests.speed.rows import Row, Settings, timed
from training.common.matrix_rate import matrix_rate

_COPIED_BYTES = 256 * 2**20


def measure(settings: Settings) -> list[Row]:
    """Rates of matrix products in float32 and bfloat16, and of copying memory."""
    return [
        Row("machine", "float32 matrix products", matrix_rate(settings.device, torch.float32) / 1e9, "GFLOP/s"),
        Row("machine", "bfloat16 matrix products", matrix_rate(settings.device, torch.bfloat16) / 1e9, "GFLOP/s"),
        Row("machine", "copying memory", _copied(settings.device) / 1e9, "GB/s", note="bytes read and written"),
    ]


def _copied(device: torch.device) -> float:
    source = torch.ones(_COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    return 2 * _COPIED_BYTES / min(timed(lambda: target.copy_(source), device) for _ in range(5))
