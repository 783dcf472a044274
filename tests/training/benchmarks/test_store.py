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
"""Embeddings on disk."""

import errno

import numpy as np
import pytest

from training.benchmarks import store
from training.benchmarks.store import FeatureStore


def doubled(calls: list) -> object:
    def compute(part: list[int]) -> dict[str, np.ndarray]:
        calls.append(part)
        return {"features": np.array(part, np.float32)[:, None] * 2, "label": np.array(part)}

    return compute


def test_features_are_computed_once_and_found_without_the_data(tmp_path):
    kept, calls = FeatureStore(tmp_path), []
    first = kept.collect({"model": "a"}, lambda: range(10), doubled(calls), part_size=4)
    assert [len(part) for part in calls] == [4, 4, 2] and first["features"][:, 0].tolist() == list(range(0, 20, 2))

    def no_data():
        raise AssertionError("the data were opened again")

    again = kept.collect({"model": "a"}, no_data, doubled(calls), part_size=4)
    assert np.array_equal(first["features"], again["features"]) and len(calls) == 3


def test_features_are_not_found_under_another_key(tmp_path):
    kept, calls = FeatureStore(tmp_path), []
    for model in ("a", "b", "a"):
        kept.collect({"model": model}, lambda: range(3), doubled(calls))
    assert len(calls) == 2


def test_features_of_other_code_or_parts_are_not_found(tmp_path, monkeypatch):
    store, calls = FeatureStore(tmp_path), []
    store.collect({"model": "a"}, lambda: range(4), doubled(calls), part_size=4)
    store.collect({"model": "a"}, lambda: range(4), doubled(calls), part_size=2)
    assert [len(part) for part in calls] == [4, 2, 2]
    # As after a change of a file in one of these folders.
    monkeypatch.setattr("training.benchmarks.store.fingerprint_of_code", lambda *folders: "other code")
    store.collect({"model": "a"}, lambda: range(4), doubled(calls), part_size=4)
    assert [len(part) for part in calls] == [4, 2, 2, 4]


def test_an_interruption_loses_at_most_one_part(tmp_path):
    kept, calls = FeatureStore(tmp_path), []

    def breaks(part: list[int]) -> dict[str, np.ndarray]:
        if part[0] == 8:
            raise KeyboardInterrupt
        return doubled(calls)(part)

    with pytest.raises(KeyboardInterrupt):
        kept.collect({"model": "a"}, lambda: range(12), breaks, part_size=4)
    found = kept.collect({"model": "a"}, lambda: range(12), doubled(calls), part_size=4)
    assert found["label"].tolist() == list(range(12)) and [part[0] for part in calls] == [0, 4, 8]


def test_processes_share_the_parts(tmp_path):
    calls: list[list[list[int]]] = [[], [], []]
    for rank in (0, 1):
        FeatureStore(tmp_path, rank, 2).collect({"model": "a"}, lambda: range(5), doubled(calls[rank]), part_size=1)
    found = FeatureStore(tmp_path).collect({"model": "a"}, lambda: range(5), doubled(calls[2]), part_size=1)
    assert [len(own) for own in calls] == [3, 2, 0] and found["label"].tolist() == list(range(5))


def test_an_empty_input_is_refused(tmp_path):
    with pytest.raises(ValueError, match="have no rows"):
        FeatureStore(tmp_path).collect({"model": "a"}, lambda: [], doubled([]))


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    calls: list[list[int]] = []
    found = FeatureStore(tmp_path / "file" / "below").collect({}, lambda: range(5), doubled(calls), part_size=2)
    assert found["label"].tolist() == list(range(5)) and len(calls) == 3
    # The disk is full after the first part.
    whole = store.save_file
    monkeypatch.setattr(store, "save_file", lambda *given: whole(*given) if len(calls) == 4 else full())
    found = FeatureStore(tmp_path).collect({}, lambda: range(5), doubled(calls), part_size=2)
    assert found["label"].tolist() == list(range(5)) and len(calls) == 6
    assert FeatureStore(tmp_path).collect({}, lambda: range(5), doubled(calls), part_size=2).keys() == found.keys()
    assert len(calls) == 8


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
