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
"""A reverse proxy that serves a page under a path of its own, as nginx does, and that sends answers on while they come."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

_TIMEOUT_S = 180
_PIECE = 2**16
# What concerns one connection alone.
_OF_A_CONNECTION = {"connection", "keep-alive", "transfer-encoding"}


@contextmanager
def behind_a_path(url: str, path: str) -> Iterator[str]:
    """
    The address of a proxy.

    Args:
        url (`str`): what it serves.
        path (`str`): where, such as `"/space"`; everything else is 404, but for the icon, for which browsers ask on their own.
    """

    class Forwarding(_Forwarding):
        origin, prefix = urlsplit(url), path

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forwarding)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{path}/"
    finally:
        server.shutdown()
        server.server_close()


class _Forwarding(BaseHTTPRequestHandler):
    """Without the prefix, requests are passed on; answers end with their connection."""

    origin = urlsplit("")
    prefix = ""

    def _forward(self) -> None:
        if not self.path.startswith(f"{self.prefix}/"):
            self.send_response(204 if self.path == "/favicon.ico" else 404)
            self.end_headers()
            return
        asked = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_A_CONNECTION}
        upstream = HTTPConnection(self.origin.hostname or "", self.origin.port, timeout=_TIMEOUT_S)
        try:
            upstream.request(self.command, self.path.removeprefix(self.prefix), asked or None, headers)
            answer = upstream.getresponse()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {*_OF_A_CONNECTION, "date", "server"}:
                    self.send_header(name, value)
            self.end_headers()
            while piece := answer.read1(_PIECE):
                self.wfile.write(piece)
        # Browsers leave when a page is closed, and the server at the end of a test.
        except (ConnectionError, HTTPException):
            self.close_connection = True
        finally:
            upstream.close()

    do_GET = do_POST = do_HEAD = do_DELETE = _forward

    def log_message(self, *arguments: object) -> None:
        """Tests say themselves what went wrong."""
