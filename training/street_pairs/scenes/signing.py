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
"""Tokens for the addresses of files, asked for just before they are opened: they expire within the hour."""

from datetime import UTC, datetime, timedelta

from training.common.errors import reason
from training.street_pairs.errors import Unusable
from training.street_pairs.http_client import HttpClient

# A file that is opened with a token is read for a while.
_MARGIN = timedelta(minutes=5)
_LONG_AGO = datetime.fromtimestamp(0, UTC)


class Signer:
    """
    Signs addresses of files as Planetary Computer does: with a token for all files of a collection.

    Args:
        url (`str`): the address that gives tokens.
        client ([`HttpClient`]): asks for them.
    """

    def __init__(self, url: str, client: HttpClient):
        self._url, self._client = url, client
        self._token = ""
        self.expires = _LONG_AGO

    def sign(self, href: str) -> str:
        """
        The address with a token that holds for some minutes yet.

        Raises:
            Unusable: there is no token.
        """
        if datetime.now(UTC) > self.expires - _MARGIN:
            self._renew()
        return f"{href}{'&' if '?' in href else '?'}{self._token}"

    def forget(self) -> None:
        """Asks for another token next time."""
        self.expires = _LONG_AGO

    def _renew(self) -> None:
        try:
            answer = self._client.get_json(self._url)
            self._token, expires = answer["token"], answer["msft:expiry"]
        except (Unusable, KeyError, TypeError) as error:
            raise Unusable("no_token", f"{self._url} gives no token ({reason(error)}).", permanent=False) from error
        self.expires = datetime.fromisoformat(expires.replace("Z", "+00:00"))
