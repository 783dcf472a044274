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
Made Sentinel-2 L2A scenes. Every band shows a wave that depends on longitude and latitude only, and [`truth`] tells the reflectance x
10,000 that any correct reader finds at a place, whatever the scene, zone, baseline or provider. The steepest slope is 25 a metre, so that a
misplacement of half a pixel is an error of up to 126.

Beside the wave, scenes hold what real ones hold: zones that overlap, baselines before and after the offset of 1000, acquisitions that
are published in two baselines, clouds with shadows, and the oblique edge of a swath.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import from_origin

from modeling_gair.bands_gair import GAIR_BANDS
from modeling_gair.crs_gair import project, unproject
from modeling_gair.geo_gair import EARTH_RADIUS_M

OFFSET = 1000
NOISE = 20
FIRST_DAY = datetime(2021, 6, 1, 10, 10, 31, tzinfo=UTC)
DAYS_BETWEEN_VISITS = 5
TWENTY_METRES = ("B05", "B06", "B07", "B8A", "B11", "B12")
_WAVE_M, _AMPLITUDE, _MEAN = 400.0, 1600.0, 2000.0
_METRES_PER_DEGREE = np.radians(EARTH_RADIUS_M)
_SCL_NO_DATA, _SCL_SHADOW, _SCL_VEGETATION, _SCL_CLOUD = 0, 3, 4, 9
_SCENES_FILE = "scenes.json"


@dataclass(frozen=True)
class Site:
    """A place with scenes around it, in the zones that contain it or lie within half a degree."""

    name: str
    lon: float
    lat: float


# In two zones, across the antimeridian in the south, and in one zone only; more for larger worlds.
SITES = (
    Site("border", 11.999, 48.0),
    Site("antimeridian", 179.999, -17.0),
    Site("inside", -83.25, 42.48),
    Site("lisbon", -9.14, 38.72),
    Site("nairobi", 36.82, -1.29),
    Site("tokyo", 139.65, 35.67),
    Site("sydney", 151.21, -33.87),
    Site("reykjavik", -21.9, 64.14),
    Site("lima", -77.03, -12.05),
    Site("cape", 18.42, -33.92),
    Site("oslo", 10.75, 59.91),
    Site("delhi", 77.21, 28.61),
)


@dataclass(frozen=True)
class MadeScene:
    """
    A scene.

    Attributes:
        name: names its folder and its item.
        product: as ESA names products.
        epsg, west, north, side: its zone, corner in metres, and pixels of 10 m a side.
        taken: ISO 8601.
        baseline: such as "05.10".
        ambiguous: whether Earth Search has left the offset in the pixels, so that nothing says that it is there.
        clouds: number of clouds, with a shadow each.
        edge: whether a part is without data.
    """

    name: str
    product: str
    epsg: int
    west: float
    north: float
    side: int
    taken: str
    baseline: str
    ambiguous: bool
    clouds: int
    edge: bool
    seed: int

    @property
    def offset(self) -> bool:
        """Whether ESA has added the offset."""
        return self.baseline >= "04.00"

    def folder(self, lowered: bool) -> str:
        """Where its files are, as ESA has made them or with the offset taken off."""
        return f"{self.name}/lowered" if lowered else f"{self.name}/original"


def truth(band: str, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Reflectance x 10,000 at places in degrees."""
    angle = 2 * np.pi * GAIR_BANDS.index(band) / len(GAIR_BANDS)
    # -180 and 180 degrees are one place.
    lon, lat = np.mod(lon, 360.0), np.asarray(lat)
    east, north = lon * _METRES_PER_DEGREE * np.cos(np.radians(lat)), lat * _METRES_PER_DEGREE
    return _MEAN + _AMPLITUDE * np.sin(2 * np.pi * (east * np.cos(angle) + north * np.sin(angle)) / _WAVE_M)


def write_world(folder: Path, sites: Sequence[Site] = SITES[:3], visits: int = 5, side: int = 200) -> None:
    """
    Writes scenes and their list.

    Args:
        folder (`Path`): of the world; it is created.
        sites (`Sequence[Site]`): where scenes are.
        visits (`int`): dates, five days apart. Of five, the first two are of an old baseline, one of them with an edge; the last is
            `ambiguous`. Each has more clouds than the one before.
        side (`int`): pixels of 10 m a side, a multiple of 20.
    """
    scenes = [scene for site in sites for scene in _scenes_at(site, visits, side)]
    for scene in scenes:
        _write_scene(folder, scene)
    (folder / _SCENES_FILE).write_text(json.dumps([asdict(scene) for scene in scenes]))


def read_world(folder: Path) -> list[MadeScene]:
    """The scenes that [`write_world`] wrote."""
    return [MadeScene(**scene) for scene in json.loads((folder / _SCENES_FILE).read_text())]


def _scenes_at(site: Site, visits: int, side: int) -> list[MadeScene]:
    zones = {int((site.lon + shift + 180) // 6 % 60) + 1 for shift in (-0.5, 0, 0.5)}
    scenes = []
    for zone in sorted(zones):
        epsg = (32600 if site.lat >= 0 else 32700) + zone
        x, y = project(site.lon, site.lat, f"EPSG:{epsg}")
        # Corners are on the grid of 60 m, as real ones; the zones' scenes are not centred at one place.
        west, north = (round(float(one) / 60) * 60 for one in (x - 5 * side + 60, y + 5 * side - 60))
        tile = f"{zone:02d}{'U' if site.lat >= 0 else 'K'}{site.name[0].upper()}A"
        for visit in range(visits):
            taken = FIRST_DAY + timedelta(days=DAYS_BETWEEN_VISITS * visit)
            baselines = ["03.01" if visit % 5 < 2 else "05.10"]
            if visit == 0:
                baselines.append("05.00")
            for baseline in baselines:
                product = f"S2A_MSIL2A_{taken:%Y%m%dT%H%M%S}_N{baseline.replace('.', '')}_R022_T{tile}_20240101T000000"
                scenes.append(
                    MadeScene(
                        name=f"{site.name}_{tile}_{visit}_{baseline.replace('.', '')}",
                        product=product,
                        epsg=epsg,
                        west=west,
                        north=north,
                        side=side,
                        taken=taken.isoformat().replace("+00:00", "Z"),
                        baseline=baseline,
                        ambiguous=visit % 5 == 4,
                        clouds=visit % 5,
                        edge=visit % 5 == 1,
                        seed=1000 * zone + visit,
                    )
                )
    return scenes


def _write_scene(folder: Path, scene: MadeScene) -> None:
    scl = _classes(scene)
    centres = {metres: _centres(scene, metres) for metres in (10, 20)}
    _write(folder / scene.folder(False) / "SCL.tif", scl, scene, 20)
    random = np.random.default_rng(scene.seed)
    for band in GAIR_BANDS:
        metres = 20 if band in TWENTY_METRES else 10
        classes = scl if metres == 20 else scl.repeat(2, 0).repeat(2, 1)
        values = truth(band, *centres[metres])
        if band != "B02":
            values += random.integers(-NOISE, NOISE + 1, values.shape)
        values[classes == _SCL_CLOUD] = 8000
        values[classes == _SCL_SHADOW] *= 0.3
        values = values.clip(1).round().astype(np.uint16)
        values[classes == _SCL_NO_DATA] = 0
        raised = np.where(values > 0, values + OFFSET, 0).astype(np.uint16)
        _write(folder / scene.folder(False) / f"{band}.tif", raised if scene.offset else values, scene, metres)
        if scene.offset:
            _write(folder / scene.folder(True) / f"{band}.tif", values, scene, metres)


def _classes(scene: MadeScene) -> np.ndarray:
    """The scene classification at 20 m, with which all bands agree."""
    side = scene.side // 2
    rows, columns = np.mgrid[0:side, 0:side]
    scl = np.full((side, side), _SCL_VEGETATION, np.uint8)
    random = np.random.default_rng(scene.seed)
    clouds = random.integers((0, 0, side // 20), (side, side, side // 10), (scene.clouds, 3))
    for shift, code in ((side // 20, _SCL_SHADOW), (0, _SCL_CLOUD)):
        for row, column, radius in clouds:
            scl[(rows - row - shift) ** 2 + (columns - column - shift) ** 2 < radius**2] = code
    if scene.edge:
        scl[columns > 0.7 * side - 0.2 * rows] = _SCL_NO_DATA
    return scl


def _centres(scene: MadeScene, metres: int) -> tuple[np.ndarray, np.ndarray]:
    """lon, lat of the centres of pixels."""
    steps = metres * (np.arange(scene.side * 10 // metres) + 0.5)
    return unproject(*np.meshgrid(scene.west + steps, scene.north - steps), f"EPSG:{scene.epsg}")


def _write(path: Path, pixels: np.ndarray, scene: MadeScene, metres: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    side = len(pixels)
    with rasterio.open(
        path,
        "w",
        driver="COG",
        count=1,
        height=side,
        width=side,
        dtype=pixels.dtype,
        crs=f"EPSG:{scene.epsg}",
        transform=from_origin(scene.west, scene.north, metres, metres),
        nodata=0,
        compress="DEFLATE",
        blocksize=128,
    ) as file:
        file.write(pixels, 1)
