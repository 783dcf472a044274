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

`ATTRIBUTION.md` names the sources. Differences between neighbouring cells and months compress far better than values.
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
from training.world.earth.earth import BUNDLE, TEMPERATURE_STEP_C, encode_precipitation

MIN_POPULATION = 30_000
# Degrees; places of cities are rounded to it.
CITY_STEP = 0.01
# Fractions of land in sixteenths.
_LAND_LEVELS = 15


@dataclass(kw_only=True)
class BundleOptions:
    """
    Write the fields of the Earth that the sample world bundles.

    Attributes:
        climate: .npz with temperature_c (12, 180, 360) in hundredths of a degree Celsius, precipitation_mm (12, 180, 360) in
            tenths of a millimetre a month, and land_fraction_half_degree (360, 720) from 0 to 255; row 0 in the north
        cities: parquet file with the columns lon, lat, population and country (ISO 3166, two letters)
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
            "land": np.rint(given["land_fraction_half_degree"] * (_LAND_LEVELS / 255)).astype(np.uint8),
        }
    arrays |= cities_of(pd.read_parquet(options.cities))
    write_atomically(options.output, packed(arrays))
    print(f"Wrote {options.output}: {options.output.stat().st_size / 1000:.0f} kB")


def differences(values: np.ndarray) -> np.ndarray:
    """Differences along longitude, then from month to month, of values `(12, h, w)`, int16; int8."""
    found = np.diff(np.diff(values, axis=2, prepend=np.int16(0)), axis=0, prepend=np.int16(0))
    if np.abs(found).max() > 127:
        # The first column and month hold values, not differences; sums modulo 256 restore them all the same.
        found = (found + 128) % 256 - 128
    return found.astype(np.int8)


def cities_of(cities: pd.DataFrame) -> dict[str, np.ndarray]:
    """Cities of at least `MIN_POPULATION` people, from west to east: places, populations and countries."""
    cities = cities[cities.population >= MIN_POPULATION].sort_values(["lon", "lat"])
    names = sorted(cities.country.unique())
    return {
        "city_lon": differences_1d(np.rint(cities.lon / CITY_STEP)),
        "city_lat": np.rint(cities.lat.to_numpy() / CITY_STEP).astype(np.int16),
        # Four digits of the logarithm tell populations within 3 percent.
        "city_population": np.rint(np.log(cities.population.to_numpy() / MIN_POPULATION) / 0.03).astype(np.uint8),
        "city_country": np.searchsorted(names, cities.country).astype(np.uint8),
        "countries": np.array(names, "S2"),
    }


def differences_1d(values: "pd.Series") -> np.ndarray:
    return np.diff(values.to_numpy(), prepend=0.0).astype(np.int16)


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """An .npz whose members are compressed with LZMA, with the same bytes for the same arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(2024, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_LZMA
            archive.writestr(entry, member.getvalue())
    return buffer.getvalue()


if __name__ == "__main__":
    run_program(main)
