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
"""What a search has found, as a table on the terminal and as files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from training.common.files import written_whole

_SHOWN = ("similarity", "id", "lon", "lat", "modality", "datetime", "source")
_WIDEST = 44
# Derived from the geometry; geopandas writes its own.
_COVERING = "bbox"


@dataclass(frozen=True)
class SearchHits:
    """
    The most similar rows.

    Attributes:
        table (`pa.Table`): `query` (number of the query), `similarity` (cosine, float32), and the columns of the rows but their
            embeddings; by query, the most similar first.
    """

    table: pa.Table

    def __len__(self) -> int:
        return len(self.table)

    def to_geopandas(self) -> Any:
        """As a `geopandas.GeoDataFrame` in EPSG:4326."""
        import geopandas

        frame = self.table.drop_columns([_COVERING]).to_pandas()
        shapes = geopandas.GeoSeries.from_wkb(frame.pop("geometry"), crs="OGC:CRS84")
        return geopandas.GeoDataFrame(frame, geometry=shapes)

    def write(self, path: Path) -> None:
        """
        Writes GeoJSON, GeoParquet or a CSV, by the suffix of the name.

        Raises:
            KeyError: another suffix.
        """
        with written_whole(path) as temporary:
            _WRITERS[path.suffix.lower()](self.to_geopandas(), temporary)

    def to_text(self) -> str:
        """A table of rank, similarity, id, lon, lat, modality, time and source; columns without values are left out."""
        columns = [name for name in _SHOWN if self.table.column(name).null_count < len(self.table)]
        rows = [[str(rank), *(_cell(name, row[name]) for name in columns)]
                for rank, row in enumerate(self.table.select(columns).to_pylist(), start=1)]  # fmt: skip
        lines = [["#", *columns], *rows]
        widths = [max(map(len, column)) for column in zip(*lines)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "similarity":
        return f"{value:.4f}"
    if name in ("lon", "lat"):
        return f"{value:.5f}"
    if name == "datetime":
        return f"{value:%Y-%m-%d}"
    if name == "id":
        # Whole, to be copied to --like.
        return value
    return value if len(value) <= _WIDEST else f"…{value[1 - _WIDEST :]}"


def _write_geojson(frame: Any, path: Path) -> None:
    path.write_text(frame.to_json(drop_id=True, default=_plain, ensure_ascii=False), encoding="utf-8")


def _plain(value: Any) -> Any:
    """Arrays as lists, times and everything else that JSON does not know as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _write_parquet(frame: Any, path: Path) -> None:
    frame.to_parquet(path, index=False, compression="zstd", schema_version="1.1.0", write_covering_bbox=True)


def _write_csv(frame: Any, path: Path) -> None:
    frame.drop(columns="geometry").assign(geometry=frame.geometry.to_wkt()).to_csv(path, index=False)


_WRITERS: dict[str, Callable[[Any, Path], None]] = {
    ".geojson": _write_geojson,
    ".parquet": _write_parquet,
    ".csv": _write_csv,
}
