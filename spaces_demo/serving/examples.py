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
"""Examples that stand for a whole gallery: good, middling and poor ones alike."""

from dataclasses import dataclass

import numpy as np

from serving.gallery import Gallery

EXAMPLES = 10


@dataclass(frozen=True)
class Example:
    """
    A photo that stands for others.

    Attributes:
        photo (`int`): its position in the gallery.
        title (`str`): what is on the ground where it was taken, or "Photo" if the gallery does not say.
        reason (`str`): one line that says why it was chosen.
    """

    photo: int
    title: str
    reason: str


def typical_examples(gallery: Gallery, count: int = EXAMPLES) -> list[Example]:
    """
    Chooses photos by a rule: each kind of ground has a share of the examples by its number of photos, at least one. Within a
    kind, photos are ordered by how well the model finds where they were taken, and those in the middle of equal parts are chosen.

    Args:
        gallery ([`Gallery`]): P photos.
        count (`int`): how many to choose.

    Returns:
        `list[Example]`: `count` of them, or P if there are fewer; the kinds with the most photos first, the best found first.
    """
    kinds: dict[str, list[int]] = {}
    for position, photo in enumerate(gallery.photos):
        kinds.setdefault(photo.label, []).append(position)
    # The largest kinds, if there are more of them than examples.
    largest = sorted(kinds.items(), key=lambda kind: -len(kind[1]))[:count]
    shares = _shares([len(photos) for _, photos in largest], min(count, len(gallery.photos)))
    examples = []
    for (label, photos), share in zip(largest, shares):
        ordered = sorted(photos, key=lambda position: -gallery.photos[position].standing)
        for part in range(share):
            rank = (2 * part + 1) * len(ordered) // (2 * share)
            examples.append(_example(gallery, ordered[rank], label, rank + 1, len(ordered)))
    return examples


def _example(gallery: Gallery, position: int, label: str, rank: int, count: int) -> Example:
    called = f"photos of {label}" if label else "photos"
    reason = f"The model finds its place {_ordinal(rank)} best of {count} {called}."
    return Example(position, label.capitalize() or "Photo", reason)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _shares(sizes: list[int], count: int) -> list[int]:
    """Divides `count` in proportion to sizes, at least 1 and at most its size each, one by one where most is owed."""
    shares = np.ones(len(sizes), int)
    owed = np.array(sizes) * count / max(sum(sizes), 1)
    while shares.sum() < count:
        shares[int(np.argmax(np.where(shares < sizes, owed - shares, -np.inf)))] += 1
    return shares.tolist()
