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
"""A server on the loopback that answers by routes, counts requests, and misbehaves as it is told."""

import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_SLOW_S = 3.0


@dataclass
class Fault:
    """
    A way in which requests fail.

    Attributes:
        kind: `"429"`, `"429 Retry-After"`, `"500"` or another status, `"slow"`, `"cut"` (half the body), `"html"` (a page with status 200)
            or another name, which the route itself gives a meaning, see [`Request.fault`].
        pattern: a regular expression, searched in the path and query of a request.
        every: a request fails if it is the `every`-th, twice as many-th … of those that match: 1 for all, so that what the pattern names
            fails for good.
        times: number of failures after which there are no more.
    """

    kind: str
    pattern: str
    every: int = 1
    times: int | None = None
    matched: int = 0
    struck: int = 0

    def strikes(self, target: str) -> bool:
        if not re.search(self.pattern, target):
            return False
        self.matched += 1
        strikes = self.matched % self.every == 0 and (self.times is None or self.struck < self.times)
        self.struck += strikes
        return strikes


@dataclass(frozen=True)
class Request:
    """
    Attributes:
        method, path, body, headers: as they came; the path is unquoted.
        query: values by name, the last of several.
        base: the address of the service.
        fault: the kind of a fault that strikes and that only the route knows, such as an error within an answer of status 200.
    """

    method: str
    path: str
    query: dict[str, str]
    body: bytes
    headers: Any
    base: str
    fault: str | None = None


@dataclass(frozen=True)
class Answer:
    """An answer; `ranges` says that a part of the body may be asked for."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = False


def json_answer(value: Any, status: int = 200) -> Answer:
    return Answer(json.dumps(value).encode(), status, "application/json")


# A pattern of whole paths, and what answers; its named groups are further arguments.
Route = tuple[str, Callable[..., Answer]]


class LoopbackService:
    """
    Serves routes on 127.0.0.1 from a thread of this process, as a context manager.

    Attributes:
        url (`str`): its address.
        faults (`list[Fault]`): what fails; may be changed at any time.
        requests (`list[str]`): paths and queries in order of arrival.
        counts (`Counter[str]`): requests by the first part of their path, and faults by kind as `"fault KIND"`.
    """

    def __init__(self, routes: Sequence[Route], faults: Sequence[Fault] = ()):
        self.faults = list(faults)
        self.requests: list[str] = []
        self.counts: Counter[str] = Counter()
        self._routes = [(re.compile(pattern), answer) for pattern, answer in routes]
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.service = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "LoopbackService":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault(self, target: str) -> str | None:
        """The kind of the first fault that strikes a request, which is counted."""
        with self._lock:
            self.requests.append(target)
            self.counts[target.strip("/").partition("/")[0].partition("?")[0]] += 1
            struck = next((fault.kind for fault in self.faults if fault.strikes(target)), None)
            if struck is not None:
                self.counts[f"fault {struck}"] += 1
            return struck

    def answer(self, request: Request) -> Answer:
        for pattern, route in self._routes:
            if match := pattern.fullmatch(request.path):
                return route(request, **match.groupdict())
        return Answer(status=404)


class _Server(ThreadingHTTPServer):
    service: LoopbackService
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone away is none of the test's business."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body would wait for each other's acknowledgement.
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        service = self.server.service
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = service.fault(self.path)
        if fault == "slow":
            time.sleep(_SLOW_S)
        if (answer := _faulty(fault)) is None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            known = None if fault in ("slow", "cut") else fault
            answer = service.answer(
                Request(self.command, unquote(parts.path), query, body, self.headers, service.url, known)
            )
        self._send(answer, cut=fault == "cut")

    do_HEAD = do_POST = do_GET

    def _send(self, answer: Answer, cut: bool) -> None:
        content, status, headers = answer.body, answer.status, dict(answer.headers)
        if answer.ranges:
            headers["Accept-Ranges"] = "bytes"
            if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
                first, last = int(wanted[1]), min(int(wanted[2] or len(content) - 1), len(content) - 1)
                headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
                content, status = content[first : last + 1], 206
        self.send_response(status)
        headers |= {"Content-Type": answer.content_type, "Content-Length": str(len(content))}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests read `counts`; nothing is printed."""


def _faulty(kind: str | None) -> Answer | None:
    """The answer of a fault that is the same for all routes."""
    if kind == "429 Retry-After":
        return Answer(status=429, headers={"Retry-After": "1"})
    if kind == "html":
        return Answer(b"<html>Down for maintenance.</html>", content_type="text/html")
    return Answer(status=int(kind)) if kind is not None and kind.isdecimal() else None
