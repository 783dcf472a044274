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
"""What can be embedded, by name, and what an input is taken for."""

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from training.common.inputs import files_in
from training.common.tables import PARQUET_SUFFIXES, TEXT_SUFFIXES, local_path, read_table
from training.embedding.inputs import photos, tiles
from training.embedding.inputs.chips import WINDOW_M, ChipInput, ChipKind
from training.embedding.inputs.grid import open_grid
from training.embedding.inputs.kind import Input, Kind
from training.embedding.inputs.listed import carried_schema
from training.embedding.inputs.pairs import BOTH, PairKind, PairRows, carried_of_pairs
from training.embedding.inputs.photos import PhotoFolder, PhotoKind, PhotoTable, is_path_column
from training.embedding.inputs.places import PlaceKind, PlaceTable
from training.embedding.inputs.raster import RasterSource, bands_of, time_of
from training.embedding.inputs.tiles import TileFolder, TileKind
from training.embedding.maps.input import PIXELS, MapInput, MapKind
from training.embedding.options import RASTERS, EmbedOptions

_TABLE_SUFFIXES = TEXT_SUFFIXES + PARQUET_SUFFIXES
_TILES_WITH_PHOTOS = ({"rs", "sv"}, {"photos", "tile"}, {"photos", "tile_file"})
_DATA_SUFFIXES = (".parquet", ".jsonl")
RESOLUTION_M = 40.0
# A suffix is that of a file on this machine.
_HUB_ID = re.compile(
    r"(?!.*\.(csv|tsv|parquet|geoparquet|tiff?|json|geojson|zip)$)\w[\w.-]*(/\w[\w.-]*)?", re.IGNORECASE
)
_OF_A_DATA_SET = (None, "tiles", "points", "photos")


def kind_of(what: str, listed: bool) -> Kind:
    """How the tasks of a job are done; `listed` says whether its inputs were listed, or are those of a data set."""
    if not listed:
        return PairKind()
    kinds: dict[str, type[Kind]] = {
        "places": PlaceKind,
        "photos": PhotoKind,
        "tiles": TileKind,
        "chips": ChipKind,
        PIXELS: MapKind,
    }
    return kinds[what]()


def carried_columns_of(output: Path, listed: bool) -> pa.Schema:
    """The columns that the rows of a job carry from its input."""
    return carried_schema(output) if listed else carried_of_pairs(output)


def open_input(options: EmbedOptions) -> Input:
    """
    Opens what `--input` names.

    Raises:
        ValueError: it does not exist, or does not hold what `--what` says, or it is not clear what it holds, or an option does not
            apply to it.
    """
    found = _opened(options)
    if not isinstance(found, (TileFolder, ChipInput, MapInput)):
        options.refuse_geotiff_options()
    return found


def _opened(options: EmbedOptions) -> Input:
    name = str(options.input)
    if name.startswith("grid:"):
        _check_what(options, (None, "places"), "a grid holds places")
        return open_grid(name, options.bbox)
    path = local_path(name)
    if not path.exists() and not (_HUB_ID.fullmatch(name) and options.what not in RASTERS):
        raise ValueError(
            f"--input is {name!r}, which does not exist here; check the path, which is taken from {str(Path.cwd())!r}."
        )
    if options.what in RASTERS:
        return _open_raster(options, path)
    if path.is_dir():
        return _open_folder(options, path)
    if path.is_file():
        return _open_file(options, path)
    _check_what(options, _OF_A_DATA_SET, "no such file or folder exists, so it is taken for a data set on the Hub")
    return PairRows(name, options.what or BOTH)


def _open_file(options: EmbedOptions, path: Path) -> Input:
    suffix = path.suffix.lower()
    if suffix in tiles.SUFFIXES:
        raise ValueError(
            f"{path.name!r} is one GeoTIFF; pass --what chips (one embedding a window) or --what pixels (a dense map), or a folder of tiles."
        )
    if suffix not in _TABLE_SUFFIXES:
        raise ValueError(
            f"{path.name!r} is no input, expected a file whose name ends in {', '.join((*_TABLE_SUFFIXES, *tiles.SUFFIXES))}; pass a table, a "
            "folder, a data set on the Hub, a GeoTIFF or a grid."
        )
    names = _column_names(path)
    has_tiles = any(columns <= set(names) for columns in _TILES_WITH_PHOTOS)
    if has_tiles and options.what != "places" and options.column is None:
        _check_what(options, _OF_A_DATA_SET, "the table has tiles with photos")
        return PairRows(str(path), options.what or BOTH)
    _check_what(options, (None, "places", "photos"), "a table holds places or photos")
    if options.what == "photos" or (options.what is None and (options.column or any(map(is_path_column, names)))):
        return PhotoTable(path, options.column)
    if options.column:
        raise ValueError("--column names the paths of photos; pass it with --what photos, or leave it out.")
    return PlaceTable(path)


def _open_raster(options: EmbedOptions, path: Path) -> Input:
    source = RasterSource(str(path), bands_of(options.bands), options.crs)
    window_m, taken = options.window_m or WINDOW_M, time_of(options.datetime)
    if options.what == PIXELS:
        return MapInput(source, window_m, options.resolution_m or RESOLUTION_M)
    return ChipInput(source, window_m, taken)


def _open_folder(options: EmbedOptions, path: Path) -> Input:
    # A data set may have pictures beside its files.
    if next(files_in(path, _DATA_SUFFIXES), None):
        _check_what(options, _OF_A_DATA_SET, "the folder has parquet files, as data sets have")
        return PairRows(str(path), options.what or BOTH)
    kinds = {"photos": photos.SUFFIXES, "tiles": tiles.SUFFIXES}
    holds = [name for name, suffixes in kinds.items() if next(files_in(path, suffixes), None)]
    chosen = options.what or (holds[0] if len(holds) == 1 else None)
    if chosen not in holds:
        told = f", and --what is {options.what!r}" if options.what else ""
        raise ValueError(
            f"{str(path)!r} holds {' and '.join(holds) or 'neither photos nor GeoTIFFs nor parquet files'}{told}; pass --what photos or "
            "--what tiles for what it holds, or another folder."
        )
    if chosen == "photos":
        return PhotoFolder(path)
    # Refused here if they name no bands, rather than by every tile.
    bands_of(options.bands)
    return TileFolder(path, time_of(options.datetime))


def _check_what(options: EmbedOptions, allowed: tuple[str | None, ...], because: str) -> None:
    if options.what not in allowed:
        names = " or ".join(name for name in allowed if name)
        raise ValueError(
            f"--what is {options.what!r} and --input is {options.input!r}: {because}, expected {names}; correct one of them."
        )


def _column_names(path: Path) -> list[str]:
    if path.suffix.lower() in TEXT_SUFFIXES:
        return read_table(path).data.column_names
    try:
        return pq.read_schema(path).names
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path.name!r} cannot be read as a parquet file; write or download it again.") from error
