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
"""Teaching by clicks: maps of what was taught, accuracy on blocks held out, and what cannot be taught."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

pytest.importorskip("gradio", reason="the extra demo is not installed")
from serving.grids import WORLD
from serving.labels import MINUS, PLUS, Labels, parse_labels
from serving.layers import Classes
from serving.teaching import Teaching, accuracy_text, spatial_blocks
from training.searching import regression

DESERTS = [(5, 25), (20, 22), (45, 20), (55, 20), (133, -25), (15, 28), (-5, 22), (28, 25)]
FORESTS = [(-60, -5), (-65, -8), (20, 0), (25, -2), (114, 1), (-70, -3), (-55, -3), (15, 1)]


def labels_of(**classes):
    places = np.array([place for own in classes.values() for place in own], np.float64)
    numbers = np.concatenate([[number] * len(own) for number, own in enumerate(classes.values())])
    return Labels(places, numbers, tuple(classes))


@pytest.fixture(scope="module")
def teaching(served_model):
    return Teaching(served_model)


@pytest.fixture(scope="module")
def plus_and_minus():
    return labels_of(**{MINUS: FORESTS, PLUS: DESERTS})


def last(teaching, labels, view=WORLD):
    held_out, layers = teaching.draw(labels, view)
    return held_out, list(layers)[-1]


def at(layer, lon, lat):
    return layer.values[int(90 - lat), int(lon + 180)]


def test_plus_and_minus_make_a_map_of_probabilities(teaching, plus_and_minus):
    held_out, layer = last(teaching, plus_and_minus)
    known = layer.values[np.isfinite(layer.values)]
    assert 0 <= known.min() < 0.2 and 0.8 < known.max() <= 1
    # Places that were not taught: the Kalahari's dry west, Borneo.
    assert at(layer, 35, 28) > 0.6 > 0.4 > at(layer, 113, 2)
    assert (layer.drawn_as.low, layer.drawn_as.high) == (0, 1) and PLUS in layer.drawn_as.unit
    assert [mark["kind"] for mark in layer.marks] == ["minus"] * 8 + ["plus"] * 8
    assert held_out.accuracy >= 0.8 and held_out.commonest == 0.5 and held_out.blocks > 5


def test_named_classes_make_a_map_of_classes(teaching):
    ice = [(-40, 75), (-45, 70), (-38, 65), (-80, 80), (60, 76)]
    _, layer = last(teaching, labels_of(desert=DESERTS, forest=FORESTS, ice=ice))
    assert isinstance(layer.drawn_as, Classes) and layer.drawn_as.names == ("desert", "forest", "ice")
    assert [at(layer, *place) for place in ((35, 28), (113, 2), (-42, 72))] == [0, 1, 2]


def test_the_map_is_that_of_a_regression_on_standardised_embeddings(teaching, served_model, plus_and_minus):
    _, layer = last(teaching, plus_and_minus)
    lon, lat, cells = served_model.grids.land()
    areas, cells = np.cos(np.radians(lat)), cells.astype(np.float64)
    mean = np.average(cells, axis=0, weights=areas)
    spread = np.sqrt(np.average((cells - mean) ** 2, axis=0, weights=areas) * cells.shape[1])
    features = (served_model.places(*plus_and_minus.lon_lat.T) - mean) / spread
    fitted = [
        LogisticRegression(C=strength, max_iter=500).fit(features, plus_and_minus.classes) for strength in (0.3, 3, 30)
    ]
    found = [one.predict_proba((cells - mean) / spread)[:, 1] for one in fitted]
    drawn = np.array([at(layer, *place) for place in zip(lon, lat)])
    assert min(np.abs(drawn - one).max() for one in found) < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_blocks_are_those_of_the_search_in_files_where_sides_are_the_same(seed, monkeypatch):
    generator = np.random.default_rng(seed)
    labels = Labels(generator.uniform((0, 40), (6, 46), (30, 2)), generator.integers(0, 2, 30), ("a", "b"))
    monkeypatch.setattr("serving.teaching._SIDES_KM", regression._SIDES_KM)
    side, blocks = spatial_blocks(labels)
    other_side, others = regression.spatial_blocks(labels)
    assert side == other_side and np.array_equal(blocks, others)


def test_accuracy_is_measured_only_where_it_can_be(teaching, plus_and_minus):
    held_out, _ = last(teaching, labels_of(**{MINUS: FORESTS[:2], PLUS: DESERTS[:2]}))
    assert held_out is None
    assert "cannot be measured with these 16 labels" in accuracy_text(None, plus_and_minus)
    near = labels_of(**{MINUS: [(10, 50 + 1e-4 * step) for step in range(9)], PLUS: DESERTS})
    assert last(teaching, near)[0] is None
    held_out, layer = last(teaching, plus_and_minus)
    right = f"right for {held_out.accuracy:.0%} of labels held out (the commonest class alone: 50%)"
    assert layer.title == f"Where it is like the places marked +: {right}"
    assert f"Accuracy {held_out.accuracy:.0%} (always the commonest class: 50%), on 16" in accuracy_text(
        held_out, plus_and_minus
    )


@pytest.mark.parametrize("text", ["", f"0, 0, {PLUS}", "1, 1, sea\n2, 2, sea"])
def test_one_class_cannot_be_taught(teaching, served_model, text):
    with pytest.raises(ValueError, match="expected two classes; mark places of another kind"):
        teaching.draw(parse_labels(text, served_model.coordinates), WORLD)
