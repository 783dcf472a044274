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
"""The client: what is tried again, what is not, and what its failures say."""

import pytest

from tests.helpers.stub_server import stub_server
from training.street_pairs import http_client
from training.street_pairs.errors import Unusable
from training.street_pairs.http_client import HttpClient


def answers(*given):
    """Each answer in turn, the last one for ever; and the list of requests."""
    asked = []

    def answer(path, parameters, headers):
        asked.append((path, parameters, headers))
        return given[min(len(asked), len(given)) - 1]

    return answer, asked


@pytest.fixture
def client():
    with HttpClient(1000.0) as client:
        yield client


@pytest.mark.parametrize(
    "first",
    [
        (429, {}, b""),
        (429, {"Retry-After": "0"}, b""),
        (503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, b""),
        (500, {}, b""),
        (200, {"Content-Length": "100"}, b"cut"),
    ],
)
def test_what_may_pass_is_tried_again(client, first):
    answer, asked = answers(first, first, (200, {}, b"good"))
    with stub_server(answer) as url:
        assert client.get(f"{url}/photo") == b"good"
    assert len(asked) == 3


@pytest.mark.parametrize(
    ("status", "kind"), [(404, "gone"), (410, "gone"), (403, "not_allowed"), (401, "not_allowed"), (400, "refused")]
)
def test_what_is_final_is_not_tried_again(client, status, kind):
    answer, asked = answers((status, {}, b""))
    with stub_server(answer) as url, pytest.raises(Unusable) as caught:
        client.get(f"{url}/photo", {"access": "secret"})
    assert caught.value.kind == kind and caught.value.permanent and len(asked) == 1
    assert "secret" not in str(caught.value)


def test_too_many_failures_end_as_passing(client):
    answer, asked = answers((500, {}, b""))
    with stub_server(answer) as url, pytest.raises(Unusable) as caught:
        client.get(f"{url}/photo")
    assert (caught.value.kind, caught.value.permanent) == ("server_error", False)
    assert len(asked) == http_client.ATTEMPTS


def test_an_error_in_a_good_answer_is_an_error(client):
    def check(value):
        if "error" in value:
            raise Unusable("api_error", "no", permanent=False)
        return value["data"]

    answer, asked = answers((200, {}, {"error": {}}), (200, {}, b"<html>"), (200, {}, {"data": [1]}))
    with stub_server(answer) as url:
        assert client.get_json(url, check=check) == [1]
    assert len(asked) == 3


@pytest.mark.parametrize("url", ["ftp://example.org/a", "no address", "http://[::1"])
def test_what_is_not_an_address_is_final(client, url):
    with pytest.raises(Unusable) as caught:
        client.get(url)
    assert caught.value.permanent and caught.value.kind == "bad_url"


def test_nobody_there(client):
    with stub_server(lambda *_: (200, {}, b"")) as url:
        pass
    with pytest.raises(Unusable, match="ConnectError") as caught:
        client.get(url)
    assert not caught.value.permanent


def test_a_host_that_asks_for_a_pause_gets_it(client, monkeypatch):
    paused = []
    monkeypatch.setattr(
        "training.street_pairs.rate_limit.RateLimit.pause", lambda self, seconds: paused.append(seconds)
    )
    answer, _ = answers((429, {"Retry-After": "7"}, b""), (200, {}, b"good"))
    with stub_server(answer) as url:
        assert client.get(url) == b"good"
    # Never longer than the client waits itself.
    assert paused == [http_client.MOST_WAIT_S]
