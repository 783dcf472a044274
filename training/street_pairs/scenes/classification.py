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
"""What ESA's scene classification (SCL) says of a window."""

from dataclasses import dataclass

import numpy as np

# https://sentiwiki.copernicus.eu/web/s2-processing: no data and defective; cloud shadow; cloud of medium and of high probability, and
# thin cirrus. The others (dark areas, unclassified, snow) count as clear.
_NO_DATA, _SHADOW, _CLOUD = (0, 1), (3,), (8, 9, 10)


@dataclass(frozen=True)
class WindowClasses:
    """
    Shares of a window.

    Attributes:
        valid (`float`): pixels with data, of all.
        cloud, shadow (`float`, *optional*): of all pixels; None for a scene without a classification.
    """

    valid: float
    cloud: float | None
    shadow: float | None

    @property
    def clear(self) -> float | None:
        """Pixels with data that are neither cloud nor shadow, of all."""
        return None if self.cloud is None or self.shadow is None else max(0.0, self.valid - self.cloud - self.shadow)


def window_classes(scl: np.ndarray) -> WindowClasses:
    """
    Shares of classes.

    Args:
        scl (`np.ndarray` of any shape): classes from 0 to 11.
    """
    counts = np.bincount(scl.ravel(), minlength=12) / scl.size
    no_data, shadow, cloud = (float(sum(counts[code] for code in codes)) for codes in (_NO_DATA, _SHADOW, _CLOUD))
    return WindowClasses(1 - no_data, cloud, shadow)
