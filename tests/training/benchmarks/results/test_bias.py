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

from training.benchmarks.kinds.kind import PlaceErrors
from training.benchmarks.results.bias import (
    CHANCE_BITS,
    ELSEWHERE,
    Bias,
    bias_table,
    continents,
    latitude_bands,
    self_information,
    summary,
)


def with_errors(error: np.ndarray, unit: str = "wrong", **strata: np.ndarray) -> PlaceErrors:
    generator = np.random.default_rng(0)
    lon, lat = generator.uniform(-10, 40, len(error)), generator.uniform(36, 60, len(error))
    reference = None if unit == "wrong" else np.full(len(error), 4.0)
    return PlaceErrors(lon, lat, error, unit, "random", strata, reference)


@pytest.mark.parametrize(
    ("lon", "lat", "name"),
    [
        (13.4, 52.5, "Europe"),
        (-99.1, 19.4, "North America"),
        (-70.7, -33.4, "South America"),
        (36.8, -1.3, "Africa"),
        (116.4, 39.9, "Asia"),
        (151.2, -33.9, "Oceania"),
        (0.0, -80.0, "Antarctica"),
        (-157.8, 21.3, "North America"),
        (-150.0, -30.0, ELSEWHERE),
        # On the coast, off the coarse outline.
        (4.27, 52.1, "Europe"),
        (-180.0, 68.5, "Europe"),
    ],
)
def test_continents(lon, lat, name):
    assert continents(np.array([lon]), np.array([lat])).tolist() == [name]


def test_latitude_bands_hold_both_poles():
    assert latitude_bands(np.array([-90.0, -30.0, 0.0, 59.9, 90.0])).tolist() == [
        "90° S to 60° S",
        "30° S to 0°",
        "0° to 30° N",
        "30° N to 60° N",
        "60° N to 90° N",
    ]


def test_errors_are_divided_by_each_stratum():
    error = np.r_[np.zeros(150), np.ones(50)]
    level = np.r_[np.linspace(0, 1, 100), np.linspace(1, 2, 100)]
    table = bias_table(with_errors(error, settlement=level, kind=np.repeat(["a", "b"], 100)))
    parts = {(row.stratum, row.part): row for row in table}
    assert [row.part for row in table if row.stratum == "settlement"] == ["low", "middle", "high"]
    assert parts["kind", "a"].error == 0 and parts["kind", "b"].error == 0.5
    assert parts["kind", "b"].ratio == pytest.approx(2) and parts["kind", "b"].places == 100
    for stratum in {row.stratum for row in table}:
        assert sum(row.places for row in table if row.stratum == stratum) == 200
    assert "continent" not in {row.stratum for row in bias_table(with_errors(error), earth=False)}
    values = bias_table(with_errors(np.full(200, 1.0), "absolute error"))
    assert {row.skill for row in values} == {0.75}


def test_self_information_is_at_chance_for_scattered_errors_and_high_for_clusters():
    strewn = [
        self_information(with_errors((np.random.default_rng(seed).random(600) < 0.5).astype(float)))
        for seed in range(1, 7)
    ]
    places = with_errors(np.zeros(600))
    clustered = self_information(with_errors((places.lon > 15).astype(float)))
    # Neighbourhoods overlap, so that one draw says little.
    assert np.mean([found.marked.mean() for found in strewn]) == pytest.approx(CHANCE_BITS, abs=0.5)
    assert clustered.marked.mean() > 4 * CHANCE_BITS
    # The places are spread evenly, whatever the errors; at the border of their area they end, which counts as a heap.
    inside = (np.abs(strewn[0].lon - 15) < 12) & (np.abs(strewn[0].lat - 48) < 4)
    assert strewn[0].unmarked[inside].mean() < 3 * CHANCE_BITS < strewn[0].unmarked.mean()
    assert len(strewn[0].lon) == len(strewn[0].marked) == len(strewn[0].unmarked)


def test_clustered_locations_have_high_unmarked_self_information():
    generator = np.random.default_rng(0)
    centre = np.repeat(generator.uniform(0, 8, (20, 2)), 15, axis=0)
    lon, lat = (centre + 0.02 * generator.standard_normal((300, 2))).T
    heaps = PlaceErrors(lon, lat + 45, (np.arange(300) % 2).astype(float), "wrong", "random")
    assert self_information(heaps).unmarked.mean() > 10 * CHANCE_BITS


def test_self_information_needs_low_performance_and_neighbours():
    assert self_information(with_errors(np.zeros(100))) is None
    assert self_information(with_errors(np.r_[1.0, np.zeros(5)])) is None


def test_a_summary_is_read_back_unchanged():
    places = with_errors(np.r_[np.zeros(300), np.ones(300)])
    bias = summary("run", bias_table(places), self_information(places))
    assert Bias.from_json(bias.to_json()) == bias and bias.centres > 0
    assert summary("run", bias_table(places), None).centres == 0
