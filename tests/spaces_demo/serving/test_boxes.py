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
"""Boxes: what visitors may type, and how they are compared."""

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.boxes import BoxComparison, parse_box


def test_a_box_equals_itself_and_differs_from_another(served_model):
    boxes = BoxComparison(served_model)
    _, same = boxes.compare("-10, 36, 30, 60", "-10, 36, 30, 60")
    found, other = boxes.compare("-10, 36, 30, 60", "-75, -20, -45, 5")
    assert same.difference == pytest.approx(0, abs=1e-5) and same.p_value > 0.5
    assert other.difference > 0.3 and other.p_value < 0.01 and found["B"] == (-75, -20, -45, 5)


def test_a_box_may_cross_the_antimeridian(served_model):
    boxes = BoxComparison(served_model)
    _, across = boxes.compare("179, -20, -179, -18", "178.9, -20, -178.9, -18")
    assert across.difference < 0.1


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "0,0,0,1", "0,1,1,1", "0,2,1,1", "-181,0,0,1", "0,0,200,1", "0,-91,1,0", "a,b,c,d"]
)
def test_invalid_boxes_are_rejected(text):
    with pytest.raises(ValueError, match=r"[bB]ox A"):
        parse_box(text, "A")
