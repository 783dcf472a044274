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
"""Predicted maps beside the truth."""

import numpy as np
from PIL import Image

from training.benchmarks.kinds.kind import MapExample
from training.benchmarks.results.map_figure import load_examples, map_figure, save_examples

CLASSES = ("water", "forest", "something else")


def example(name: str, side: int, readings: tuple[str, ...]) -> MapExample:
    draws = np.random.default_rng(side)
    colour = draws.integers(0, 256, (side, side, 3)).astype(np.uint8)
    maps = [draws.integers(0, 3, (side, side)) for _ in readings]
    return MapExample(name, CLASSES, colour, draws.integers(-1, 3, (side, side)), dict(zip(readings, maps)))


def test_examples_are_read_as_they_were_written(tmp_path):
    """Names may hold any characters, and tiles differ in size."""
    written = [
        example("a/found/b", 8, ("nili", "nili_with_pixels")),
        example("tile 2", 12, ("nili", "nili_with_pixels")),
    ]
    save_examples(tmp_path / "maps" / "a.npz", written)
    read = load_examples(tmp_path / "maps" / "a.npz")
    assert len(read) == 2
    for before, after in zip(written, read):
        assert (before.name, before.classes, list(before.found)) == (after.name, after.classes, list(after.found))
        np.testing.assert_array_equal(before.colour, after.colour)
        np.testing.assert_array_equal(before.truth, after.truth)
        for reading, found in before.found.items():
            np.testing.assert_array_equal(found, after.found[reading])


def test_a_row_is_drawn_for_every_reading_of_every_model(tmp_path):
    heights = []
    for readings in (("nili",), ("nili", "bilinear")):
        tiles = [example(str(side), side, readings) for side in (8, 12, 16)]
        map_figure(tmp_path / "maps.png", "title", [("own", tiles), ("pixels", tiles)])
        with Image.open(tmp_path / "maps.png") as picture:
            heights.append(picture.height)
            colours = {colour for _, colour in picture.convert("RGB").getcolors(2**24)}
        # Water, and pixels without a label.
        assert (0x2F, 0x6F, 0xB7) in colours and (0x7F, 0x7F, 0x7F) in colours
    assert heights[1] > heights[0] * 1.3
