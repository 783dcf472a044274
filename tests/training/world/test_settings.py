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
from dataclasses import replace

import pytest

from training.world.settings import WorldSettings


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"tiles": 0}, "tiles is 0; expected a whole number of at least 1."),
        ({"photos": 2.0}, "photos is 2.0; expected a whole number of at least 1."),
        ({"seed": -1}, "seed is -1; expected a whole number of at least 0."),
        ({"held_out_tiles": True}, "held_out_tiles is True; expected a whole number"),
        ({"control": 1}, "control is 1, expected True or False."),
        ({"held_out_photos": 33}, "held_out_photos is 33, expected at most 32"),
    ],
)
def test_invalid_settings_are_rejected(change, sentence):
    with pytest.raises(ValueError, match=sentence):
        WorldSettings(**change)


def test_the_name_contains_every_setting():
    names = {WorldSettings().name}
    for change in ("seed", "version", "tiles", "photos", "held_out_tiles", "held_out_photos"):
        names.add(replace(WorldSettings(), **{change: 7}).name)
    names.add(WorldSettings(control=True).name)
    assert len(names) == 8
