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
"""Requests that are repeated where another try may help, over connections that are kept, within the limit of each host."""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential, wait_random

from training.common.errors import first_line
from training.street_pairs.errors import Unusable
from training.street_pairs.rate_limit import RateLimit

ATTEMPTS = 6
# Seconds before the second attempt, and at most.
FIRST_WAIT_S, MOST_WAIT_S = 0.5, 60.0
_TIMEOUT_S = 30.0
_MOST_BYTES = 2**26
_AGENT = "gair-street-pairs"
_GONE, _NOT_ALLOWED, _TOO_MANY, _TOO_EARLY = (404, 410), (401, 403, 451), 429, (408, 425)


class _Busy(Unusable):
    """A host that may answer later; `retry_after` is the number of seconds after which it wants to be asked again, None if it does not say."""

    def __init__(self, kind: str, message: str, retry_after: float | None):
        super().__init__(kind, message, permanent=False)
        self.retry_after = retry_after


class HttpClient:
    """
    A client for many threads.

    Args:
        requests_per_second (`float`): to one host, by all processes of this machine.
    """

    def __init__(self, requests_per_second: float):
        self._per_second = requests_per_second
        self._client = httpx.Client(timeout=_TIMEOUT_S, follow_redirects=True, headers={"User-Agent": _AGENT})
        self._limits: dict[str, RateLimit] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "HttpClient":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(
        self,
        url: str,
        parameters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        check: Callable[[bytes], Any] = lambda content: content,
    ) -> Any:
        """
        Gets a URL, and tries again what may pass.

        Args:
            url (`str`), parameters (`dict`), headers (`dict`): of the request.
            check (`Callable`): makes the result of the content, or raises an [`Unusable`]: an answer with status 200 may hold an error.

        Raises:
            Unusable: it failed for good, or too often.
        """
        limit = self._limit(url)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            asked = error.retry_after if isinstance(error, _Busy) else None
            if asked is not None:
                limit.pause(min(asked, MOST_WAIT_S))
                return 0.0
            return (wait_exponential(FIRST_WAIT_S, MOST_WAIT_S) + wait_random(0, FIRST_WAIT_S))(state)

        tries = Retrying(
            stop=stop_after_attempt(ATTEMPTS), wait=wait, retry=retry_if_exception(_may_pass), reraise=True
        )
        return tries(self._once, url, parameters, headers, check, limit)

    def get_json(
        self,
        url: str,
        parameters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        check: Callable[[Any], Any] = lambda content: content,
    ) -> Any:
        """Gets JSON; see [`~HttpClient.get`]."""

        def parsed(content: bytes) -> Any:
            try:
                value = json.loads(content)
            except ValueError as error:
                raise Unusable("not_json", f"{_shown(url)} did not answer with JSON.", permanent=False) from error
            return check(value)

        return self.get(url, parameters, headers, parsed)

    def _once(
        self,
        url: str,
        parameters: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        check: Callable[[bytes], Any],
        limit: RateLimit,
    ) -> Any:
        limit.wait()
        try:
            with self._client.stream("GET", url, params=parameters, headers=headers) as response:
                _check_status(response, url)
                content = b""
                for part in response.iter_bytes():
                    content += part
                    if len(content) > _MOST_BYTES:
                        raise Unusable("too_large", f"{_shown(url)} has more than {_MOST_BYTES >> 20} MB.")
        except httpx.InvalidURL as error:
            raise Unusable("bad_url", f"{_shown(url)} is not an address: {first_line(error)}.") from error
        except httpx.UnsupportedProtocol as error:
            raise Unusable("bad_url", f"{_shown(url)} is not an address of the web.") from error
        except httpx.HTTPError as error:
            raise Unusable("connection", f"{_shown(url)}: {type(error).__name__}.", permanent=False) from error
        return check(content)

    def _limit(self, url: str) -> RateLimit:
        try:
            host = urlsplit(url).netloc
        except ValueError:
            host = ""
        if not host:
            raise Unusable("bad_url", f"{_shown(url)} is not an address of the web.")
        with self._lock:
            if host not in self._limits:
                self._limits[host] = RateLimit(host, self._per_second)
            return self._limits[host]


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, Unusable) and not error.permanent


def _check_status(response: httpx.Response, url: str) -> None:
    status, shown = response.status_code, _shown(url)
    if response.is_success:
        return
    if status in _GONE:
        raise Unusable("gone", f"{shown}: HTTP {status}, it is not there (any more).")
    if status in _NOT_ALLOWED:
        raise Unusable("not_allowed", f"{shown}: HTTP {status}, access is not allowed.")
    if status == _TOO_MANY:
        after = _retry_after(response.headers.get("Retry-After"))
        raise _Busy("too_many_requests", f"{shown}: HTTP {status}, too many requests.", after)
    if status >= 500 or status in _TOO_EARLY:
        after = _retry_after(response.headers.get("Retry-After"))
        raise _Busy("server_error", f"{shown}: HTTP {status}.", after)
    raise Unusable("refused", f"{shown}: HTTP {status}.")


def _retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds a number of seconds or a date (RFC 9110, section 10.2.3)."""
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _shown(url: str) -> str:
    """A URL without its query, which may hold a token."""
    return repr(url.partition("?")[0])
