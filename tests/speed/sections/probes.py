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
"""The ridge probe."""

from functools import partial

import numpy as np

from tests.speed.rows import Row, Settings, compare
from training.benchmarks.probes.fitting import ridge
from training.benchmarks.probes.folds import make_holdout


def measure(settings: Settings) -> list[Row]:
    """Five folds with four inner folds each and 21 strengths."""
    places, width = (500, 32) if settings.quick else (20_000, 768)
    generator = np.random.default_rng(0)
    lon, lat = generator.uniform(-180, 180, places), generator.uniform(-60, 75, places)
    features = generator.standard_normal((places, width), dtype=np.float32)
    values = features[:, :10].sum(axis=1) + generator.standard_normal(places)
    folds = make_holdout("random", lon, lat, seed=0)
    run = partial(ridge, features, values, folds, classify=False)
    # One of the slowest: fewer rounds.
    return compare("probes", {f"ridge, {places:,} × {width}": run}, Settings(settings.device, True))
