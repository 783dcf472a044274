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
"""Numbers as visitors type and read them."""

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.text import degrees_text, numbers_text, typed_numbers


def test_typographic_minus_signs_are_accepted():
    assert typed_numbers("−1.5, 2", 2, "two numbers") == [-1.5, 2]


def test_numbers_are_written_as_they_are_typed():
    assert numbers_text([13.4, -52.0, 0.00004]) == "13.4, -52, 0"
    assert typed_numbers(numbers_text([13.4, -52.0]), 2, "two numbers") == [13.4, -52]


def test_places_are_written_with_hemispheres():
    assert degrees_text(-13.4, 52.52) == "13.4000° W, 52.5200° N"
