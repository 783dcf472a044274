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
"""The examples of the first screen: chosen by a rule, from the best found to the worst."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.examples import typical_examples
from serving.gallery import Gallery, Photo


def gallery(kinds):
    """A gallery whose photos have these kinds of ground and standings."""
    photos = [
        Photo(f"{number}", b"", 0.0, 0.0, 0, (0.5, 0.5), "", label=label, standing=standing)
        for number, (label, standing) in enumerate(kinds)
    ]
    return Gallery("made", [], photos, np.zeros((len(photos), 4), np.float32))


def test_the_middle_of_each_part_stands_for_it():
    found = typical_examples(gallery([("crop", standing / 10) for standing in range(9)]), 3)
    assert [example.photo for example in found] == [7, 4, 1]
    assert "2nd best of 9 photos of crop" in found[0].reason and found[0].title == "Crop"


def test_kinds_share_the_examples_by_their_photos_and_none_is_left_out():
    kinds = [("crop", 0.1 * number) for number in range(8)] + [("built", 0.5), ("forest", 0.3), ("forest", 0.9)]
    found = typical_examples(gallery(kinds), 6)
    assert [example.title for example in found] == ["Crop"] * 4 + ["Forest", "Built"]
    assert len({example.photo for example in found}) == 6


def test_a_small_gallery_shows_all_its_photos_and_an_empty_one_none():
    assert {example.photo for example in typical_examples(gallery([("", 0.5), ("", 0.7)]))} == {0, 1}
    assert typical_examples(gallery([])) == []


def test_examples_are_as_good_and_as_poor_as_their_gallery(bundled_gallery):
    found = typical_examples(bundled_gallery)
    assert len(found) == 10 and {example.title for example in found} == {"Crop", "Grass", "Bare", "Forest", "Built"}
    chosen = np.median([bundled_gallery.photos[example.photo].standing for example in found])
    everyone = np.median([photo.standing for photo in bundled_gallery.photos])
    assert chosen == pytest.approx(everyone, abs=0.06)
    # Photos without kinds are chosen alike.
    unknown = replace(bundled_gallery, photos=[replace(photo, label="") for photo in bundled_gallery.photos])
    assert typical_examples(unknown)[0].reason == "The model finds its place 5th best of 96 photos."
