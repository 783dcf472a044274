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
"""
Reading windows of scenes, neither warped nor mosaicked. Files stay open from one window to the next, and GDAL asks a server only for
what it needs.
"""

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from training.common.errors import reason
from training.street_pairs.errors import Unusable, UnusableScene
from training.street_pairs.http_client import HttpClient
from training.street_pairs.rate_limit import RateLimit
from training.street_pairs.scenes.providers import Provider
from training.street_pairs.scenes.signing import Signer
from training.street_pairs.windows import PIXEL_M, PixelWindow, SceneGrid

# GDAL tries again by itself after 429 and 5xx, and does not look for files beside a raster.
_GDAL = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "CPL_VSIL_CURL_ALLOWED_EXTENSIONS": ".tif,.tiff,.jp2",
    # Of a file that is closed nothing is remembered, above all not that it could not be read.
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": 32768,
    "GDAL_HTTP_MAX_RETRY": 5,
    "GDAL_HTTP_RETRY_DELAY": 0.5,
    "GDAL_HTTP_CONNECTTIMEOUT": 20,
    "GDAL_HTTP_TIMEOUT": 120,
    "GDAL_CACHEMAX": 256,
}
# Pixels lie in object stores, which serve far more than the services that list scenes and photos.
READS_PER_REQUEST = 10
_GONE = re.compile(r"HTTP response code: 4(0[0-7]|1\d|51)|No such file|does not exist|not recognized as")
_REFUSED = re.compile(r"HTTP response code: 40[13]")
_UTM = {hemisphere + zone for hemisphere in (32600, 32700) for zone in range(1, 61)}
_OVERVIEW_SIDE = 512
_NEVER = datetime.max.replace(tzinfo=UTC)


class _OpenFile:
    """A file of a scene until `expires`; `factor` is the number of 10 m pixels along one of its own."""

    def __init__(self, file: Any, href: str, expires: datetime):
        self.file, self.expires = file, expires
        self._href = href

    @cached_property
    def grid(self) -> SceneGrid:
        epsg = self.file.crs.to_epsg() if self.file.crs else None
        transform = self.file.transform
        square = (transform.b, transform.d, transform.e) == (0, 0, -transform.a)
        if epsg not in _UTM or transform.a not in (PIXEL_M, 2 * PIXEL_M) or not square:
            raise UnusableScene(
                "grid",
                f"{self._href} has pixels of {transform.a:g} x {-transform.e:g} in EPSG:{epsg}; expected 10 or 20 m in a UTM zone, north up.",
            )
        width, height = self.file.width * self.factor, self.file.height * self.factor
        return SceneGrid(f"EPSG:{epsg}", transform.c, transform.f, width, height)

    @property
    def factor(self) -> int:
        return round(self.file.transform.a / PIXEL_M)


class SceneReader:
    """
    Reads scenes of a provider, and keeps files open: the last ones that were used.

    Args:
        provider ([`Provider`]): says whether addresses are signed.
        client ([`HttpClient`]): asks for tokens.
        reads_per_second (`float`): the most openings and reads of remote files a second to a host, by all processes of this machine.
        open_files (`int`): number of files that are kept open.
    """

    def __init__(self, provider: Provider, client: HttpClient, reads_per_second: float, open_files: int):
        self._signer = Signer(provider.signing, client) if provider.signing else None
        self._most, self._per_second = open_files, reads_per_second
        self._limits: dict[str, RateLimit] = {}
        self._files: OrderedDict[str, _OpenFile] = OrderedDict()

    def grid(self, asset: dict[str, Any]) -> SceneGrid:
        """
        The 10 m pixels of the scene that a band belongs to.

        Raises:
            Unusable: the band is not in a UTM zone, or its pixels are not of 10 or 20 m with north up.
        """
        return self._attempt(asset["href"], lambda opened: opened.grid)

    def window(self, asset: dict[str, Any], grid: SceneGrid, window: PixelWindow) -> np.ndarray:
        """
        The digital numbers `(side, side)` of a band in a window of a scene; pixels of 20 m are doubled.

        Raises:
            Unusable: they cannot be read, or the band is not on the scene's grid.
        """
        if self.grid(asset) != grid:
            raise UnusableScene("grid", f"{asset['href']} does not cover the same pixels as its scene.")
        factor = self._attempt(asset["href"], lambda opened: opened.factor)
        column, row, side = (number // factor for number in (window.column, window.row, window.side))
        pixels = self._read(asset, window=Window(column, row, side, side))
        return pixels.repeat(factor, 0).repeat(factor, 1)

    def overview(self, asset: dict[str, Any]) -> np.ndarray:
        """
        The digital numbers of a whole band, at some hundred pixels a side.

        Raises:
            Unusable: they cannot be read.
        """
        grid = self.grid(asset)
        factor = self._attempt(asset["href"], lambda opened: opened.factor)
        shrink = max(factor, max(grid.width, grid.height) / _OVERVIEW_SIDE)
        return self._read(asset, out_shape=(round(grid.height / shrink), round(grid.width / shrink)))

    def close(self) -> None:
        """Closes all files."""
        while self._files:
            self._files.popitem()[1].file.close()

    def _read(self, asset: dict[str, Any], **how: Any) -> np.ndarray:
        def read(opened: _OpenFile) -> np.ndarray:
            self._wait(asset["href"])
            return opened.file.read(asset["index"], **how)

        return self._attempt(asset["href"], read)

    def _attempt(self, href: str, action: Callable[[_OpenFile], Any]) -> Any:
        """Does something with an open file; once more, with another token, if the token is refused before its time."""
        try:
            return action(self._opened(href))
        except RasterioError as error:
            self._drop(href)
            if self._signer is None or not _REFUSED.search(_causes(error)):
                raise _unusable(href, error) from error
        self._signer.forget()
        try:
            return action(self._opened(href))
        except RasterioError as error:
            self._drop(href)
            raise _unusable(href, error) from error

    def _opened(self, href: str) -> "_OpenFile":
        """The open file; one whose token expires is opened anew."""
        opened = self._files.get(href)
        if opened is not None and datetime.now(UTC) < opened.expires:
            self._files.move_to_end(href)
            return opened
        self._drop(href)
        self._wait(href)
        file = rasterio.open(self._address(href))
        opened = self._files[href] = _OpenFile(file, href, self._signer.expires if self._signer else _NEVER)
        while len(self._files) > self._most:
            self._files.popitem(last=False)[1].file.close()
        return opened

    def _address(self, href: str) -> str:
        if href.startswith("s3://"):
            if "AWS_ACCESS_KEY_ID" not in os.environ:
                raise ValueError(
                    f"{href} is opened with keys of your own; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment."
                )
            return f"/vsis3/{href.removeprefix('s3://')}"
        return self._signer.sign(href) if self._signer and href.startswith("http") else href

    def _wait(self, href: str) -> None:
        """Until the next file may be opened or read from the host of this one."""
        host = urlsplit(href).netloc
        if not host:
            return
        if host not in self._limits:
            self._limits[host] = RateLimit(host, self._per_second)
        self._limits[host].wait()

    def _drop(self, href: str) -> None:
        if href in self._files:
            self._files.pop(href).file.close()


@contextmanager
def scene_reader(provider: Provider, requests_per_second: float, open_files: int = 64) -> Iterator[SceneReader]:
    """
    A [`SceneReader`] with GDAL set up for it, which asks for tokens at most `requests_per_second` times a second, and for pixels
    [`READS_PER_REQUEST`] times as often.
    """
    with rasterio.Env(**_GDAL, **provider.gdal), HttpClient(requests_per_second) as client:
        reader = SceneReader(provider, client, READS_PER_REQUEST * requests_per_second, open_files)
        try:
            yield reader
        finally:
            reader.close()


def _unusable(href: str, error: RasterioError) -> Unusable:
    """A file that is not there stays so; what a server or network did not give may come another time."""
    text = f"{href} cannot be read ({reason(error)})."
    if _GONE.search(_causes(error)):
        return UnusableScene("gone", text)
    return Unusable("unreadable", text, permanent=False)


def _causes(error: BaseException | None) -> str:
    """What an error and those behind it say: rasterio's own does not hold the status of an answer."""
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    return " ".join(texts)
