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
"""Directories of trained models, and releases gathered from them."""

import json
import shutil
from pathlib import Path

import pytest

from modeling_gair import GairConfig, GairModel, GairProcessor


def write_trained(folder: Path, tiny_model: GairModel) -> Path:
    """A directory as training leaves it, including files that must not be published."""
    from tests.helpers.release import FACTS, METRICS, RANGES

    config = GairConfig.tiny(nili_init="normal", similarity_ranges=RANGES)
    model = GairModel(config)
    model.load_state_dict(tiny_model.state_dict())
    model.save_pretrained(folder)
    GairProcessor.for_config(config).save_pretrained(folder)
    (folder / "metrics.json").write_text(json.dumps({**METRICS, "training": FACTS}))
    (folder / "log.jsonl").write_text('{"step": 1, "pairs_per_s": 10.0}\n{"step": 2, "pairs_per_s": 30.0}\n')
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "optimizer.bin").write_bytes(b"state")
    return folder


@pytest.fixture
def trained(tmp_path, tiny_model) -> Path:
    return write_trained(tmp_path / "trained", tiny_model)


@pytest.fixture(scope="package")
def whole_release(tmp_path_factory, tiny_model) -> tuple[Path, Path]:
    """A directory and the release gathered from it; tests must not change them."""
    from tests.helpers.release import gathered

    folder = write_trained(tmp_path_factory.mktemp("whole") / "trained", tiny_model)
    return folder, gathered(folder)


@pytest.fixture
def release(whole_release, tmp_path) -> Path:
    """A copy of the release."""
    return shutil.copytree(whole_release[1], tmp_path / "release")
