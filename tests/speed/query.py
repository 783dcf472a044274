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
What reading the pixels about each point costs beside reading the tokens alone, at base size:

    OMP_NUM_THREADS=1 python -m tests.speed.query

The tiles are encoded already. Prints CPU times and ratios; asserts nothing.
"""

import time
from collections.abc import Callable

import torch

from modeling_gair import GairConfig, GairModel
from tests.speed.measuring import median_seconds

# The street-view tower is not used.
_SMALL = {"hidden_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4, "intermediate_size": 48}


@torch.no_grad()
def main(side: int = 128) -> None:
    torch.manual_seed(0)
    model = GairModel(GairConfig(pixel_window=5, sv_config=_SMALL)).eval()
    # A new query returns zero, whose products some processors compute faster.
    torch.nn.init.normal_(model.pixel_query.out_proj.weight)
    one, batch = (model.encode_tiles(torch.rand(tiles, 10, 96, 96)) for tiles in (1, 16))
    single, many = torch.rand(1, 1, 2), torch.rand(16, 16, 2)
    cases: dict[str, tuple[Callable[[str, bool], torch.Tensor], int, int]] = {
        f"a map of {side} x {side} points": (
            lambda mode, with_pixels: model.feature_map(one, (side, side), mode, with_pixels),
            15,
            1,
        ),
        "one point of a tile": (
            lambda mode, with_pixels: model.localize(one, single, mode, with_pixels=with_pixels),
            15,
            20,
        ),
        "16 points in each of 16 tiles": (
            lambda mode, with_pixels: model.localize(batch, many, mode, with_pixels=with_pixels),
            15,
            1,
        ),
    }
    width, window = model.rs_model.hidden_size, model.config.pixel_window
    print(f"D = {width}, {window} x {window} pixels, float32, {torch.get_num_threads()} threads")
    for title, (read, rounds, calls) in cases.items():
        print(f"\n{title}\n  {'tokens read by':<16}{'tokens, ms':>12}{'with pixels':>12}{'ratio':>8}")
        for mode in ("nili", "bilinear"):
            runs = {
                name: lambda read=read, mode=mode, with_pixels=with_pixels: read(mode, with_pixels)
                for name, with_pixels in (("tokens", False), ("both", True))
            }
            seconds = median_seconds(runs, rounds, dict.fromkeys(runs, calls), time.process_time)
            ratio = seconds["both"] / seconds["tokens"]
            print(f"  {mode:<16}{seconds['tokens'] * 1e3:>12.2f}{seconds['both'] * 1e3:>12.2f}{ratio:>7.2f}x")
    _time_products(model, side)


def _time_products(model: GairModel, side: int) -> None:
    """The least that pixels add to a map: its two matrix products, into memory at hand."""
    last = model.pixel_query.out_proj.weight.t().contiguous()
    first = model.pixel_query.window_projs[0].weight.t().contiguous()
    # Windows are mapped at the tile's pixels, of which a larger map is interpolated.
    pixels, hidden = torch.rand(96 * 96, len(first)), torch.rand(side * side, len(last))
    inner, output = torch.empty(len(pixels), len(last)), torch.empty(len(hidden), last.shape[1])
    runs = {
        "first": lambda: torch.mm(pixels, first, out=inner),
        "last": lambda: torch.mm(hidden, last, out=output),
    }
    seconds = median_seconds(runs, 15, clock=time.process_time)
    gflop = {"first": 2e-9 * pixels.numel() * len(last), "last": 2e-9 * hidden.numel() * last.shape[1]}
    for name in runs:
        print(
            f"{name} product of a map with pixels: {1e3 * seconds[name]:.1f} ms, {gflop[name]:.2f} GFLOP, {gflop[name] / seconds[name]:.0f} GFLOP/s"
        )


if __name__ == "__main__":
    main()
