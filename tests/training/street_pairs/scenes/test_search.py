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

from datetime import timedelta

import pytest

pytest.importorskip("pystac_client", reason="the extra streets is not installed")

from tests.helpers.loopback.service import Fault
from tests.helpers.loopback.world import FIRST_DAY, SITES
from training.street_pairs.errors import Unusable
from training.street_pairs.scenes import search
from training.street_pairs.scenes.providers import provider_of
from training.street_pairs.scenes.queries import Query
from training.street_pairs.scenes.search import stac_items

SITE = SITES[0]
BOX = (SITE.lon - 1e-3, SITE.lat - 1e-3, SITE.lon + 1e-3, SITE.lat + 1e-3)
QUERY = Query(SITE.name, BOX, FIRST_DAY, FIRST_DAY + timedelta(days=100), ["a"])


@pytest.fixture
def items(service, monkeypatch):
    """Searches the service, in pages of 3 items; it takes 3 s for slow answers, which is too long."""
    monkeypatch.setattr(search, "_PAGE", 3)
    monkeypatch.setattr(search, "_TIMEOUT_S", 1.0)
    provider = provider_of("cdse", f"{service.url}/cdse/stac")
    return lambda: [item["id"] for item in stac_items(provider, QUERY, 1000.0)]


def test_answers_that_are_slow_or_cut_off_are_asked_for_again(service, items):
    calm = items()
    # Five visits, the first in two baselines, in two zones.
    assert len(calm) == 12
    service.faults += [
        Fault("slow", r"/search", every=2, times=1),
        Fault("cut", r"/search", every=3, times=1),
        Fault("html", r"/search", every=4, times=1),
    ]
    assert items() == calm
    assert {service.counts[f"fault {kind}"] for kind in ("slow", "cut", "html")} == {1}


def test_a_service_that_always_breaks_off_fails_in_passing(service, items):
    service.faults.append(Fault("cut", r"/search"))
    with pytest.raises(Unusable, match=r"did not answer the search for border") as failed:
        items()
    assert (failed.value.kind, failed.value.permanent) == ("stac", False)
