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
"""The Space as programs meet it, started from its folder alone: its endpoints, and attempts to misuse it."""

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.helpers.space import asked

pytestmark = [pytest.mark.ci, pytest.mark.xdist_group("space")]

# Programs ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(space_url, tmp_path_factory):
    return Client(space_url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def test_programs_get_the_map_and_the_comparison(client):
    drawn = client.predict("13.4, 52.52", api_name="/similarity_map")
    assert (drawn["columns"], drawn["rows"], len(drawn["places"])) == (360, 180, 5)
    assert (
        len(client.predict(3, api_name="/cluster_map")["names"]) == 3
        and client.predict(api_name="/colour_map")["colours"]
    )
    taught = client.predict("5, 25, like this\n-60, -5, not like this", api_name="/taught_map")
    assert (taught["low"], taught["high"]) == (0, 1) and "probability" in taught["unit"]
    found = client.predict("170,-20,-170,-10", "0,40,10,50", api_name="/compare_boxes")
    assert 0 <= found["difference"] <= 1 and 0 < found["p_value"] <= 1


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("/similarity_map", ("13.4, 99",)),
        ("/similarity_map", ("9" * 100_000,)),
        ("/similarity_map", (13.4,)),
        ("/similarity_map", ("13.4, 52.52", "nan, nan, inf, 1e400")),
        ("/similarity_map", ("13.4, 52.52", "-10, 36, 30, 60", "../fixed")),
        ("/similarity_map", ("13.4, 52.52", "-10, 36, 30, 60", "fixed", 10**30)),
        ("/colour_map", ("-10, 36, 30, 60", "yes")),
        ("/cluster_map", (True,)),
        ("/cluster_map", (-5,)),
        ("/taught_map", ("nan, inf, <b>city</b>",)),
        ("/taught_map", ("13.4, 52.52, city",)),
        ("/compare_boxes", ("1", "2")),
        ("/compare_boxes", (None, {"path": "box"})),
    ],
)
def test_programs_get_errors_as_one_sentence(client, name, arguments):
    with pytest.raises(AppError, match=r"^[^\n]{10,300}, expected [^\n]+\.$"):
        client.predict(*arguments, api_name=name)


@pytest.mark.parametrize("path", ["/etc/passwd", "../../etc/passwd"])
@pytest.mark.parametrize("handler", ["similarity_map", "colour_map", "cluster_map", "taught_map", "compare_boxes"])
def test_programs_read_no_file_of_the_server(client, space_url, handler, path):
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    said = called(space_url, handler, 5 * [file])
    assert '"success":false' in said.replace(" ", "") and "root:" not in said and "Traceback" not in said
    # The server works on.
    assert client.predict("170,-20,-170,-10", "0,40,10,50", api_name="/compare_boxes")["p_value"] > 0


def test_a_map_does_not_wait_for_what_is_computed_in_one_piece(client):
    boxes = [client.submit("-10,36,30,60", "1,2,30,40", api_name="/compare_boxes") for _ in range(20)]
    client.predict("13.4, 52.52", api_name="/similarity_map")
    assert not all(job.done() for job in boxes)
    assert all(job.result()["p_value"] > 0 for job in boxes)


# Misuse --------------------------------------------------------------------------------------------------------------


ASKED = asked()


def explore(wanted: dict, photo: dict | None = None) -> list:
    """What the page sends for a map of Explore."""
    return [wanted, "similarity", "", photo, None, "fixed", 5, 8, "like this", "", False, None, ""]


def status_of(request) -> int:
    try:
        with urlopen(request, timeout=180) as answer:
            return answer.status
    except HTTPError as error:
        return error.code


def called(url: str, handler: str, data: list) -> str:
    """The server's answer to a raw HTTP call of a handler, as no page would send it."""
    with urlopen(f"{url}config", timeout=180) as answer:
        dependencies = json.load(answer)["dependencies"]
    number = next(found["id"] for found in dependencies if found["api_name"] == handler)
    body = {"data": data, "fn_index": number, "session_hash": "misuse"}
    headers = {"Content-Type": "application/json"}
    try:
        with urlopen(Request(f"{url}gradio_api/queue/join", json.dumps(body).encode(), headers), timeout=180) as answer:
            answer.read()
        said = b""
        with urlopen(f"{url}gradio_api/queue/data?session_hash=misuse", timeout=180) as stream:
            for line in stream:
                said += line
                if b"process_completed" in line:
                    break
        return said.decode()
    except HTTPError as error:
        return error.read().decode()


@pytest.mark.parametrize("path", ["/etc/passwd", "app.py", "../../etc/passwd", "model/model.safetensors"])
def test_no_file_of_the_server_can_be_read(space_url, path):
    assert status_of(f"{space_url}gradio_api/file={path}") in (403, 404)
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    said = called(space_url, "draw", explore(ASKED, file))
    assert "cells" not in said and "root:" not in said and '"success":false' in said.replace(" ", "")


def test_an_upload_that_is_too_large_is_rejected(space_url):
    boundary = "x" * 20
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'.encode()
    body = head + bytes(33 * 2**20) + f"\r\n--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    assert status_of(Request(f"{space_url}gradio_api/upload", body, headers)) == 413


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/x.jpg", "http://169.254.169.254/latest", "file:///etc/passwd"])
def test_no_address_is_fetched_for_a_visitor(space_url, address):
    file = {"path": address, "url": address, "meta": {"_type": "gradio.FileData"}}
    said = called(space_url, "draw", explore(ASKED, file))
    assert "cells" not in said and '"success":false' in said.replace(" ", "")


@pytest.mark.parametrize("pin", [None, [], ["1", 0], [1e308, 0], [0, 91]])
def test_what_no_map_asks_for_draws_nothing(space_url, pin):
    said = called(space_url, "answer", explore(ASKED | {"pins": [pin]}))
    assert "process_completed" in said
    assert "cells" not in said and "Traceback" not in said and "site-packages" not in said


def test_visitors_are_not_monitored(space_url):
    assert status_of(f"{space_url}monitoring") == 403
    assert status_of(f"{space_url}gradio_api/runs") == 404
