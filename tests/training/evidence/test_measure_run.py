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


@pytest.fixture()
def measured(small_world, trained_model, tmp_path, monkeypatch):
    """Measures the trained model as if it were a run of an arm."""
    written = {}
    monkeypatch.setattr(measure_run, "open_world", lambda settings: open_source(str(small_world), 0.0))
    monkeypatch.setattr(measure_run, "write_json", lambda path, content: written.update({path.name: content}))

    def measure(arm: str) -> dict:
        (tmp_path / arm).mkdir()
        (tmp_path / arm / "seed0").symlink_to(trained_model)
        measure_run.measure_run(EvidenceOptions(output_dir=tmp_path, measure=[arm, "0"]))
        return json.loads(json.dumps(written.pop("evidence.json")))

    return measure


def test_an_arm_is_measured_for_all_its_comparisons(measured):
    robust, located, selected = (measured(arm) for arm in ("nili_start", "nili", "window_3"))
    assert located["untrained"].keys() == located["trained"].keys() - {"MFLOP a pair", "MFLOP a map", "parameters"}
    found = located["trained"] | robust["trained"]
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
    assert not any(name.startswith(("offset", "selection")) for name in located["trained"])
    # What is chosen is not measured where it is reported.
    measures = {name for name in selected["trained"] if "/" in name}
    assert measures and all(name.startswith("selection world/") for name in measures)
