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
"""Coordinates: checks and wraps lon, lat, and computes where points lie in their tiles."""

from typing import Any

import numpy as np
import torch
from transformers.feature_extraction_utils import FeatureExtractionMixin

from .crs_gair import MAX_ABS_LONGITUDE, Bounds, check_bounds, crs_name, project_near, shown_crs, unproject, unrolled
from .features_gair import GairFeatures
from .geo_gair import great_circle_distance_m, wrap_longitude
from .keywords_gair import LOADING_KEYWORDS, SAVED_KEYWORDS, names_of, refuse_unknown
from .pixels_gair import SavedWhole, shown

# Points outside the tile by less than this fraction of its side are float64 rounding errors.
EDGE_TOLERANCE = 1e-9


class GairCoordinateProcessor(SavedWhole, FeatureExtractionMixin):
    r"""
    Turns lon, lat in degrees into `coordinates` and, if the tiles' bounds are known, `query_points`.

    The model neither wraps nor checks coordinates: this class does, once, for all points of a call. Every input takes the
    same path: lon, lat → *degrees* ([`~GairCoordinateProcessor.check`]) → *points* in the tiles
    ([`~GairCoordinateProcessor.points_at`]). The arithmetic is in float64 and in each tile's own CRS; only the results
    become float32. A CRS other than EPSG:4326 needs the `geo` extra.
    """

    model_input_names = ["coordinates", "query_points"]
    # For programs that load this code from the Hub and cannot import the package.
    great_circle_distance_m = staticmethod(great_circle_distance_m)
    wrap_longitude = staticmethod(wrap_longitude)

    def __init__(self, **kwargs: Any) -> None:
        refuse_unknown(kwargs, (), "GairCoordinateProcessor", SAVED_KEYWORDS)
        super().__init__(**kwargs)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Loads a processor. It has no settings to override; loaded as a part, it is passed those of other parts."""
        if "_from_auto" not in kwargs:
            refuse_unknown(kwargs, (), "GairCoordinateProcessor", LOADING_KEYWORDS)
        return super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)

    def check(self, lon: Any, lat: Any) -> np.ndarray:
        """
        Checks degrees and wraps longitudes.

        Args:
            lon, lat (scalar, sequence, array or tensor): degrees on WGS 84, both of the same shape; lon in [-720, 720], of
                which whole turns are taken off, lat in [-90, 90].

        Returns:
            `np.ndarray` of shape `(..., 2)`, float64: lon in [-180, 180), lat.

        Raises:
            ValueError: for NaN, inf and masked values, |lat| > 90, |lon| > 720, different shapes, half precision, or values that
                are not numbers.
        """
        lon, lat = _finite("lon", lon), _finite("lat", lat)
        if lon.shape != lat.shape:
            raise ValueError(f"lon has shape {lon.shape} and lat {lat.shape}, expected equal shapes; pair them up.")
        wrong = np.abs(lat) > 90
        if wrong.any():
            raise ValueError(
                f"lat is {lat[wrong].flat[0]}, expected -90 to 90 degrees; check that lon and lat are not swapped."
            )
        far = np.abs(lon) > MAX_ABS_LONGITUDE
        if far.any():
            raise ValueError(
                f"lon is {lon[far].flat[0]}, expected degrees from -180 to 180 or 0 to 360, or at most one turn more; pass degrees on WGS "
                "84, not metres."
            )
        return np.stack([wrap_longitude(lon), lat], axis=-1)

    def locate(self, lon: Any, lat: Any, bounds: Any, crs: Any = "EPSG:4326") -> np.ndarray:
        """
        Computes where points lie in one tile: [`~GairCoordinateProcessor.check`], then
        [`~GairCoordinateProcessor.points_at`].

        Args:
            lon, lat (scalar, sequence, array or tensor): degrees on WGS 84, both of the same shape.
            bounds (`tuple[float, float, float, float]`): west, south, east, north of the tile in units of `crs`. In
                degrees, a tile that crosses the antimeridian has west > east, or an east above 180.
            crs (`str`, `int`, `dict` or object, defaults to `"EPSG:4326"`): CRS of the bounds.

        Returns:
            `np.ndarray` of shape `(..., 2)`, float64: x east and y south in [0, 1] from the north-west corner.

        Raises:
            ValueError: for refused degrees, and for a point outside the tile.
        """
        return self.points_at(self.check(lon, lat), bounds, crs)

    def points_at(self, degrees: np.ndarray, bounds: Any, crs: Any = "EPSG:4326") -> np.ndarray:
        """
        Computes where points lie in one tile: x = (lon - west) / (east - west), y = (north - lat) / (north - south),
        both in the tile's CRS.

        Args:
            degrees (`np.ndarray` of shape `(..., 2)`): lon, lat from [`~GairCoordinateProcessor.check`].
            bounds (`tuple[float, float, float, float]`): west, south, east, north of the tile in units of `crs`.
            crs (`str`, `int`, `dict` or object, defaults to `"EPSG:4326"`): CRS of the bounds.

        Returns:
            `np.ndarray` of shape `(..., 2)`, float64: x east and y south in [0, 1] from the north-west corner.

        Raises:
            ValueError: for a point outside the tile.
        """
        crs = crs_name(crs)
        return _points(degrees, np.array(unrolled(check_bounds(bounds, crs))), crs)

    def places_at(self, points: Any, bounds: Any, crs: Any = "EPSG:4326") -> np.ndarray:
        """
        Computes lon, lat of points in one tile: the inverse of [`~GairCoordinateProcessor.points_at`].

        Args:
            points (`np.ndarray` of shape `(..., 2)`): x east and y south in [0, 1] from the north-west corner.
            bounds (`tuple[float, float, float, float]`): west, south, east, north of the tile in units of `crs`.
            crs (`str`, `int`, `dict` or object, defaults to `"EPSG:4326"`): CRS of the bounds.

        Returns:
            `np.ndarray` of shape `(..., 2)`, float64: lon in [-180, 180) and lat in degrees on WGS 84.
        """
        crs = crs_name(crs)
        west, south, east, north = unrolled(check_bounds(bounds, crs))
        points = np.asarray(points, dtype=np.float64)
        lon, lat = unproject(west + points[..., 0] * (east - west), north - points[..., 1] * (north - south), crs)
        return np.stack([wrap_longitude(lon), lat], axis=-1)

    def prepare(self, degrees: np.ndarray, bounds: Any = None, crs: Any = "EPSG:4326") -> GairFeatures:
        """
        Makes the model's inputs from checked degrees.

        Args:
            degrees (`np.ndarray` of shape `(2,)`, `(B, 2)` or `(B, Q, 2)`): lon, lat from
                [`~GairCoordinateProcessor.check`].
            bounds, crs (*optional*): as for a call of the processor.

        Returns:
            `GairFeatures` of NumPy arrays, as from a call of the processor.
        """
        if degrees.ndim > 3:
            raise ValueError(f"lon, lat have shape {degrees.shape[:-1]}, expected a scalar, (B,) or (B, Q).")
        if degrees.ndim == 1:
            degrees = degrees[None]
        data = {"coordinates": _as_float32_degrees(degrees)}
        if bounds is not None:
            rows = degrees.reshape(len(degrees), -1, 2)
            data["query_points"] = _points_by_row(rows, bounds, crs).astype(np.float32)
        return GairFeatures(data=data)

    def __call__(
        self,
        lon: Any,
        lat: Any,
        bounds: Any = None,
        crs: Any = "EPSG:4326",
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> GairFeatures:
        """
        Makes the model's inputs.

        Args:
            lon, lat (scalar, sequence, array or tensor): degrees; a scalar (one row), `(B,)` or `(B, Q)`.
            bounds (*optional*): west, south, east, north of the tile that contains all points, or B of them.
            crs (*optional*): CRS of the bounds, `"EPSG:4326"` by default, or a list of one for each row: a code, WKT, PROJJSON, or a CRS
                of pyproj or rasterio.
            return_tensors (`str`, *optional*): `"pt"` or `"np"`; NumPy arrays by default.

        Returns:
            `GairFeatures` with `coordinates` float32 `(B, 2)` or `(B, Q, 2)`, lon, lat; with bounds also
            `query_points` float32 `(B, Q, 2)`, Q = 1 for scalars and `(B,)`; both stay in float32 under `.to(device, dtype)`.

        Raises:
            ValueError: for refused degrees, unsuitable shapes, points outside their tiles, and unknown arguments.
        """
        refuse_unknown(kwargs, names_of(self.__call__), "A call of GairCoordinateProcessor")
        return GairFeatures(data=self.prepare(self.check(lon, lat), bounds, crs).data, tensor_type=return_tensors)


def _finite(name: str, values: Any) -> np.ndarray:
    """Degrees as float64, from any numbers that say all of them."""
    if isinstance(values, torch.Tensor):
        values = (
            (values.detach().to(torch.float16) if values.dtype == torch.bfloat16 else values.detach()).cpu().numpy()
        )
    parts = values if isinstance(values, (list, tuple)) else [values]
    if any(np.ma.is_masked(part) for part in parts):
        raise ValueError(f"{name} has masked values, expected degrees for every place; drop those rows.")
    try:
        given = np.asarray(values)
        degrees = given.astype(np.float64) if given.dtype.kind in "iufOUST" else None
    except (TypeError, ValueError, RuntimeError):
        degrees = None
    if degrees is None:
        raise ValueError(
            f"{name} is {shown(values)}, expected degrees as a number or an array of numbers; convert them."
        )
    if given.dtype == np.float16:
        raise ValueError(
            f"{name} is in half precision, which is off by kilometres, expected float32 or float64; pass the degrees as they were before rounding."
        )
    if not np.isfinite(degrees).all():
        raise ValueError(
            f"{name} contains {degrees[~np.isfinite(degrees)].flat[0]}, expected finite degrees; drop that row."
        )
    return degrees


def _as_float32_degrees(degrees: np.ndarray) -> np.ndarray:
    """Converts to float32. A longitude just below 180 may round up to 180 and must stay in [-180, 180)."""
    single = degrees.astype(np.float32)
    single[..., 0] = wrap_longitude(single[..., 0])
    return single


def _points_by_row(rows: np.ndarray, bounds: Any, crs: Any) -> np.ndarray:
    """Points `(B, Q, 2)` of degrees `(B, Q, 2)`, row b in the tile with bounds b; all rows of one CRS at once."""
    given = np.shape(bounds)
    if given not in ((4,), (len(rows), 4)):
        raise ValueError(
            f"bounds has shape {given}, expected (4,) or ({len(rows)}, 4): west, south, east, north for each row."
        )
    systems = [crs_name(one) for one in crs] if isinstance(crs, (list, tuple)) else [crs_name(crs)] * len(rows)
    if len(systems) != len(rows):
        raise ValueError(f"crs names {len(systems)} systems for {len(rows)} rows, expected one or one per row.")
    each = [bounds] * len(rows) if given == (4,) else bounds
    boxes = np.array([unrolled(check_bounds(box, system)) for box, system in zip(each, systems)]).reshape(-1, 1, 4)
    points = np.empty(rows.shape)
    for system in dict.fromkeys(systems):
        same = np.array([name == system for name in systems])
        points[same] = _points(rows[same], boxes[same], system)
    return points


def _points(degrees: np.ndarray, boxes: np.ndarray, crs: str) -> np.ndarray:
    """Points `(..., 2)` of degrees `(..., 2)` in unrolled bounds `(4,)` or `(B, 1, 4)`, all in one CRS."""
    west, south, east, north = sides = np.moveaxis(boxes, -1, 0)
    x, y = project_near(degrees[..., 0], degrees[..., 1], sides, crs)
    points = np.stack([(x - west) / (east - west), (north - y) / (north - south)], axis=-1)
    # The negation makes inf, for places that the CRS does not cover, count as outside.
    outside = ~((points >= -EDGE_TOLERANCE) & (points <= 1 + EDGE_TOLERANCE)).all(axis=-1)
    if outside.any():
        first = tuple(np.argwhere(outside)[0])
        box = np.broadcast_to(boxes, (*outside.shape, 4))[first]
        raise ValueError(_outside_message(degrees[first], points[first], tuple(box.tolist()), crs))
    return np.clip(points, 0.0, 1.0)


def _outside_message(degrees: np.ndarray, point: np.ndarray, box: Bounds, crs: str) -> str:
    west, south, east, north = box
    inside = np.clip(point, 0.0, 1.0) if np.isfinite(point).all() else np.array([0.5, 0.5])
    nearest = unproject(west + inside[0] * (east - west), north - inside[1] * (north - south), crs)
    metres = great_circle_distance_m(float(degrees[0]), float(degrees[1]), float(nearest[0]), float(nearest[1]))
    return (
        f"lon {degrees[0]}, lat {degrees[1]} lies {metres:.3g} m outside the tile with bounds {box} (west, south, east, "
        f"north) in {shown_crs(crs)}; pass a tile that contains the point."
    )


__all__ = ["GairCoordinateProcessor"]
