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
Speed of checking and reducing photos for street pairs, in photos per second of CPU time:

    OMP_NUM_THREADS=1 python -m tests.speed.street_photos

The JPEGs are smooth with the noise of a camera, so that they are about as large as real ones. Compares with decoding them whole; prints the
results, asserts nothing.
"""

import io
import time

from PIL import Image

from tests.speed.measuring import as_jpeg, camera_photo, median_seconds
from training.street_pairs.images import SHORT_SIDE, jpeg_of, small_photo, view_of_panorama

_SIZES = {"1,024 px": (1024, 768), "2,048 px": (2048, 1536), "4,000 px": (4000, 3000)}
_PANORAMA = (4096, 2048)


def main(repeats: int = 15) -> None:
    print(f"{'photos':<20}{'kB':>8}{'whole/s':>10}{'reduced/s':>11}{'ratio':>8}")
    for name, size in _SIZES.items():
        jpeg = as_jpeg(camera_photo(*size))
        runs = {
            "whole": lambda jpeg=jpeg: jpeg_of(_whole(jpeg)),
            "reduced": lambda jpeg=jpeg: jpeg_of(small_photo(jpeg)),
        }
        seconds = median_seconds(runs, repeats, clock=time.process_time)
        ratio = seconds["whole"] / seconds["reduced"]
        print(
            f"{name:<20}{len(jpeg) / 1e3:>8.0f}{1 / seconds['whole']:>10.0f}{1 / seconds['reduced']:>11.0f}{ratio:>8.2f}"
        )
    panorama = as_jpeg(camera_photo(*_PANORAMA))
    seconds = median_seconds(
        {"cut": lambda: jpeg_of(view_of_panorama(panorama, 40.0))}, repeats, clock=time.process_time
    )
    print(f"{'view of a panorama':<20}{len(panorama) / 1e3:>8.0f}{'':>10}{1 / seconds['cut']:>11.0f}")


def _whole(jpeg: bytes) -> Image.Image:
    """Without reading at reduced scale."""
    image = Image.open(io.BytesIO(jpeg)).convert("RGB")
    scale = SHORT_SIDE / min(image.size)
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
