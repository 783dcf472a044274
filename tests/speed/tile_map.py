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
Time from a query to the similarity map of an encoded tile, at the published size:

    python -m tests.speed.tile_map

The literal method embeds all 128 × 128 points and computes the cosine of each. Prints times, ratios and the memory of the
encoded tile; asserts nothing.
"""

import numpy as np
import torch

from modeling_gair import GairConfig, GairModel
from spaces_demo.serving.encoded_tile import PIXELS, SIDE, encode_tile
from tests.speed.measuring import median_seconds


@torch.no_grad()
def main() -> None:
    torch.manual_seed(0)
    model = GairModel(GairConfig.base(nili_init="normal")).eval()
    # A new model adds nothing from the pixels. Here it adds about as much as it reads of the tokens.
    assert model.pixel_query is not None
    torch.nn.init.normal_(model.pixel_query.out_proj.weight, std=0.05)
    pixels = torch.rand(1, 10, 96, 96)
    query = torch.nn.functional.normalize(torch.randn(model.rs_model.hidden_size), dim=0)
    tile, encoded = encode_tile(model, pixels), model.encode_tiles(pixels)

    def literal(reading: str) -> np.ndarray:
        mode, with_pixels = (None, True) if reading == PIXELS else (reading, False)
        points = model.feature_map(encoded, (SIDE, SIDE), mode, with_pixels)[0]
        return torch.cosine_similarity(points, query[:, None, None], dim=0).numpy()

    print(f"{SIDE} x {SIDE} points of a tile, D = {len(query)}, float32, {torch.get_num_threads()} threads")
    print(
        f"{'encoding, once':<24}{median_seconds({'encode': lambda: encode_tile(model, pixels)}, 5)['encode'] * 1e3:>10.1f} ms"
    )
    kept = {name: values.nbytes / 1e6 for name, values in tile.arrays().items()}
    print(
        f"{'memory':<24}{sum(kept.values()):>10.1f} MB, of which {kept['hidden']:.1f} MB the hidden layer of the pixels"
    )
    print(f"{'a point':<24}{median_seconds({'at': lambda: tile.at(0.3, 0.8)}, 10)['at'] * 1e3:>10.1f} ms")
    for reading in tile.readings:
        runs = {
            "literal": lambda reading=reading: literal(reading),
            "as used": lambda reading=reading: tile.similarity(query.numpy(), reading),
        }
        seconds = median_seconds(runs, 10)
        difference = np.abs(runs["literal"]() - runs["as used"]()).max()
        print(f"{reading + ', literal':<24}{seconds['literal'] * 1e3:>10.1f} ms")
        print(
            f"{reading + ', as used':<24}{seconds['as used'] * 1e3:>10.1f} ms{seconds['literal'] / seconds['as used']:>8.0f} "
            f"times faster, cosines differ by {difference:.1e}"
        )


if __name__ == "__main__":
    main()
