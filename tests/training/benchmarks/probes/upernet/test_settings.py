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
"""Settings of the decoder."""

from dataclasses import replace

import pytest

pytest.importorskip("rasterio", reason="the extra eval is not installed")

from training.benchmarks.kinds.segmentation import upernet_settings
from training.benchmarks.probes.upernet.settings import UperNetSettings
from training.benchmarks.tasks.task import load_tasks


def test_the_defaults_are_pangaea_s():
    settings = UperNetSettings()
    assert (settings.channels, settings.epochs, settings.batch_size) == (512, 80, 8)
    assert (settings.learning_rate, settings.weight_decay, settings.milestones) == (1e-4, 0.05, (0.6, 0.9))
    for task in load_tasks().values():
        if task.kind == "segmentation" and not task.on_sample_world:
            assert replace(upernet_settings(task, "layers"), window=None) == settings, task.name


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"pyramid": "tokens"}, "segmentation.pyramid is 'tokens', expected one of layers, nili."),
        ({"window": 2}, "segmentation.window is 2; expected a whole number of at least 8."),
        ({"batch_size": 1}, "segmentation.batch_size is 1; expected a whole number of at least 2."),
    ],
)
def test_wrong_settings_are_refused(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        UperNetSettings(**change)


def test_an_unknown_setting_is_refused_by_name():
    task = load_tasks()["world-segmentation"]
    wrong = replace(task, options={"segmentation": {"chanels": 8}})
    with pytest.raises(ValueError, match="unknown setting 'chanels'; did you mean 'channels'"):
        upernet_settings(wrong, "layers")
