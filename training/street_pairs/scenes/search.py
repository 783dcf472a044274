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
"""Searches a STAC API for scenes, by pystac-client."""

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from pystac_client import Client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from requests import Request
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential
from urllib3.util import Retry

from training.common.errors import reason
from training.street_pairs.errors import Unusable
from training.street_pairs.rate_limit import RateLimit
from training.street_pairs.scenes.providers import Provider
from training.street_pairs.scenes.queries import Query

# Larger pages made services fail (stac-utils/pystac-client issue 659).
_PAGE = 100
_TIMEOUT_S = 60.0
# What a server says, with its Retry-After, is answered here; answers that are cut off or are not JSON, below.
_RETRIES = Retry(6, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), allowed_methods=None)
_ATTEMPTS = 3
# pystac-client raises KeyError for JSON of another kind.
_ERRORS = (APIError, ValueError, KeyError, TypeError)


def check_answers(provider: Provider, requests_per_second: float) -> None:
    """
    Asks once, so that a wrong address is not tried for each query.

    Raises:
        ValueError: the provider does not answer as a STAC API does.
    """
    try:
        _client(provider.place, requests_per_second)
    except _ERRORS as error:
        raise ValueError(
            f"{provider.place} does not answer as a STAC API ({reason(error)[:200]}); check the address, or run the same command again later."
        ) from error


def stac_items(provider: Provider, query: Query, requests_per_second: float) -> list[dict[str, Any]]:
    """
    The STAC items that a query finds, in order of their ids.

    Raises:
        Unusable: the service does not answer, however often it is asked.
    """
    try:
        return _items(provider, query, requests_per_second)
    except _ERRORS as error:
        text = f"{provider.place} did not answer the search for {query.site} ({reason(error)})."
        raise Unusable("stac", text, permanent=False) from error


@retry(
    retry=retry_if_exception_type(_ERRORS),
    stop=stop_after_attempt(_ATTEMPTS),
    wait=wait_random_exponential(multiplier=0.5, max=10),
    reraise=True,
)
def _items(provider: Provider, query: Query, requests_per_second: float) -> list[dict[str, Any]]:
    period = None if query.start is None else (query.start, query.end)
    found: dict[str, dict[str, Any]] = {}
    for box in query.boxes:
        search = _client(provider.place, requests_per_second).search(
            collections=[provider.collection], bbox=box, datetime=period, limit=_PAGE
        )
        found |= {item["id"]: item for item in search.items_as_dicts()}
    return [found[name] for name in sorted(found)]


@cache
def _client(place: str, requests_per_second: float) -> Client:
    limit = RateLimit(urlsplit(place).netloc, requests_per_second)

    def wait_for_turn(request: Request) -> Request:
        limit.wait()
        return request

    stac_io = StacApiIO(max_retries=_RETRIES, timeout=_TIMEOUT_S, request_modifier=wait_for_turn)
    return Client.open(place, stac_io=stac_io)
