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
"""Boxes: one parser and one check, for grids and searches."""

import numpy as np
import pytest

from training.common.boxes import check_box, parse_box


def test_boxes_on_the_earth():
    assert parse_box("13.0, 52.3,13.8,52.7") == (13.0, 52.3, 13.8, 52.7)
    assert parse_box("178,-20,-178,-15") == (178, -20, -178, -15)
    assert check_box(np.array([-180, -90, 180, 90])) == (-180, -90, 180, 90)


@pytest.mark.parametrize(
    "text", ["5,5", "a,b,c,d", "", "5,40,5,50", "0,50,10,40", "170,-20,190,-10", "0,nan,10,20", "0,-91,1,0"]
)
def test_what_is_no_box_is_refused(text):
    with pytest.raises(ValueError, match=f"bbox is '{text}', expected west,south,east,north"):
        parse_box(text)


def test_numbers_that_are_no_box_are_refused():
    with pytest.raises(ValueError, match=r"bbox is \(1, 2, 3\), expected west"):
        check_box((1, 2, 3))
