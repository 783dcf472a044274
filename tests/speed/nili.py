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
Speed and memory of NILI's fast forms compared with its definition, at base size:

    python -m tests.speed.nili

Prints ratios; asserts nothing. Memory is the peak allocated during the call.
"""

from collections.abc import Callable

import torch

from modeling_gair.nili_gair import GairNILI, as_map
from tests.helpers.literal_nili import literal_nili
from tests.speed.measuring import median_seconds, peak_bytes


@torch.no_grad()
def main(hidden_size: int = 768, side: int = 12) -> None:
    torch.manual_seed(0)
    nili = GairNILI(hidden_size)
    # In the model's memory layout: tokens (B, N, D), viewed as maps.
    one, batch = (as_map(torch.randn(tiles, side * side, hidden_size)) for tiles in (1, 16))
    grid = (torch.arange(96) + 0.5) / 96
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    many, single = torch.stack([x, y], -1).reshape(1, -1, 2), torch.rand(16, 1, 2)
    cases: dict[str, tuple[dict[str, Callable[[], torch.Tensor]], int]] = {
        "96 x 96 points of one tile": (
            {
                "definition": lambda: literal_nili(one, many, nili.affine),
                "dense": lambda: nili(one, many, "dense"),
                "map": lambda: nili.sample_map(one, (96, 96)),
            },
            3,
        ),
        "one point per tile, batch 16": (
            {
                "definition": lambda: literal_nili(batch, single, nili.affine),
                "points": lambda: nili(batch, single, "points"),
            },
            30,
        ),
    }
    print(f"NILI, D = {hidden_size}, {side} x {side} tokens, float32, {torch.get_num_threads()} threads")
    for title, (runs, repeats) in cases.items():
        seconds = median_seconds(runs, repeats, {name: 1 if name == "definition" else 5 for name in runs})
        memory = {name: peak_bytes(run) for name, run in runs.items()}
        print(f"\n{title}\n  {'form':<12}{'ms':>10}{'faster':>10}{'peak MiB':>12}{'less memory':>13}")
        for name in runs:
            speed, saving = seconds["definition"] / seconds[name], memory["definition"] / memory[name]
            print(
                f"  {name:<12}{seconds[name] * 1e3:>10.1f}{speed:>9.1f}x{memory[name] / 2**20:>12.1f}{saving:>12.1f}x"
            )


if __name__ == "__main__":
    main()
