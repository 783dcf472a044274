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
"""The limit of requests to a host: shared by all who ask, and paused when the host says so."""

import threading
import time

from training.street_pairs.rate_limit import RateLimit


def test_moments_are_apart_whoever_asks(tmp_path):
    limits = [RateLimit("example.org:80", 50.0, tmp_path) for _ in range(3)]
    moments, lock = [], threading.Lock()

    def ask(limit):
        for _ in range(4):
            limit.wait()
            with lock:
                moments.append(time.time())

    start = time.time()
    threads = [threading.Thread(target=ask, args=(limit,)) for limit in limits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(moments) == 12
    # Eleven intervals of a fiftieth of a second; on a busy machine it may take longer.
    assert max(moments) - start >= 11 / 50 - 0.01


def test_a_pause_holds_for_all(tmp_path):
    start = time.time()
    RateLimit("example.org", 1000.0, tmp_path).pause(0.2)
    RateLimit("example.org", 1000.0, tmp_path).wait()
    assert time.time() - start >= 0.19


def test_hosts_do_not_wait_for_each_other(tmp_path):
    RateLimit("one.example.org", 1000.0, tmp_path).pause(3600)
    RateLimit("other.example.org", 1000.0, tmp_path).wait()
    assert {path.name for path in tmp_path.glob("*.org")} == {"one.example.org", "other.example.org"}
