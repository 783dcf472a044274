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
"""Every error that an upload or typed coordinates can cause, as visitors read it."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from PIL import Image

from modeling_gair import GairCoordinateProcessor, GairProcessor, GairRSImageProcessor
from serving.boxes import parse_box
from serving.labels import parse_labels
from serving.tile_maps import upload_query
from serving.uploads import read_photo, read_tile
from serving.visitors import BANDS_FIELD, for_visitors
from serving.world_maps import WorldMaps
from tests.helpers.rasters import made_pixels, write_tif
from widgets.results import of_place

BANDS = GairRSImageProcessor().bands
# What belongs to programs: code, arguments and settings, types, and hyphens in place of minus signs.
OF_PROGRAMS = re.compile(
    r"`|\w=|\w\(|\w_\w|\.py|Gair|None|Error|\blon\b|\blat\b|\bcrs\b|\bbounds\b|\bargument|\bprocessor|"
    r"\bpass\b|[( ]-\d|bands (?:lists|says)|[;.] \w*[A-Z]\w*\("
)


def refused(make, *arguments):
    """The sentence that visitors read when something is refused."""
    with pytest.raises(ValueError) as caught:
        make(*arguments)
    said = for_visitors(str(caught.value))
    assert not OF_PROGRAMS.search(said), said
    assert said[0].isupper() and said.endswith(".") and "; " in said and "\n" not in said, said
    return said


# Tiles ---------------------------------------------------------------------------------------------------------------


def tile(pixels=None, scale=None, alpha=None, **options):
    """Writes a GeoTIFF of the model's bands, of which some things are wrong."""

    def write(path):
        write_tif(path, made_pixels() if pixels is None else pixels, **{"names": BANDS, **options})
        with rasterio.open(path, "r+") as file:
            if scale:
                file.scales = [scale] * file.count
            if alpha:
                file.colorinterp = [*file.colorinterp[: alpha - 1], rasterio.enums.ColorInterp.alpha, *file.colorinterp[alpha:]]  # fmt: skip

    return write


def truncated(path):
    tile()(path)
    path.write_bytes(path.read_bytes()[:5000])


reflectance = made_pixels().astype(np.float32) / 10_000
with_inf = reflectance * 10_000
with_inf[0, 0, 0] = np.inf
few_wrong = made_pixels().astype(np.float32)
few_wrong[:, ::2, ::2] = np.random.default_rng(0).uniform(30_000, 60_000, few_wrong[:, ::2, ::2].shape)
outside = {"transform": (1e-5, 0, 10, 0, -1e-5, 95), "crs": "EPSG:4326"}
TILES = {
    "nothing": (lambda path: path.write_bytes(b""), "not a GeoTIFF"),
    "gone": (lambda path: None, "not on the server"),
    "truncated": (truncated, "damaged or truncated"),
    "too many bands": (tile(np.ones((33, 8, 8), np.uint16), names=()), "33 bands"),
    "unnamed": (tile(names=()), f"choose the order of its bands in “{BANDS_FIELD}”"),
    "numbered": (tile(names=[f"b{number}" for number in range(1, 11)]), f"they are called .* in “{BANDS_FIELD}”"),
    "alike": (tile(names=["stack"] * 10), f"\\(they are called stack\\); choose the order of its bands in “{BANDS_FIELD}”, or name"),
    "a red edge": (tile(names=[*BANDS[:3], "rededge", *BANDS[4:]]), "may be B05, B06 or B07; choose the order"),
    "a name twice": (tile(names=["B02", *BANDS[:9]]), "more than once"),
    "lacking": (tile(made_pixels(9), names=BANDS[:9]), "lacks B12 .* add them to the file"),
    "an alpha band": (tile(alpha=4), "export it without an alpha band"),
    "a rotated tile": (tile(transform=(7, 7, 500000, 7, -7, 5000000)), "rotated or mirrored"),
    "small": (tile(transform=(1, 0, 500000, 0, -1, 5000000)), "measures 120 x 100 m, .* choose another tile"),
    "large": (tile(transform=(100, 0, 500000, 0, -100, 5000000)), "expected sides of 500 to 5000 m; crop it"),
    "beyond the pole": (tile(**outside), "The tile"),
    "no place": (tile(crs="EPSG:4978"), "The tile’s coordinate reference system is of no use"),
    "far off its projection": (tile(transform=(10, 0, 5e8, 0, -10, 5e9)), "The tile"),
    "reflectance": (tile(reflectance), "multiply the values by 10,000"),
    "percent": (tile(reflectance * 100), "multiply percent by 100"),
    "8 bits": (tile((made_pixels() // 15).clip(0, 255)), "looks like values of 8 bits"),
    "another type": (tile(made_pixels().astype(np.uint8)), "numbers of the type uint8, .* with 16 bits or more"),
    "a scale": (tile(scale=0.01), "declares a scale of 0.01 .* reflectance times 10,000, and remove the scale"),
    "infinite": (tile(with_inf), "contains inf"),
    "no data": (tile(np.zeros((10, 60, 60), np.uint16)), "choose another tile"),
    "dark": (tile(np.full((10, 60, 60), 1, np.uint16)), "check the units of the file"),
    "bright": (tile(np.full((10, 60, 60), 45_000, np.uint16)), "reflectance"),
    "broken": (tile(few_wrong), "what reflectance can be; choose a tile of surface reflectance"),
}  # fmt: skip


@pytest.mark.parametrize("case", TILES)
def test_what_is_wrong_with_a_tile_is_said_in_the_words_of_the_page(tmp_path, case):
    write, said = TILES[case]
    path = tmp_path / "tile.tif"
    write(path)
    found = refused(read_tile, str(path), GairRSImageProcessor())
    assert re.search(said, found), found


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (tile(), "but the chosen order has 13"),
        (tile(np.ones((13, 8, 8), np.uint16), names=["B02", *[None] * 12][:1]), "the chosen order has B01"),
    ],
)
def test_what_is_wrong_with_a_chosen_order_is_said_in_the_words_of_the_page(tmp_path, write, said):
    path = tmp_path / "tile.tif"
    write(path)
    found = refused(read_tile, str(path), GairRSImageProcessor(), "sentinel2_l1c_13")
    assert said in found and BANDS_FIELD in found


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (tile(), "divide the values by 10,000"),
        (tile(scale=0.0001), "convert the values to reflectance, and remove"),
        (tile(reflectance * 100), "divide it by 100"),
    ],
)
def test_what_is_wrong_for_a_model_of_reflectance_is_said_in_the_words_of_the_page(tmp_path, write, said):
    path = tmp_path / "tile.tif"
    write(path)
    assert said in refused(read_tile, str(path), GairRSImageProcessor(units="reflectance"))


# Photos --------------------------------------------------------------------------------------------------------------


def png(pixels):
    kept = io.BytesIO()
    Image.fromarray(pixels).save(kept, "PNG")
    return kept.getvalue()


PHOTOS = {
    "nothing": (b"", "not a readable photo"),
    "another format": (b"BM" + bytes(99), "not a readable photo"),
    "truncated": (png(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))[:2000], "damaged"),
    "16 bits, all dark": (png(np.full((64, 64), 200, np.uint16)), "save it with 8 bits"),
}


@pytest.mark.parametrize("case", PHOTOS)
def test_what_is_wrong_with_a_photo_is_said_in_the_words_of_the_page(tmp_path, case):
    content, said = PHOTOS[case]
    path = tmp_path / "photo.png"
    path.write_bytes(content)
    served = SimpleNamespace(photo=GairProcessor().sv_image_processor.read)
    assert said in refused(upload_query, served, str(path))
    assert "not on the server" in refused(read_photo, str(tmp_path / "gone.png"))


# Coordinates ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("95", "expected longitude and latitude in degrees"),
        ("Berlin", "expected longitude and latitude in degrees"),
        ("nan, 1", "expected longitude and latitude in degrees"),
        ("52.5, -134", "The latitude is −134.0, expected −90 to 90 degrees; write the longitude first"),
        ("500000, 50", "The longitude is 500000.0, expected degrees from −180 to 180 or 0 to 360; write degrees"),
        ("; ".join(["1, 2"] * 21), "at most 20; remove some"),
    ],
)
def test_what_is_wrong_with_places_is_said_in_the_words_of_the_page(served_model, text, said):
    assert said in refused(WorldMaps(served_model).query, text)


def test_what_is_wrong_with_other_coordinates_is_said_in_the_words_of_the_page(served_model):
    coordinates = GairCoordinateProcessor()
    assert "The latitude is 95.0" in refused(parse_labels, "1, 95, city", coordinates)
    assert "longitude, latitude, class" in refused(parse_labels, "1, 95", coordinates)
    assert "The longitude is −800.0" in refused(of_place, served_model, None, -800, 1)
    assert "type both" in refused(of_place, served_model, None, None, 1)
    assert "expected box A" in refused(parse_box, "1, 2", "A")
    assert "expected longitudes" in refused(parse_box, "-190, 0, 1, 1", "A")
