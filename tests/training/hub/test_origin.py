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
"""The licence comes from the model's directory or from the user, and is never guessed."""

import json
import re
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard

pytest.importorskip("datasets", reason="the extra train is not installed")
from modeling_gair.convert_gair_checkpoint import weights_digest
from tests.helpers.release import FACTS, METRICS
from training.hub.origin import Origin, licence_of


def origin(licence=None, data=None) -> Origin:
    card = None if licence is None else ModelCard(f"---\nlicense: {licence}\n---\n# Card\n")
    metrics = None if data is None else {**METRICS, "training": {**FACTS, "data": data}}
    return Origin(Path("DIR"), metrics, card, None)


@pytest.mark.parametrize(
    ("known", "chosen", "licence"),
    [
        (origin("cc-by-nc-4.0"), None, "cc-by-nc-4.0"),
        (origin("mit", ["org/pairs"]), "mit", "mit"),
        (origin(None, ["org/pairs"]), "cc-by-4.0", "cc-by-4.0"),
        (origin(None, ["sample_world"]), None, "apache-2.0"),
    ],
)
def test_the_licence_is_that_of_the_directory_or_the_user(known, chosen, licence):
    assert licence_of(known, chosen, "DIR") == licence


@pytest.mark.parametrize(
    ("known", "chosen", "message"),
    [
        (origin("cc-by-nc-4.0"), "apache-2.0", "states that its weights are licensed under 'cc-by-nc-4.0'"),
        (origin(None, ["sample_world", "org/pairs"]), None, "pass --license"),
        (origin(), None, "pass --license"),
    ],
)
def test_the_licence_is_never_guessed_or_changed(known, chosen, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        licence_of(known, chosen, "DIR")


def test_metrics_that_are_not_json_are_an_error(tmp_path):
    (tmp_path / "metrics.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match=r"metrics\.json' is not valid JSON .*; train again, or delete it"):
        Origin.of(tmp_path, torch.nn.Identity())


def test_weights_are_converted_ones_only_as_long_as_nothing_changed_them(tmp_path):
    model = torch.nn.Linear(2, 3)
    (tmp_path / "provenance.json").write_text(json.dumps({"weights_sha256": weights_digest(model)}), encoding="utf-8")
    assert Origin.of(tmp_path, model).converted == {"weights_sha256": weights_digest(model)}
    with torch.no_grad():
        model.weight[0, 0] += 1
    assert Origin.of(tmp_path, model).converted is None
