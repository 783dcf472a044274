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
"""Labels that visitors click and type: what is read, added and undone, and what is refused."""

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from modeling_gair import GairCoordinateProcessor
from serving.labels import MINUS, PLUS, compact, expanded, parse_labels, with_labels, without_last

COORDINATES = GairCoordinateProcessor()


def test_labels_are_read_in_their_order():
    labels = parse_labels("13.4, 52.5, city\n\n 190, −3, rain forest \n2,48,city", COORDINATES)
    assert labels.lon_lat.tolist() == [[13.4, 52.5], [-170, -3], [2, 48]]
    assert labels.names == ("city", "rain forest") and labels.classes.tolist() == [0, 1, 0]
    assert [mark["kind"] for mark in labels.marks()] == ["class"] * 3
    assert labels.marks()[0]["colour"] == labels.marks()[2]["colour"] != labels.marks()[1]["colour"]


def test_plus_and_minus_have_fixed_numbers():
    labels = parse_labels(f"0, 0, {PLUS}\n1, 1, {MINUS}", COORDINATES)
    assert labels.are_plus_and_minus and labels.names == (MINUS, PLUS) and labels.classes.tolist() == [1, 0]
    assert [mark["kind"] for mark in labels.marks()] == ["plus", "minus"]
    assert not parse_labels(f"0, 0, {PLUS}\n1, 1, desert", COORDINATES).are_plus_and_minus


def test_clicks_add_a_line_each_and_no_line_twice():
    text = with_labels("", [(13.4, 52.5)], PLUS)
    assert text == f"13.4, 52.5, {PLUS}"
    text = with_labels(text, [(13.4, 52.5), (2.35, 48.85)], "  the  sea ")
    assert text.splitlines() == [f"13.4, 52.5, {PLUS}", "2.35, 48.85, the sea"]
    assert without_last(text) == f"13.4, 52.5, {PLUS}" and without_last(without_last(text)) == "" == without_last("")


def test_no_labels_are_no_error():
    assert len(parse_labels(" \n", COORDINATES)) == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("13.4, 52.5", "expected longitude, latitude, class in each line"),
        ("13.4, 52.5, ", "expected longitude, latitude, class"),
        ("x, 52.5, city", "expected longitude, latitude, class"),
        ("nan, 52.5, city", "expected longitude, latitude, class"),
        ("1, 2, a, b", "expected longitude, latitude, class"),
        ("1, 2, " + "x" * 41, "expected longitude, latitude, class"),
        ("1, 91, city", "expected"),
        ("\n".join("1, 2, a" for _ in range(501)), "There are 501 labels, expected at most 500"),
        ("\n".join(f"1, 2, {number}" for number in range(13)), "There are 13 classes, expected at most 12"),
    ],
)
def test_what_is_no_label_is_refused(line, said):
    with pytest.raises(ValueError, match=said):
        parse_labels(line, COORDINATES)


@pytest.mark.parametrize("name", ["", " ", "a, b", "x" * 41])
def test_a_class_needs_a_plain_name(name):
    with pytest.raises(ValueError, match="expected a name of up to 40 letters"):
        with_labels("", [(0.0, 0.0)], name)


def test_labels_fit_into_a_link():
    text = "5, 25, like this\n-60.1234, -5, not like this\n6, 26, like this"
    code = compact(parse_labels(text, COORDINATES))
    assert code == "~like this,5,25,~not like this,-60.1234,-5,~like this,6,26" and expanded(code) == text
    for broken in ("", "5,25", "~sand", "~sand,5", "~sand,5,25,~", "~a,1,2,~b,1"):
        with pytest.raises(ValueError, match="expected ~class,longitude,latitude"):
            expanded(broken)
    with pytest.raises(ValueError, match="without commas and ~"):
        with_labels("", [(1.0, 2.0)], "a~b")
