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
"""The parameters of a version of the sample world, and the keys of its random numbers."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from training.world.noise import key_of

_CONFIGS = Path(__file__).parents[1] / "configs"


def load_parameters(version: int) -> tuple[SimpleNamespace, dict[str, Any]]:
    """
    Read the parameters of a version.

    Returns:
        The parameters as nested attributes, such as `parameters.ground.river.slope`, and as plain dictionaries.

    Raises:
        ValueError: an unknown version.
    """
    versions = sorted(int(path.stem.rsplit("_v", 1)[1]) for path in _CONFIGS.glob("sample_world_v*.yaml"))
    if version not in versions:
        raise ValueError(f"version is {version!r}, expected a version of the sample world: one of {versions}.")
    raw = yaml.safe_load((_CONFIGS / f"sample_world_v{version}.yaml").read_text(encoding="utf-8"))
    return _attributes(raw), raw


def _attributes(value: Any) -> Any:
    if isinstance(value, dict):
        return SimpleNamespace(**{name: _attributes(item) for name, item in value.items()})
    return value


class Keys:
    """
    The 32-bit keys of the named random number streams of one world.

    Args:
        seed (`int`): the world's seed.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self._keys: dict[str, int] = {}

    def __call__(self, name: str) -> int:
        if name not in self._keys:
            self._keys[name] = key_of(self.seed, name)
        return self._keys[name]
