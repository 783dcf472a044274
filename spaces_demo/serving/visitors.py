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
Messages for visitors: the processors speak to programmers, of arguments and settings that no page has.

The page says what is wrong with a file or a place in the words of the processors, but for the parts below.
"""

import re

# The label of the field that chooses the order of the bands.
BANDS_FIELD = "Bands of the file"
_NOT_ON_EARTH = "The tile’s coordinates do not lie on the Earth, expected numbers in the units of its coordinate reference system; assign the right one."
# What the processors say, and what visitors read instead.
_WORDS = (
    # Places.
    (r"^lat is (\S+), expected .*", r"The latitude is \1, expected -90 to 90 degrees; write the longitude first, then the latitude."),
    (r"^lon is (\S+), expected .*", r"The longitude is \1, expected degrees from -180 to 180 or 0 to 360; write degrees, not metres."),
    # Where a tile lies.
    (r"^x \S+, y \S+ in .*|^bounds is .*", _NOT_ON_EARTH),
    (r"^The CRS of the tile is of no use", "The tile’s coordinate reference system is of no use"),
    (r"^The tile with bounds .* measures", "The tile measures"),
    (r"; read a window.*", "; crop it, or choose another tile."),
    # Its bands.
    (r"but bands (?:lists|says)", "but the chosen order has"),
    (r"; (?:pass bands=|leave bands out).*", f"; choose the order of its bands in “{BANDS_FIELD}”, or name them in the file."),
    (r"; add them, or set missing_bands.*", "; add them to the file."),
    (r"; reset the mark.*", "; export it without an alpha band."),
    # Its values.
    (r" contains (\w+), expected reflectance or digital numbers as .*", r" holds numbers of the type \1, expected reflectance or digital numbers with 16 bits or more; export the values of the product."),
    (r" for units='digital_number'; .*", "; convert the values to reflectance times 10,000, and remove the scale from the file."),
    (r" for units='reflectance'; .*", "; convert the values to reflectance, and remove the scale from the file."),
    (r"set units='digital_number' in the processor", "divide the values by 10,000"),
    (r"set units='reflectance' in the processor", "multiply the values by 10,000"),
    (r"or pass a tile that is so dark as integers", "or save a tile that is so dark as whole numbers"),
    (r"; check the processor's units.*", "; check the units of the file."),
    (r"; use int32", "; save it with 32 bits"),
    (r"; pass another tile", "; choose another tile"),
    (r"; pass surface reflectance", "; choose a tile of surface reflectance"),
    # Photos.
    (r"^The given image", "The photo"),
    (r"; convert it to uint8", "; save it with 8 bits"),
)  # fmt: skip


def for_visitors(message: str) -> str:
    """
    A message in the words of the page, with real minus signs.

    Args:
        message (`str`): of a `ValueError` of this package or of the processors; a file is called "The tile" or "The photo".

    Returns:
        `str`: one sentence.
    """
    for said, read in _WORDS:
        message = re.sub(said, read, message)
    return re.sub(r"(?<![\w)-])-(?=\d)", "−", message)
