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
"""What the processors return: model inputs whose coordinates keep their precision."""

from typing import Any

import torch
from transformers.feature_extraction_utils import BatchFeature

# Half precision would move a location by up to tens of kilometres, and a point in a tile by metres.
PRECISE_INPUTS = ("coordinates", "query_points")


class GairFeatures(BatchFeature):
    """
    Model inputs, as a dictionary. `.to(device, dtype)` casts pixels, but `coordinates` and `query_points` only move to the
    device.
    """

    def to(self, *args: Any, **kwargs: Any) -> "GairFeatures":
        """
        Moves all tensors to a device and casts pixels to a dtype, in place.

        Args:
            args, kwargs: as for [`torch.Tensor.to`], e.g. `.to("cuda", torch.bfloat16)`.

        Returns:
            `GairFeatures`: the same object.
        """
        precise = {name: self.data[name] for name in PRECISE_INPUTS if isinstance(self.data.get(name), torch.Tensor)}
        super().to(*args, **kwargs)
        for name, values in precise.items():
            self.data[name] = values.to(self.data[name].device, non_blocking=kwargs.get("non_blocking", False))
        return self


__all__ = ["GairFeatures"]
