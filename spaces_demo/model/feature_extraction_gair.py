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
"""Coordinates: lon, lat checked and wrapped, and where a point lies in its tile."""

from typing import Any

import numpy as np
from transformers.feature_extraction_utils import BatchFeature, FeatureExtractionMixin

from .geo_gair import great_circle_distance_m, wrap_longitude
from .raster_gair import Bounds, check_bounds, project_near, unproject, unrolled

# Positions are computed in float64: what lies less than this (in tile sides) outside is rounding, not a place outside.
EDGE_TOLERANCE = 1e-9


class GairCoordinateProcessor(FeatureExtractionMixin):
    r"""
    Turns lon, lat in degrees into `coordinates` and, where a tile's bounds are known, `query_points`.

    The model neither wraps nor checks coordinates: this class does. All arithmetic is in float64 and in the tile's own
    CRS; only the finished numbers become float32. A CRS other than EPSG:4326 needs the `geo` extra.
    """

    model_input_names = ["coordinates", "query_points"]
    # For programs that load this code from the Hub and cannot import the package.
    great_circle_distance_m = staticmethod(great_circle_distance_m)
    wrap_longitude = staticmethod(wrap_longitude)

    def check(self, lon: Any, lat: Any) -> np.ndarray:
        """
        Checks degrees and wraps longitudes.

        Args:
            lon, lat (scalar, sequence, array or tensor): degrees on WGS 84, of one equal shape; lat in [-90, 90].

        Returns:
            `np.ndarray` of shape `(..., 2)`, float64: lon in [-180, 180), lat.

        Raises:
            ValueError: for NaN, inf, |lat| > 90, unequal shapes, or what is no number.
        """
        lon, lat = _degrees("lon", lon), _degrees("lat", lat)
        if lon.shape != lat.shape:
            raise ValueError(f"lon has shape {lon.shape} and lat {lat.shape}, expected equal shapes; pair them up.")
        wrong = np.abs(lat) > 90
        if wrong.any():
            raise ValueError(
                f"lat is {lat[wrong].flat[0]}, expected -90 to 90 degrees; check that lon and lat are not exchanged."
            )
        return np.stack([wrap_longitude(lon), lat], axis=-1)

    def locate(self, lon: Any, lat: Any, bounds: Any, crs: str = "EPSG:4326") -> np.ndarray:
        """
        Where points lie in one tile: x = (lon - west) / (east - west), y = (north - lat) / (north - south), both in the
        tile's CRS.

        Args:
            lon, lat (scalar, sequence, array or tensor): degrees on WGS 84, of one equal shape.
            bounds (`tuple[float, float, float, float]`): west, south, east, north of the tile in units of `crs`. In
                degrees, a tile across the antimeridian has west > east, or an east beyond 180.
            crs (`str`, defaults to `"EPSG:4326"`): CRS of the bounds.

        Returns:
            `np.ndarray` of shape `(..., 2)`, float64: x eastwards and y southwards in [0, 1] from the north-west corner.

        Raises:
            ValueError: as in [`~GairCoordinateProcessor.check`], and for a point outside the tile.
        """
        degrees = self.check(lon, lat)
        west, south, east, north = box = unrolled(check_bounds(bounds, crs))
        x, y = project_near(degrees[..., 0], degrees[..., 1], box, crs)
        points = np.stack([(x - west) / (east - west), (north - y) / (north - south)], axis=-1)
        # Written so that inf, where the CRS has no such place, counts as outside.
        outside = ~((points >= -EDGE_TOLERANCE) & (points <= 1 + EDGE_TOLERANCE)).all(axis=-1)
        if outside.any():
            first = np.argwhere(outside)[0]
            raise ValueError(_outside_message(degrees[tuple(first)], points[tuple(first)], box, crs))
        return np.clip(points, 0.0, 1.0)

    def places_at(self, points: Any, bounds: Any, crs: str = "EPSG:4326") -> np.ndarray:
        """
        lon, lat of points in one tile: the inverse of [`~GairCoordinateProcessor.locate`].

        Args:
            points (`np.ndarray` of shape `(..., 2)`): x eastwards and y southwards in [0, 1] from the north-west corner.
            bounds (`tuple[float, float, float, float]`): west, south, east, north of the tile in units of `crs`.
            crs (`str`, defaults to `"EPSG:4326"`): CRS of the bounds.

        Returns:
            `np.ndarray` of shape `(..., 2)`, float64: lon in [-180, 180) and lat in degrees on WGS 84.
        """
        west, south, east, north = unrolled(check_bounds(bounds, crs))
        points = np.asarray(points, dtype=np.float64)
        lon, lat = unproject(west + points[..., 0] * (east - west), north - points[..., 1] * (north - south), crs)
        return np.stack([wrap_longitude(lon), lat], axis=-1)

    def __call__(
        self,
        lon: Any,
        lat: Any,
        bounds: Any = None,
        crs: str | list[str] = "EPSG:4326",
        return_tensors: str | None = None,
    ) -> BatchFeature:
        """
        Makes the model's inputs.

        Args:
            lon, lat (scalar, sequence, array or tensor): degrees; a scalar (one row), `(B,)` or `(B, Q)`.
            bounds (*optional*): west, south, east, north of the tile that all points lie in, or B such quadruples.
            crs (`str` or `list[str]`, defaults to `"EPSG:4326"`): CRS of the bounds, or one for each row.
            return_tensors (`str`, *optional*): `"pt"` or `"np"`; NumPy arrays by default.

        Returns:
            `BatchFeature` with `coordinates` float32 `(B, 2)` or `(B, Q, 2)`, lon, lat; with bounds also
            `query_points` float32 `(B, Q, 2)`, Q = 1 for scalars and `(B,)`.
        """
        degrees = self.check(lon, lat)
        if degrees.ndim == 1:
            degrees = degrees[None]
        if degrees.ndim > 3:
            raise ValueError(f"lon, lat have shape {degrees.shape[:-1]}, expected a scalar, (B,) or (B, Q).")
        data = {"coordinates": _as_float32_degrees(degrees)}
        if bounds is not None:
            rows = degrees.reshape(len(degrees), -1, 2)
            boxes = _one_per_row(bounds, len(rows))
            systems = [crs] * len(rows) if isinstance(crs, str) else list(crs)
            if len(systems) != len(rows):
                raise ValueError(f"crs names {len(systems)} systems for {len(rows)} rows, expected one or one a row.")
            located = [self.locate(row[:, 0], row[:, 1], box, name) for row, box, name in zip(rows, boxes, systems)]
            data["query_points"] = np.stack(located).astype(np.float32)
        return BatchFeature(data=data, tensor_type=return_tensors)


def _degrees(name: str, values: Any) -> np.ndarray:
    try:
        degrees = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} is {values!r}, expected degrees as a number or an array of numbers.") from error
    if not np.isfinite(degrees).all():
        raise ValueError(
            f"{name} holds {degrees[~np.isfinite(degrees)].flat[0]}, expected finite degrees; drop that row."
        )
    return degrees


def _as_float32_degrees(degrees: np.ndarray) -> np.ndarray:
    """To float32, where a longitude just under 180 may round up to 180 and must stay in [-180, 180)."""
    single = degrees.astype(np.float32)
    single[..., 0] = wrap_longitude(single[..., 0])
    return single


def _one_per_row(bounds: Any, rows: int) -> list[Any]:
    shape = np.shape(bounds)
    if shape == (4,):
        return [bounds] * rows
    if shape == (rows, 4):
        return list(bounds)
    raise ValueError(f"bounds has shape {shape}, expected (4,) or ({rows}, 4): west, south, east, north for each row.")


def _outside_message(degrees: np.ndarray, point: np.ndarray, box: Bounds, crs: str) -> str:
    west, south, east, north = box
    inside = np.clip(point, 0.0, 1.0) if np.isfinite(point).all() else np.array([0.5, 0.5])
    nearest = unproject(west + inside[0] * (east - west), north - inside[1] * (north - south), crs)
    metres = great_circle_distance_m(float(degrees[0]), float(degrees[1]), float(nearest[0]), float(nearest[1]))
    return (
        f"lon {degrees[0]}, lat {degrees[1]} lies {metres:.3g} m outside the tile with bounds {box} (west, south, east, "
        f"north) in {crs}; pass a tile that holds the point."
    )


__all__ = ["GairCoordinateProcessor"]
