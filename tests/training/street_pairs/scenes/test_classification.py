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

import numpy as np
import pytest

from training.street_pairs.scenes.classification import WindowClasses, window_classes


def test_shares_of_a_window_by_the_codes_of_the_classification():
    # Of 20 pixels: 2 without data, 1 defective; 3 of shadow; 2, 1 and 1 of cloud and cirrus; the rest is of all other classes.
    codes = np.array([0, 0, 1, 3, 3, 3, 8, 8, 9, 10, 2, 4, 4, 5, 5, 6, 6, 7, 11, 11], np.uint8).reshape(4, 5)
    found = window_classes(codes)
    assert (found.valid, found.cloud, found.shadow) == pytest.approx((0.85, 0.2, 0.15))
    assert found.clear == pytest.approx(0.5)


def test_of_a_scene_without_a_classification_nothing_is_known_but_where_it_has_data():
    assert WindowClasses(0.9, None, None).clear is None
