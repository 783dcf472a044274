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
"""Embeddings as colours."""

import numpy as np
from sklearn.decomposition import PCA

COMPONENTS = 3
_FITTED = 50_000


def colours_of(vectors: np.ndarray) -> np.ndarray:
    """
    The first three principal components of embeddings after normalisation as red, green and blue, so that similar ones have
    similar colours.

    Args:
        vectors (`np.ndarray` of shape `(N, D)`): more than three, finite, raw.

    Returns:
        `np.ndarray` of shape `(N, 3)`, in [0, 1]: from the 2nd to the 98th percentile of each component.
    """
    known = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    components = PCA(COMPONENTS, random_state=0).fit(known[:: -(-len(known) // _FITTED)]).transform(known)
    low, high = np.percentile(components, (2, 98), axis=0)
    return np.clip((components - low) / np.maximum(high - low, 1e-12), 0, 1)
