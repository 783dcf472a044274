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
"""Files of tiles: names of bands, CRS, formats and paths; and settings of the processor."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from modeling_gair import BAND_ORDERS, GairRSImageProcessor
from modeling_gair.image_processing_gair_rs import GAIR_BANDS
from tests.bad_inputs.case import Case, Refused, Right
from tests.bad_inputs.tiles import from_array, from_file, numbers
from tests.helpers.rasters import rasterio, write_tif

_L2A = BAND_ORDERS["sentinel2_l2a_12"]
_UTM = (500000.0, 5000000.0, 500600.0, 5000600.0)
_SITE = 'LOCAL_CS["drone site",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]'
_ASSETS = [
    "coastal",
    "blue",
    "green",
    "red",
    "rededge1",
    "rededge2",
    "rededge3",
    "nir",
    "nir08",
    "nir09",
    "swir16",
    "swir22",
]
_COMMON = [*_ASSETS[:4], "rededge071", "rededge075", "rededge078", *_ASSETS[7:]]
_ANY_RED_EDGE = [*_ASSETS[:4], *["rededge"] * 3, *_ASSETS[7:]]
_COUNTED = {
    "b1 to b12": [f"b{number}" for number in range(1, 13)],
    "01 to 12": [f"{number:02d}" for number in range(1, 13)],
    "0 to 11": [str(number) for number in range(12)],
    "Band 1 to Band 12": [f"Band {number}" for number in range(1, 13)],
    "band_1 to band_12": [f"band_{number}" for number in range(1, 13)],
}


def _in_order(tile: Any) -> bool:
    return np.array_equal(tile.pixels, numbers(12)[[_L2A.index(name) for name in GAIR_BANDS]])


def _bytes(content: bytes) -> Callable[[Path], Any]:
    def run(folder: Path) -> Any:
        (folder / "tile.tif").write_bytes(content)
        return GairRSImageProcessor().read(folder / "tile.tif")

    return run


def _latin1(folder: Path) -> Any:
    """A file whose first band is described in Latin-1, and the others by name."""
    path = write_tif(folder / "tile.tif", numbers(11), names=["Bande bleue e ", *GAIR_BANDS])
    path.write_bytes(path.read_bytes().replace(b"Bande bleue e ", b"Bande bleue \xe9 "))
    return GairRSImageProcessor().read(path)


def _at_home(folder: Path) -> Any:
    write_tif(folder / "tile.tif", numbers(), names=GAIR_BANDS)
    home = os.environ["HOME"]
    os.environ["HOME"] = str(folder)
    try:
        return GairRSImageProcessor().read("~/tile.tif")
    finally:
        os.environ["HOME"] = home


def _product(folder: Path) -> Any:
    (folder / "S2A.SAFE").mkdir()
    return GairRSImageProcessor().read(folder / "S2A.SAFE")


def _placed(crs: Callable[[], Any], bounds: Any = _UTM) -> Callable[[Path], Any]:
    """Reads an array with bounds in a CRS, and returns the tile's CRS."""
    return lambda folder: GairRSImageProcessor().read(numbers(), bands="gair_10", bounds=bounds, crs=crs()).crs


def _pyproj() -> Any:
    import pyproj

    return pyproj.CRS.from_epsg(32633)


def _is_utm(crs: str) -> bool:
    return crs == "EPSG:32633"


def _settings(**settings: Any) -> Callable[[Path], Any]:
    return lambda folder: GairRSImageProcessor(**settings)


def _saved_with_numpy(folder: Path) -> Any:
    means = dict(zip(GAIR_BANDS, numbers().mean((1, 2), dtype="float32")))
    size, offset = np.int64(32), np.float32(-1000)
    GairRSImageProcessor(band_mean=means, size=size, digital_number_offset=offset).save_pretrained(folder)
    loaded = GairRSImageProcessor.from_pretrained(folder)
    return loaded.band_mean == {name: float(mean) for name, mean in means.items()} and loaded.size["width"] == 32


def _failed_to_save(folder: Path) -> Any:
    """Settings that JSON cannot hold, saved over good ones: what is in the folder afterwards."""
    processor = GairRSImageProcessor()
    processor.save_pretrained(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    processor.band_mean = {"B02": object()}
    try:
        processor.save_pretrained(folder)
    except TypeError:
        return before == {path.name: path.read_bytes() for path in folder.iterdir()}
    return False


_NAMES: list[Case] = [
    *(
        Refused(name, from_file(numbers(12), names=names), "12 bands without usable names")
        for name, names in _COUNTED.items()
    ),
    *(
        Right(f"{name}, told the order", from_file(numbers(12), "sentinel2_l2a_12", names=names), _in_order)
        for name, names in _COUNTED.items()
    ),
    Refused(
        "told names that count", from_array(numbers(12), _COUNTED["b1 to b12"]), "only counts.*B8A.*sentinel2_l2a_12"
    ),
    Right("assets of Earth Search", from_file(numbers(12), names=_ASSETS), _in_order),
    Right("told those assets", from_array(numbers(12), _ASSETS), _in_order),
    Right("common names of STAC", from_file(numbers(12), names=_COMMON), _in_order),
    Right("told those names", from_array(numbers(12), [name.upper() for name in _COMMON]), _in_order),
    Refused("any red edge", from_file(numbers(12), names=_ANY_RED_EDGE), "names a band 'rededge'.*rededge1"),
    Refused("told any red edge", from_array(numbers(12), _ANY_RED_EDGE), "may be three bands; pass rededge1"),
    Right("any red edge, told the order", from_file(numbers(12), "sentinel2_l2a_12", names=_ANY_RED_EDGE), _in_order),
    Right("files of a product", from_file(numbers(12), names=[f"{name}_20m" for name in _L2A]), _in_order),
    Right(
        "GDAL's names", from_file(numbers(12), names=[f"{name}, central wavelength 665 nm" for name in _L2A]), _in_order
    ),
    Right("one name is missing", from_file(numbers(12), "sentinel2_l2a_12", names=[*_L2A[:11], "swir 2"]), _in_order),
    Right("one name is in Latin-1", _latin1, lambda tile: np.array_equal(tile.pixels, numbers(11)[1:])),
    Refused(
        "another order", from_file(numbers(12), "sentinel2_l2a_12", names=_L2A[::-1]), "is named B12 but bands says B01"
    ),
    Refused("bands as a set, which has no order", from_array(numbers(), set(GAIR_BANDS)), "expected band names"),
    Refused("bands as a dict", from_array(numbers(), dict.fromkeys(GAIR_BANDS)), "expected band names"),
    Refused(
        "a spectral band marked as alpha",
        from_file(numbers(), photometric="RGB", alpha="YES"),
        "marks its band 'B05' as an alpha band.*gdal_edit.py -colorinterp_4 undefined",
    ),
    Refused(
        "an unnamed one",
        from_file(numbers(), "gair_10", names=None, photometric="RGB", alpha="YES"),
        "alpha bands are not counted",
    ),
    Refused("bands as a number", from_array(numbers(), 10), "bands is 10, expected band names"),
    Refused("bands as numbers", from_array(numbers(), list(range(10))), "expected band names"),
    Refused("long names", from_file(numbers(9), names=["x" * 90] * 9), "9 bands without usable names"),
]

_CRS: list[Case] = [
    Refused("a site's own CRS", from_file(numbers(), crs=_SITE), "CRS of .*tile.tif is of no use.*the Earth's surface"),
    Refused("Mars", from_file(numbers(), crs="+proj=eqc +R=3396190 +units=m"), "the Earth's surface"),
    Refused("Venus", _placed(lambda: "+proj=longlat +R=6051800"), "the Earth's surface"),
    Refused("geocentric", _placed(lambda: "EPSG:4978"), "the Earth's surface"),
    Refused("heights", _placed(lambda: "EPSG:5773"), "the Earth's surface"),
    Refused("no CRS at all", _placed(lambda: "utm 33"), "not a known coordinate reference system"),
    Refused("an empty dict", _placed(dict), "not a known coordinate reference system"),
    Refused("a digit that is none", _placed(lambda: "²"), "not a known coordinate reference system"),
    Refused("a list", _placed(lambda: [32633]), "not a known coordinate reference system"),
    Refused("an unknown number", _placed(lambda: 999999), "not a known coordinate reference system"),
    Right("a number", _placed(lambda: 32633), _is_utm),
    Right("NumPy's number", _placed(lambda: np.int64(32633)), _is_utm),
    Right("a number as text", _placed(lambda: "32633"), _is_utm),
    Right("pyproj's object", _placed(_pyproj), _is_utm),
    Right("rasterio's object", _placed(lambda: rasterio.CRS.from_epsg(32633)), _is_utm),
    Right("a dict", _placed(lambda: _pyproj().to_json_dict()), _is_utm),
    Right("WKT", _placed(lambda: _pyproj().to_wkt(pretty=True)), lambda crs: "32633" in crs),
    Right("degrees by number", _placed(lambda: 4326, (10.0, 50.0, 10.01, 50.01)), lambda crs: crs == "EPSG:4326"),
    Refused(
        "bounds in half precision",
        _placed(lambda: 4326, np.array([10, 50, 10.01, 50.01], np.float16)),
        "off by kilometres",
    ),
    Refused("text as bounds", _placed(lambda: 32633, "1234"), "bounds is '1234', expected four numbers"),
    Refused(
        "longitudes beyond any turn",
        _placed(lambda: 4326, (1e3, 50, 1e3 + 0.01, 50.01)),
        "expected degrees on the Earth",
    ),
    Refused("a pixel without a size", from_file(numbers(), transform=(1e-300, 0, 0, 0, -1e-300, 0)), "expected"),
]

_FILES: list[Case] = [
    *(
        Right(f"a file called {name}", from_file(numbers(), name=name), lambda tile: tile.valid_fraction == 1)
        for name in ("tile[1].tif", "tile*?.TIF", "a::b.tif", "#50% & a!b.tiff", "Ä ö.GeoTIFF", "-t.tif", "tile")
    ),
    Right("a file in the home directory", _at_home, lambda tile: tile.valid_fraction == 1),
    Refused("a product's folder", _product, "is a folder, expected a file.*GeoTIFF of its bands"),
    Refused("a zip archive", _bytes(b"PK\x03\x04" + bytes(60)), "is a zip archive; unpack it"),
    Refused("JPEG 2000", _bytes(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60)), "stack the product's bands in one GeoTIFF"),
    Refused("netCDF", _bytes(b"\x89HDF\r\n\x1a\n" + bytes(60)), "an HDF5 or netCDF file; convert it"),
    Refused("an empty file", _bytes(b""), "damaged, truncated or of another format"),
    Refused("a remote file", lambda folder: GairRSImageProcessor().read("s3://a/b.tif"), "download it first"),
    Refused("GDAL's own paths", lambda folder: GairRSImageProcessor().read("/vsizip/a.zip/b.tif"), "virtual path"),
    Refused("a missing file", lambda folder: GairRSImageProcessor().read(folder / "none.tif"), "file not found"),
    Refused("complex numbers", from_file(numbers().astype("complex64")), "contains complex64"),
]

_SETTINGS: list[Case] = [
    Right("NumPy's statistics", _saved_with_numpy, bool),
    Right("a failure keeps the saved file", _failed_to_save, bool),
    Refused("text as a mean", _settings(band_mean=dict.fromkeys(GAIR_BANDS, "1")), "band_mean of B02 is '1'"),
    Refused("NaN as a mean", _settings(band_mean=dict.fromkeys(GAIR_BANDS, np.nan)), "expected a finite number"),
    Refused("a list of means", _settings(band_mean=[1.0] * 10), "band_mean is .*pass a dict"),
    Refused("text as a flag", _settings(allow_any_scale="no"), "allow_any_scale is 'no', expected True or False"),
    Refused("a size of 0", _settings(size=0), "size is 0, expected a whole number"),
    Refused("an offset of NaN", _settings(digital_number_offset=float("nan")), "expected a finite number"),
]

CASES: list[Case] = [*_NAMES, *_CRS, *_FILES, *_SETTINGS]
