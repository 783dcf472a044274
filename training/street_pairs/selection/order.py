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
"""A seeded order that does not depend on what else is selected, so that more photos change little."""

import hashlib
from collections.abc import Sequence

import numpy as np


def draws(names: Sequence[str], seed: int, purpose: str) -> np.ndarray:
    """
    A number in [0, 1) for each name, by a hash.

    Args:
        names (`Sequence[str]`): N names.
        seed (`int`), purpose (`str`): other numbers for another seed or purpose.

    Returns:
        `np.ndarray` of shape `(N,)`, float64.
    """
    start = hashlib.blake2b(f"{seed} {purpose} ".encode(), digest_size=8)

    def number(name: str) -> int:
        digest = start.copy()
        digest.update(name.encode())
        return int.from_bytes(digest.digest()[:7], "big") >> 3

    return np.array([number(name) for name in names], np.float64) / 2**53


def drawn_order(names: Sequence[str], seed: int, purpose: str) -> np.ndarray:
    """Positions `(N,)` of names in the order of their [`draws`], so that neighbours in a list are neighbours nowhere else."""
    return np.argsort(draws(names, seed, purpose), kind="stable")
