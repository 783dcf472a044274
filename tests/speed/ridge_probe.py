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
"""
Time of the ridge probe:

    python -m tests.speed.ridge_probe

20,000 places with 768 features, five folds, 21 regularisation strengths; for comparison, one fold solved separately for each
strength. Prints the results; asserts nothing.
"""

import time

import numpy as np
import torch

from training.benchmarks.probes.fitting import RIDGE_ALPHAS, ridge
from training.benchmarks.probes.folds import make_holdout

PLACES, WIDTH, CLASSES = 20_000, 768, 20


def main() -> None:
    generator = np.random.default_rng(0)
    lon, lat = generator.uniform(-180, 180, PLACES), generator.uniform(-60, 75, PLACES)
    features = generator.standard_normal((PLACES, WIDTH), dtype=np.float32)
    values = features[:, :10].sum(axis=1) + generator.standard_normal(PLACES)
    classes = np.digitize(values, np.quantile(values, np.linspace(0, 1, CLASSES + 1)[1:-1]))
    print(f"{PLACES:,} places, {WIDTH} features, {torch.get_num_threads()} threads")
    for name, labels, classify in (("values", values, False), (f"{CLASSES} classes", classes, True)):
        for holdout in ("random", "spatial10"):
            folds = make_holdout(holdout, lon, lat, seed=0)
            start, busy = time.perf_counter(), time.process_time()
            score = ridge(features, labels, folds, classify=classify).score
            seconds, cpu = time.perf_counter() - start, time.process_time() - busy
            print(f"{name:<12} {holdout:<10} score {score:.3f}  {seconds:6.1f} s, {cpu:6.1f} s of CPU time")
    print(
        f"one fold solved for each strength: {one_fold_by_solving(features, values):.1f} s; all folds take five times as long"
    )


def one_fold_by_solving(features: np.ndarray, values: np.ndarray) -> float:
    """Seconds for one fold with a separate linear system for each strength."""
    train = features[: PLACES * 4 // 5].astype(np.float64)
    start = time.perf_counter()
    for alpha in RIDGE_ALPHAS:
        gram = train.T @ train + alpha * np.eye(WIDTH)
        np.linalg.solve(gram, train.T @ values[: len(train)])
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
