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
Time of preparing pixels, from what the processors read to what the model takes:

    OMP_NUM_THREADS=1 python -m tests.speed.pixel_preparation

Batches of tiles and photos, as `prepare` gets them. Prints CPU times; asserts nothing.
"""

import time
from functools import partial

import torch

from modeling_gair import GairRSImageProcessor, GairSVImageProcessor
from tests.speed.measuring import median_seconds

# Tiles or photos of a batch, their height and width, and the side that they are resized to.
_TILES = ((32, 96, 96, 96), (32, 192, 192, 96))
_PHOTOS = ((128, 96, 128, 64), (32, 256, 341, 224), (8, 1080, 1920, 224))


def main(repeats: int = 11) -> None:
    runs = {}
    for count, height, width, size in _TILES:
        tiles = torch.randint(1, 8000, (count, 10, height, width), dtype=torch.int32).to(torch.uint16)
        runs[f"{count} tiles of {width} x {height}, to {size}"] = partial(
            GairRSImageProcessor(size=size).prepare, tiles
        )
    for count, height, width, size in _PHOTOS:
        photos = torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8)
        runs[f"{count} photos of {width} x {height}, to {size}"] = partial(
            GairSVImageProcessor(size=size).prepare, photos
        )
    for name, seconds in median_seconds(runs, repeats, clock=time.process_time).items():
        print(f"{name:<36}{1e3 * seconds:>8.1f} ms")


if __name__ == "__main__":
    main()
