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
"""Tables of photos in the published layout of Global Streetscapes."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

ATTRIBUTES = (
    "weather lighting_condition view_direction platform quality glare reflection pano_status".split()  # noqa: SIM905
)


def write_streetscapes(folder: Path) -> None:
    """
    `manual_labels/{train,test}/ATTRIBUTE.csv` and `manual_labels/img/UUID.jpeg` as in the published data, with
    `data/perception.csv`. A photo is as bright as its label says, so that a head can learn it.
    """
    names = {"train": [f"{n:08d}-aaaa" for n in range(40)], "test": [f"{n:08d}-bbbb" for n in range(12)]}
    (folder / "manual_labels/img").mkdir(parents=True)
    (folder / "data").mkdir()
    levels = {name: number % 3 for part in names.values() for number, name in enumerate(part)}
    for name, level in levels.items():
        noise = np.random.default_rng(int(name[:8])).integers(0, 40, (48, 64, 3))
        Image.fromarray((60 + 70 * level + noise).clip(0, 255).astype(np.uint8)).save(
            folder / "manual_labels/img" / f"{name}.jpeg"
        )
    for attribute in ATTRIBUTES:
        for split, part in names.items():
            path = folder / "manual_labels" / split / f"{attribute}.csv"
            path.parent.mkdir(exist_ok=True)
            with path.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["uuid", "source", "orig_id", attribute])
                writer.writerows([name, "Mapillary", 1, ("rainy", "cloudy", "clear")[levels[name]]] for name in part)
    with (folder / "data/perception.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["uuid", "source", "orig_id", "Beautiful", "Boring", "Depressing", "Lively", "Safe", "Wealthy"])
        writer.writerows([name, "Mapillary", 1, *[3.0 * levels[name]] * 6] for name in names["train"])
