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
"""Tables and plots over seeds."""

import pytest
from PIL import Image

pytest.importorskip("matplotlib", reason="the extra train is not installed")
from training.evidence.arms import COMPARISONS, CONFIGS
from training.evidence.measured import MeasuredRun, spread
from training.evidence.report import write_report

ARMS = sorted(path.stem for path in CONFIGS.glob("*.yaml"))


def made_runs() -> list[MeasuredRun]:
    """Made figures of three seeds of every arm."""
    runs = []
    for number, arm in enumerate(ARMS):
        for seed in range(3):
            trained = {"MFLOP a pair": 99.0}
            for world in ("own world", "second world"):
                trained |= {f"{world}/across/median_rank": 10.0 + number + seed, f"{world}/across/R@5": 0.1}
                trained |= {f"{world}/among/mean_rank": 5.0, f"{world}/location/median_rank": 50.0}
            trained |= {f"offset/{level} m": 10.0 + level / 10 for level in (0, 50, 1000)}
            trained |= {f"scale/{level}": 10.0 for level in (0.5, 1.0)}
            trained |= {f"place/moisture/{holdout}": 0.5 for holdout in ("random", "unseen")}
            runs.append(MeasuredRun(arm, seed, {"trained": trained, "untrained": trained}))
    return runs + [MeasuredRun("sin/cos", seed, {"": {"place/moisture/random": 0.25}}) for seed in range(3)]


def test_tables_hold_means_and_standard_deviations(tmp_path, capsys):
    runs = made_runs()
    write_report(tmp_path, list(COMPARISONS), runs)
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert report in capsys.readouterr().out
    first = 10 + ARMS.index("nili")
    assert f"| NILI (GAIR) | {first + 1:.1f} ± 1.0 |" in report
    assert "0.50 ± 0.00 | 0.25 ± 0.00 | – | 3 |" in report and "| moisture: regions unseen in training | 0.50" in report
    for comparison in COMPARISONS.values():
        assert comparison.question in report
    rows = (tmp_path / "runs.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + sum(len(part) for run in runs for part in run.figures.values())
    for name in ("query_modes", "robustness", "location_encoders"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert len(picture.convert("RGB").getcolors(2**24)) > 100


def test_missing_measures_are_dashes(tmp_path):
    runs = [MeasuredRun("nili", 0, {"trained": {"own world/across/median_rank": 3.0}})]
    write_report(tmp_path, ["location"], runs)
    lines = (tmp_path / "report.md").read_text(encoding="utf-8").splitlines()
    assert next(line for line in lines if "GAIR without locations" in line).count("–") == 13
    assert not len(spread(runs, "no_location", "own world/across/median_rank"))
