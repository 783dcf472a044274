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
"""The places of a table: its columns of longitude and latitude under the names people use, or its points."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from training.common.columns import read_cells, read_numbers
from training.common.errors import first_line
from training.common.tables import Table, shown

# Names of columns, in the order in which they are looked for; compared without case, blanks, `_`, `-`, `.` and units.
_LON = ("lon", "longitude", "lng", "long", "decimallongitude", "londd", "longdd")
_LAT = ("lat", "latitude", "decimallatitude", "latdd")
_X, _Y = ("x", "xcoord", "coordx", "xcoordinate", "pointx"), ("y", "ycoord", "coordy", "ycoordinate", "pointy")
_GEOMETRY = ("geometry", "geom", "thegeom", "wkbgeometry", "wkt", "point", "shape")
_UNIT = re.compile(r"[\[(].*[\])]|(deg|degrees|wgs84|epsg4326)$")
_WKT = re.compile(r"\s*(?:SRID=(\d+);)?\s*((?:POINT|LINESTRING|POLYGON|MULTI\w+|GEOMETRYCOLLECTION)\b.*)", re.I | re.S)
_DEGREES = "OGC:CRS84"
# Larger numbers are metres, and not degrees that are a little off.
_MOST_DEGREES = 720
# Rows in which the first point in WKT must be.
_LOOKED_AT = 100


def read_lon_lat(
    table: Table, named: Mapping[str, str] | None = None, missing_values: Sequence[str] = ()
) -> tuple[np.ndarray, tuple[str, ...]]:
    """
    Finds the places of a table's rows.

    Args:
        table ([`Table`]): the table.
        named (`Mapping[str, str]`, *optional*): the names of its columns `lon` and `lat`, if they are known.
        missing_values (`Sequence[str]`): what stands for a missing value beside empty cells and the usual text.

    Returns:
        `np.ndarray` of shape `(N, 2)`: lon, lat in degrees as written, NaN where missing; and sentences on what was found,
        none for columns `lon` and `lat`.

    Raises:
        ValueError: there are no places, or cells are neither degrees nor points.
    """
    known = _known(table)
    if columns := _coordinate_columns(table, named or {}, known):
        return _degrees(table, columns, missing_values)
    if geometry := _geometry_column(table):
        remark = f"The places of {table.name} are the points of its column {geometry!r}."
        return _points(table, geometry), (remark,)
    if columns := _pair(known, _X, _Y):
        return _degrees(table, columns, missing_values)
    have = shown(table.data.column_names)
    raise ValueError(
        f"{table.name} has no columns lon and lat (it has {have}), and none called longitude and latitude, lng, long, x and y, or "
        "geometry with points; rename its longitude to lon and its latitude to lat, in degrees."
    )


def place_columns(table: Table) -> tuple[str, ...]:
    """The columns in which [`read_lon_lat`] finds the places of a table: longitude and latitude, or one of points."""
    known = _known(table)
    if columns := _coordinate_columns(table, {}, known):
        return columns
    if geometry := _geometry_column(table):
        return (geometry,)
    return _pair(known, _X, _Y) or ()


def _known(table: Table) -> dict[str, str]:
    """The columns by their plain names; of several with one plain name, the first."""
    known: dict[str, str] = {}
    for name in table.data.column_names:
        known.setdefault(_plain(name), name)
    return known


def _coordinate_columns(table: Table, named: Mapping[str, str], known: Mapping[str, str]) -> tuple[str, str] | None:
    given = named.get("lon", "lon"), named.get("lat", "lat")
    if named.keys() & {"lon", "lat"} or set(given) <= set(table.data.column_names):
        return given
    return _pair(known, _LON, _LAT)


def _pair(known: Mapping[str, str], lon_names: Sequence[str], lat_names: Sequence[str]) -> tuple[str, str] | None:
    """The first column of each list, by its plain name in `known`; None if one is missing."""
    lon = next((known[name] for name in lon_names if name in known), None)
    lat = next((known[name] for name in lat_names if name in known), None)
    return (lon, lat) if lon and lat else None


def _plain(name: str) -> str:
    """A column's name without case, blanks, signs and units."""
    return _UNIT.sub("", re.sub(r"[\s_.\-]", "", name.lower()))


def _degrees(
    table: Table, columns: tuple[str, str], missing_values: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    lon, lat = columns
    lon_lat = np.stack([read_numbers(table, name, missing_values) for name in columns], axis=1)
    most = np.nanmax(np.abs(lon_lat), axis=0, initial=0)
    # A place that is only a little off is refused, with its value, where coordinates are checked.
    if most.max() > _MOST_DEGREES:
        raise ValueError(
            f"Columns {lon!r} and {lat!r} of {table.name} reach {most[0]:g} and {most[1]:g}, which are not degrees; convert "
            "them to longitude and latitude on WGS 84 (EPSG:4326)."
        )
    remarks = [remark for name in columns for remark in read_cells(table, name, missing_values).remarks]
    if columns != ("lon", "lat"):
        remarks.insert(0, f"The places of {table.name} are its columns {lon!r} (longitude) and {lat!r} (latitude).")
    return lon_lat, tuple(remarks)


# Points --------------------------------------------------------------------------------------------------------------


def _geometry_column(table: Table) -> str | None:
    """The column of geometries: GeoParquet's primary one, one with a usual name, or text in WKT; None if there is none."""
    primary = _geo_metadata(table).get("primary_column")
    if primary in table.data.column_names:
        return primary
    for field, column in zip(table.data.schema, table.data.columns):
        kind = field.type
        if (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)) and _plain(field.name) in _GEOMETRY:
            return field.name
        if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            cells = column.slice(0, _LOOKED_AT).cast(pa.string()).to_pylist()
            if _WKT.match(next((text for text in cells if text), "")):
                return field.name
    return None


def _geo_metadata(table: Table) -> dict[str, Any]:
    try:
        found = json.loads((table.data.schema.metadata or {}).get(b"geo", b"{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _points(table: Table, name: str) -> np.ndarray:
    """lon, lat `(N, 2)` of a column of points; NaN where a point is missing or empty."""
    column = table.column(name)
    metadata = _geo_metadata(table).get("columns", {}).get(name, {})
    # GeoParquet: without a key `crs` it is lon, lat; null says that it is unknown.
    crs = metadata.get("crs", _DEGREES)
    if crs is None:
        raise ValueError(f"The points of column {name!r} of {table.name} have no CRS; write the file with one.")
    if pa.types.is_struct(column.type):
        fields = [pc.struct_field(column, axis).cast(pa.float64()).to_numpy() for axis in ("x", "y")]
        return _to_degrees(table, name, np.stack(fields, axis=1), crs)
    import shapely

    cells = column.to_pylist()
    if pa.types.is_string(column.type):
        matches = [_WKT.match(cell) if cell else None for cell in cells]
        codes = {int(match[1]) for match in matches if match and match[1]}
        if len(codes) > 1:
            raise ValueError(
                f"The points of column {name!r} of {table.name} have several CRS ({codes}); convert them to one."
            )
        crs = f"EPSG:{codes.pop()}" if codes else crs
        shapes = shapely.from_wkt([match[2] if match else None for match in matches], on_invalid="ignore")
    else:
        shapes = shapely.from_wkb(cells, on_invalid="ignore")
    _check_points(table, name, cells, shapes)
    shapes = np.where(shapely.is_empty(shapes), None, shapes)
    return _to_degrees(table, name, np.stack([shapely.get_x(shapes), shapely.get_y(shapes)], axis=1), crs)


def _check_points(table: Table, name: str, cells: Sequence[Any], shapes: np.ndarray) -> None:
    import shapely

    unread = [cell for cell, shape in zip(cells, shapes) if cell and shape is None]
    if unread:
        raise ValueError(
            f"Column {name!r} of {table.name} has {len(unread)} cells that are no geometries, such as {unread[0][:30]!r}; correct them."
        )
    kinds = [str(shape.geom_type) for shape in shapes[~shapely.is_missing(shapes)] if shape.geom_type != "Point"]
    if kinds:
        raise ValueError(
            f"Column {name!r} of {table.name} has {len(kinds)} geometries that are no points, such as a {kinds[0]}; add the "
            "longitude and latitude of each place, e.g. of its centroid, as columns lon and lat."
        )


def _to_degrees(table: Table, name: str, points: np.ndarray, crs: Any) -> np.ndarray:
    import pyproj
    from pyproj.exceptions import CRSError, ProjError

    try:
        transformer = pyproj.Transformer.from_crs(pyproj.CRS.from_user_input(crs), _DEGREES, always_xy=True)
        lon_lat = np.stack(transformer.transform(points[:, 0], points[:, 1]), axis=1)
    except (CRSError, ProjError) as error:
        raise ValueError(
            f"The points of column {name!r} of {table.name} cannot be converted to degrees ({first_line(error)[:200]}); write them in "
            "EPSG:4326."
        ) from error
    # PROJ answers with infinity where a projection does not reach.
    lost = ~np.isfinite(lon_lat).all(axis=1) & np.isfinite(points).all(axis=1)
    if lost.any():
        raise ValueError(
            f"{int(lost.sum())} points of column {name!r} of {table.name} lie outside the area of its CRS; check the CRS."
        )
    return lon_lat
