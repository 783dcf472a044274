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
Reduces public data of the Earth to the bundled file that the sample world reads:

    python -m training.world.earth.bundle --climate climate_1deg.npz --cities cities.parquet

`ATTRIBUTION.md` names the sources. Differences between neighbouring cells and months are stored, as they compress far better
than values; `earth.py` reads them, and states the steps that the numbers are rounded to.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from training.common.command_line import parse_options
from training.common.files import write_atomically
from training.common.programs import run_program
from training.world.earth.earth import (
    BUNDLE,
    CITY_STEP_DEGREES,
    LAND_LEVELS,
    MIN_POPULATION,
    POPULATION_STEP,
    TEMPERATURE_STEP_C,
    encode_precipitation,
)


@dataclass(kw_only=True)
class BundleOptions:
    """
    Write the fields of the Earth that the sample world bundles.

    Attributes:
        climate: .npz with temperature_c (12, 180, 360) in hundredths of a degree Celsius, precipitation_mm (12, 180, 360) in
            tenths of a millimetre a month, and land_fraction_half_degree (360, 720) from 0 (sea) to 255 (land); row 0 in the
            north, column 0 at 180° W
        cities: parquet file with the columns lon, lat (degrees), population and country (ISO 3166, two letters)
        output: file to write
    """

    climate: Path
    cities: Path
    output: Path = BUNDLE


def main(arguments: list[str]) -> None:
    """Parses the command line and writes the bundle."""
    options = parse_options(
        BundleOptions, arguments, "python -m training.world.earth.bundle", "Bundle the coarse truth about the Earth."
    )
    with np.load(options.climate) as given:
        arrays = {
            "temperature": differences(np.rint(given["temperature_c"] / (100 * TEMPERATURE_STEP_C)).astype(np.int16)),
            "precipitation": differences(encode_precipitation(given["precipitation_mm"] / 10)),
            "land": np.rint(given["land_fraction_half_degree"] * (LAND_LEVELS / 255)).astype(np.uint8),
        }
    arrays |= cities_of(pd.read_parquet(options.cities))
    write_atomically(options.output, packed(arrays))
    print(f"Wrote {options.output}: {options.output.stat().st_size / 1000:.0f} kB")


def differences(values: np.ndarray) -> np.ndarray:
    """
    Differences along longitude, then from month to month, modulo 256.

    Args:
        values (`np.ndarray` of shape `(12, height, width)`, int16): numbers in a range of at most 256.

    Returns:
        `np.ndarray` of the same shape, int8.
    """
    found = np.diff(np.diff(values, axis=2, prepend=np.int16(0)), axis=0, prepend=np.int16(0))
    # Differences may not fit; sums modulo 256 restore the values all the same.
    return found.astype(np.int8)


def cities_of(cities: pd.DataFrame) -> dict[str, np.ndarray]:
    """The bundle's arrays of the cities of at least `MIN_POPULATION` people, from west to east, and of their countries."""
    cities = cities[cities.population >= MIN_POPULATION].sort_values(["lon", "lat"])
    names = sorted(cities.country.unique())
    return {
        # Sorted by longitude, so that differences are small.
        "city_lon": np.diff(np.rint(cities.lon.to_numpy() / CITY_STEP_DEGREES), prepend=0.0).astype(np.int16),
        "city_lat": np.rint(cities.lat.to_numpy() / CITY_STEP_DEGREES).astype(np.int16),
        "city_population": np.rint(np.log(cities.population.to_numpy() / MIN_POPULATION) / POPULATION_STEP).astype(
            np.uint8
        ),
        "city_country": np.searchsorted(names, cities.country).astype(np.uint8),
        "countries": np.array(names, "S2"),
    }


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """An .npz whose members are compressed with LZMA, with the same bytes for the same arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)
            # A fixed date, as the time of writing would change the bytes.
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(2024, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_LZMA
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()


if __name__ == "__main__":
    run_program(main)
