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
Where Sentinel-2 L2A scenes come from, and what is particular to each provider: signed addresses, and how it is known whether the
offset of 1000, which ESA adds to digital numbers from processing baseline 04.00 on, is in the pixels.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

OffsetRule = Literal["asset", "baseline", "pixels"]

_EARTH_SEARCH = "https://earth-search.aws.element84.com/v1"
_PLANETARY_COMPUTER = "https://planetarycomputer.microsoft.com/api"
_TOKEN_PATH = "sas/v1/token/sentinel-2-l2a"
_CDSE = "https://stac.dataspace.copernicus.eu/v1"


@dataclass(frozen=True)
class Provider:
    """
    Rules of a provider of scenes.

    Attributes:
        name (`str`): as `--provider` names it.
        place (`str`): the address of a STAC API, or a local folder or catalogue.
        collection (`str`): of the API.
        offset (`str`): how it is known whether the offset is in the pixels: `"asset"`, which declares it; `"baseline"`: it is, from
            04.00 on; `"pixels"`: tags are not reliable, so the darkest pixels tell.
        signing (`str`, *optional*): the address that gives tokens for addresses of files.
        gdal (`Mapping[str, str]`): further options of GDAL.
    """

    name: str
    place: str
    collection: str = "sentinel-2-l2a"
    offset: OffsetRule = "pixels"
    signing: str | None = None
    gdal: Mapping[str, str] = field(default_factory=dict)

    @property
    def local(self) -> bool:
        """Whether scenes are listed by a local folder or catalogue."""
        return not self.place.startswith(("http://", "https://"))


PROVIDERS = {
    provider.name: provider
    for provider in (
        # Items of Earth Search say that the offset is in the pixels where it is not (Element84/earth-search issues 66 and 71).
        Provider("earth-search", _EARTH_SEARCH, "sentinel-2-l2a", "pixels"),
        Provider("earth-search-c1", _EARTH_SEARCH, "sentinel-2-c1-l2a", "asset"),
        Provider(
            "planetary-computer",
            f"{_PLANETARY_COMPUTER}/stac/v1",
            offset="baseline",
            signing=f"{_PLANETARY_COMPUTER}/{_TOKEN_PATH}",
        ),
        Provider(
            "cdse",
            _CDSE,
            offset="asset",
            gdal={"AWS_S3_ENDPOINT": "eodata.dataspace.copernicus.eu", "AWS_VIRTUAL_HOSTING": "FALSE"},
        ),
    )
}


def provider_of(name: str, stac_url: str | None = None) -> Provider:
    """
    The rules that hold for `--provider`.

    Args:
        name (`str`): one of [`PROVIDERS`], the address of a STAC API, or a local folder or catalogue of scenes.
        stac_url (`str`, *optional*): where the scenes of a provider by name are listed instead: a mirror of its API, or a local
            folder or catalogue of scenes that were downloaded from it.

    Raises:
        ValueError: there is neither such a provider nor such a folder.
    """
    if name in PROVIDERS:
        provider = PROVIDERS[name] if stac_url is None else replace(PROVIDERS[name], place=stac_url.rstrip("/"))
    else:
        provider = Provider(name, (stac_url or name).rstrip("/"))
    if provider.local and not Path(provider.place).exists():
        raise ValueError(
            f"--provider is {name!r}, expected {', '.join(PROVIDERS)}, the address of a STAC API, or a folder of scenes"
            + ("." if stac_url is None else f" (--stac_url, {stac_url!r}, does not exist).")
        )
    if provider.signing and stac_url is not None:
        # A mirror signs its own addresses; files on disk need no token.
        base = provider.place.removesuffix("/v1").removesuffix("/stac")
        provider = replace(provider, signing=None if provider.local else f"{base}/{_TOKEN_PATH}")
    return provider
