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
"""Labelled places for classification: points with a class, from vector files and tables."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa

from modeling_gair import GairCoordinateProcessor
from training.common.columns import read_values
from training.common.errors import reason
from training.common.table_places import read_lon_lat
from training.common.tables import PARQUET_SUFFIXES, TEXT_SUFFIXES, Table, local_path, read_table, shown

# Each class needs two labels, so that one can be held out.
LEAST_LABELS = 2
_DEGREES = "EPSG:4326"


@dataclass(frozen=True)
class Labels:
    """
    Labelled places.

    Attributes:
        lon_lat (`np.ndarray` of shape `(L, 2)`): lon in [-180, 180), lat in degrees.
        classes (`np.ndarray` of shape `(L,)`): index of each label's class.
        names (`tuple[str, ...]`): the classes, sorted.
    """

    lon_lat: np.ndarray
    classes: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.classes)


def read_labels(path: str, class_column: str) -> Labels:
    """
    Reads labelled points.

    Args:
        path (`str`): GeoJSON, GeoPackage or another vector file with points, or a CSV or parquet with lon and lat or points.
        class_column (`str`): its column of classes, text or numbers.

    Raises:
        ValueError: the file cannot be read, a label has no class or no place, or there are too few classes or labels.
    """
    file = local_path(path)
    suffix = file.suffix.lower()
    table, lon_lat = _from_table(file) if suffix in TEXT_SUFFIXES + PARQUET_SUFFIXES else _from_vector_file(file)
    values = read_values(table, class_column)
    missing = np.array([value is None or value != value for value in values.tolist()])
    if missing.any():
        raise ValueError(
            f"{int(missing.sum())} of {len(missing)} labels in {file.name!r} have no class in column {class_column!r}, the first is row "
            f"{int(np.flatnonzero(missing)[0]) + 1}; fill the column in, or delete these rows."
        )
    lost = ~np.isfinite(lon_lat).all(axis=1)
    if lost.any():
        raise ValueError(
            f"{int(lost.sum())} of {len(lost)} labels in {file.name!r} have no place, the first is row "
            f"{int(np.flatnonzero(lost)[0]) + 1}; delete these rows, or add their lon, lat."
        )
    # As numbers sort, then as text is shown.
    distinct, classes = np.unique(values, return_inverse=True)
    names = tuple(_name(value) for value in distinct.tolist())
    _check_counts(names, classes, class_column)
    return Labels(GairCoordinateProcessor().check(*lon_lat.T), classes, names)


def _check_counts(names: tuple[str, ...], classes: np.ndarray, column: str) -> None:
    if len(names) < 2:
        raise ValueError(
            f"All labels have the class {names[0]!r} in column {column!r}, expected two classes or more; add labels."
        )
    alike = [name for name, count in Counter(map(str.casefold, names)).items() if count > 1]
    if alike:
        same = [name for name in names if name.casefold() == alike[0]]
        raise ValueError(
            f"The classes {shown(same)} of column {column!r} differ in capitals alone; write them alike, or call them otherwise."
        )
    counts = np.bincount(classes)
    if counts.min() < LEAST_LABELS:
        few = names[int(counts.argmin())]
        raise ValueError(
            f"Class {few!r} of column {column!r} has {counts.min()} label, expected {LEAST_LABELS} or more (ten serve well); add labels, "
            "or delete the class."
        )


def _name(value: object) -> str:
    """A class as text; whole numbers without decimals."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _from_table(file: Path) -> tuple[Table, np.ndarray]:
    table = read_table(file)
    return table, read_lon_lat(table)[0]


def _from_vector_file(file: Path) -> tuple[Table, np.ndarray]:
    if not file.is_file():
        raise ValueError(
            f"labels is {str(file)!r}, which does not exist; pass a GeoJSON file, a GeoPackage, or a table of points."
        )
    try:
        layers = geopandas.list_layers(file)
        # QGIS keeps the styles of a GeoPackage in a layer without geometry.
        layers = layers.name[layers.geometry_type.notna()].tolist()
        frame = geopandas.read_file(file, layer=layers[0] if layers else None)
        if frame.crs is not None:
            frame = frame.to_crs(_DEGREES)
        kinds = set(frame.geometry.geom_type.dropna())
    # GDAL's driver of each format raises errors of its own, and a table without geometry is no GeoDataFrame.
    except Exception as error:
        raise ValueError(
            f"{file.name!r} cannot be read as labels ({reason(error)}); expected GeoJSON or another vector file with points."
        ) from error
    if len(layers) > 1:
        raise ValueError(
            f"{file.name!r} has several layers ({shown(layers)}), expected one; save the layer of the labels as a file of its own."
        )
    if kinds - {"Point"} or not len(frame):
        found = f"geometries such as a {sorted(kinds - {'Point'})[0]}" if len(frame) else "no labels"
        raise ValueError(f"{file.name!r} holds {found}, expected points; draw a point for each label.")
    if frame.crs is None:
        raise ValueError(
            f"{file.name!r} does not say in which CRS its points are; save it with a CRS, such as EPSG:4326."
        )
    data = pa.Table.from_pandas(frame.drop(columns=frame.geometry.name), preserve_index=False)
    return Table(repr(file.name), data), np.stack([frame.geometry.x, frame.geometry.y], axis=1)
