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
Times the published implementation for tests/speed/sections/published.py, in an interpreter of its own:

    PYTHON published_worker.py CHECKOUT WEIGHTS INPUTS

It draws weights, writes them to WEIGHTS as a checkpoint, and prints `ready`. Then each line of its input names a case, which it runs
once, and a file for the result; it answers with the seconds that the case took. Imports nothing of this package.
"""

import sys
import time

import torch
from torch import nn


class _Encoded(nn.Module):
    """Stands for the RS tower where the tile is already encoded; every query gets the tokens of the one tile."""

    def __init__(self, tokens):
        super().__init__()
        self.tokens = tokens

    def forward(self, images):
        return None, self.tokens.expand(len(images), -1, -1)


def main(checkout: str, weights: str, inputs: str) -> None:
    sys.path.insert(0, checkout)
    from gair import GAIRModel, load_rs_image, load_sv_image, preprocess_rs_array, preprocess_sv_array

    torch.manual_seed(0)
    model = GAIRModel(query_mode="nili").freeze()
    torch.save({"model": model.state_dict()}, weights)
    print("ready", flush=True)
    given = torch.load(inputs, weights_only=False)
    torch.set_num_threads(given["threads"])
    tower = model.rs_encoder
    encoded = _Encoded(tower(given["tiles"][:1])[1])

    def localized(images, points):
        # In a tile of one degree at the origin, a point's position is its coordinates.
        box = torch.tensor([[0.0, 1.0, 1.0, 0.0]]).expand(len(points), -1)
        return model.query_localized_rs(images, torch.stack([points[:, 0], 1 - points[:, 1]], -1), box)[1]

    def of_one_tile():
        model.rs_encoder = encoded
        try:
            return localized(given["tiles"][:1].expand(len(given["points"]), -1, -1, -1), given["points"])
        finally:
            model.rs_encoder = tower

    cases = {
        "RS tower": lambda: model.encode_rs(given["tiles"]),
        "SV tower": lambda: model.encode_sv(given["photos"]),
        "places": lambda: model.encode_location(given["places"]),
        "tile from an array": lambda: preprocess_rs_array(given["tile"]),
        "tile from a file": lambda: preprocess_rs_array(load_rs_image(given["tile_file"])),
        "photo from an array": lambda: preprocess_sv_array(given["photo"]),
        "photo from a file": lambda: preprocess_sv_array(load_sv_image(given["photo_file"])),
        "points of an encoded tile": of_one_tile,
        "one point in each of 16 tiles": lambda: localized(given["sixteen"], given["points"][:16]),
    }
    with torch.inference_mode():
        for line in sys.stdin:
            case, file = line.rstrip("\n").split("\t")
            start = time.perf_counter()
            result = cases[case]()
            seconds = time.perf_counter() - start
            if file:
                torch.save(result, file)
            print(seconds, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
