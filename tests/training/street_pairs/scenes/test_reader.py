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
"""Files are signed late, and signed again when a token is refused or expires."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest

pytest.importorskip("pystac_client", reason="the extra streets is not installed")

from tests.helpers.loopback.service import Fault
from tests.helpers.loopback.world import read_world
from training.street_pairs.errors import Unusable
from training.street_pairs.scenes import reader as reader_module
from training.street_pairs.scenes.providers import PROVIDERS, provider_of
from training.street_pairs.scenes.reader import scene_reader


@pytest.fixture
def asset(made_world, service):
    scene = read_world(made_world)[0]
    return {"href": f"{service.url}/planetary-computer/files/{scene.folder(False)}/B02.tif", "index": 1}


@pytest.fixture
def provider(service):
    return provider_of("planetary-computer", f"{service.url}/planetary-computer/stac")


def tokens(service):
    return len([request for request in service.requests if "/sas/" in request])


def test_one_token_serves_until_it_is_refused(provider, asset, service, scene_routes):
    with scene_reader(provider, 1000) as reader:
        before = reader.overview(asset)
        assert tokens(service) == 1
        reader.close()
        scene_routes.expire_tokens()
        assert (reader.overview(asset) == before).all()
        assert tokens(service) == 2


def test_a_file_is_opened_anew_before_its_token_expires(provider, asset, service, scene_routes):
    scene_routes.lifetime = timedelta(0)
    with scene_reader(provider, 1000) as reader:
        reader.overview(asset)
        first = tokens(service)
        reader.overview(asset)
        assert tokens(service) > first


def test_a_missing_file_is_gone_and_a_failing_one_may_come_back(provider, asset, service):
    with scene_reader(provider, 1000) as reader:
        with pytest.raises(Unusable, match="cannot be read") as gone:
            reader.grid(asset | {"href": asset["href"].replace("B02", "B99")})
        assert (gone.value.kind, gone.value.permanent) == ("gone", True)
        service.faults.append(Fault("cut", "B02"))
        with pytest.raises(Unusable, match="cannot be read") as failing:
            reader.overview(asset)
        assert (failing.value.kind, failing.value.permanent) == ("unreadable", False)


def test_reads_of_remote_files_keep_to_a_limit(provider, asset, monkeypatch):
    made, waits = [], []

    class Limit:
        def __init__(self, host: str, per_second: float):
            made.append((host, per_second))

        def wait(self) -> None:
            waits.append("read")

    monkeypatch.setattr(reader_module, "RateLimit", Limit)
    with scene_reader(provider, 500) as reader:
        reader.overview(asset)
        reader.overview(asset)
    # An opening and two reads.
    assert made == [(urlsplit(asset["href"]).netloc, 5000)] and len(waits) == 3


def test_files_of_this_machine_wait_for_nothing(made_world, monkeypatch):
    monkeypatch.setattr(reader_module, "RateLimit", None)
    folder = made_world / read_world(made_world)[0].folder(False)
    with scene_reader(provider_of(str(made_world)), 1) as reader:
        assert reader.overview({"href": str(next(folder.glob("B02*.tif"))), "index": 1}).any()


def test_an_unknown_provider_is_refused():
    with pytest.raises(ValueError, match=r"expected earth-search, .* or a folder of scenes"):
        provider_of("earth-serach")
    assert provider_of("cdse") == PROVIDERS["cdse"]
    assert not provider_of("https://stac.example.org/v1").local
