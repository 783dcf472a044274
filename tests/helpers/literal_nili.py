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
"""NILI by its definition: the reference for the fast forms, and their baseline in speed."""

import torch
import torch.nn.functional as F


def literal_nili(feature_map: torch.Tensor, query_points: torch.Tensor, affine: torch.nn.Linear) -> torch.Tensor:
    """
    LIIF's local ensemble with an affine decoder.

    Args:
        feature_map: (B, D, P, P), row 0 in the north.
        query_points: (B, Q, 2), x east, y south, in [0, 1].
        affine: Linear(9 D + 2, D), features (channel-major) first.

    Returns:
        (B, Q, D)
    """
    channels, side = feature_map.shape[1:3]
    neighbourhoods = F.unfold(feature_map, 3, padding=1)  # (B, 9 D, P²)
    position = 2 * query_points - 1
    values, areas = [], []
    for shift_y in (-1, 1):
        for shift_x in (-1, 1):
            shift = torch.tensor([shift_x, shift_y], dtype=position.dtype) / side + 1e-6
            shifted = (position + shift).clamp(-1 + 1e-6, 1 - 1e-6)
            cell = ((shifted + 1) / 2 * side).floor().long().clamp(0, side - 1)
            centre = (2 * cell + 1).to(position.dtype) / side - 1
            offset = (position - centre) * side
            index = (cell[..., 1] * side + cell[..., 0])[:, None].expand(-1, 9 * channels, -1)
            features = neighbourhoods.gather(2, index).transpose(1, 2)
            values.append(affine(torch.cat([features, offset], dim=-1)))
            areas.append((offset[..., 0] * offset[..., 1]).abs() + 1e-9)
    total = torch.stack(areas).sum(0)
    # Each corner weighs by the area of the diagonally opposite one.
    return sum(value * (area / total)[..., None] for value, area in zip(values, reversed(areas)))
