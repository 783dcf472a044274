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
"""From a tile or a photo, as an array or a file, to pixels."""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from modeling_gair import GairProcessor
from modeling_gair.bands_gair import GAIR_BANDS
from tests.helpers.rasters import made_pixels, write_tif
from tests.speed.measuring import as_jpeg, camera_photo
from tests.speed.rows import Row, Settings, compare

_PHOTOS = {"1080p": (1920, 1080), "1,024 px": (1024, 768), "341 × 256": (341, 256)}


def measure(settings: Settings) -> list[Row]:
    """One tile of 96 × 96 pixels, and photos of several sizes, whole and as drafts."""
    processor, drafts = GairProcessor(), GairProcessor()
    drafts.sv_image_processor.draft = True
    pixels = made_pixels(height=96, width=96)
    rows = []
    with TemporaryDirectory() as name:
        file = Path(name) / "tile.tif"
        write_tif(file, pixels, names=GAIR_BANDS)
        tile = {
            "a tile from an array": partial(processor, rs=pixels, bands="gair_10", return_tensors="pt"),
            "a tile from a GeoTIFF": partial(processor, rs=file, return_tensors="pt"),
        }
        rows += compare("processors", tile, settings, items=(1, "tiles"))
    for size, shape in _PHOTOS.items():
        photo = camera_photo(*shape)
        photos = {
            f"a photo of {size} from an array": partial(processor, sv=photo, return_tensors="pt"),
            f"a photo of {size} from a JPEG": partial(processor, sv=as_jpeg(photo), return_tensors="pt"),
            f"a photo of {size} from a JPEG, as a draft": partial(drafts, sv=as_jpeg(photo), return_tensors="pt"),
        }
        rows += compare("processors", photos, settings, items=(1, "photos"))
    return rows
