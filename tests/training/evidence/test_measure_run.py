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
"""The measures of a trained run."""

import json

import pytest

pytest.importorskip("accelerate", reason="the extra eval is not installed")
pytest.importorskip("pandas", reason="the extra eval is not installed")
from training.evidence import measure_run
from training.evidence.options import EvidenceOptions
from training.pairs.sources import open_source


def test_an_arm_is_measured_for_all_its_comparisons(small_world, trained_model, tmp_path, monkeypatch):
    (tmp_path / "nili").mkdir()
    (tmp_path / "nili" / "seed0").symlink_to(trained_model)
    written = {}
    monkeypatch.setattr(measure_run, "open_world", lambda settings: open_source(str(small_world), 0.0))
    monkeypatch.setattr(measure_run, "write_json", lambda path, content: written.update({path.name: content}))
    measure_run.measure_run(EvidenceOptions(output_dir=tmp_path, measure=["nili", "0"]))
    json.dumps(written)
    found = written["evidence.json"]["trained"]
    for measure in (
        "own world/across/median_rank",
        "second world/among/mean_rank",
        "probe/cover from SV",
        "offset/100 m",
        "noise/300 m",
        "noise location/1000000 m",
        "scale mean/0.5",
        "place/sample world, moisture/unseen",
        "MFLOP a pair",
    ):
        assert measure in found, measure
    assert found["offset/0 m"] == found["noise/0 m"] == found["own world/across/median_rank"]
    untrained = written["evidence.json"]["untrained"]
    assert "offset/0 m" not in untrained and "own world/across/median_rank" in untrained
