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
"""GairProcessor: tiles, street views and coordinates together, as `GairModel.forward` takes them."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from transformers.processing_utils import ProcessingKwargs, ProcessorMixin

# Not used here. Loading remote code from a local folder, older releases of transformers copy only files imported here.
from .bands_gair import BAND_ORDERS  # noqa: F401
from .crs_gair import Bounds  # noqa: F401
from .feature_extraction_gair import GairCoordinateProcessor
from .features_gair import GairFeatures
from .geo_gair import EARTH_RADIUS_M  # noqa: F401
from .image_processing_gair_rs import GairRSImageProcessor, GairRSImagesKwargs, bounds_per_tile
from .image_processing_gair_sv import GairSVImageProcessor
from .keywords_gair import names_of, refuse_unknown
from .pixels_gair import SavedWhole, as_list, shown
from .raster_gair import GairTile
from .reflectance_gair import Scale  # noqa: F401

WGS84 = "EPSG:4326"
# With a smaller fraction of valid pixels, most of a tile is filled with the bands' means.
MIN_VALID_FRACTION = 0.5

_OWN_PARTS = {part.__name__: part for part in (GairRSImageProcessor, GairSVImageProcessor, GairCoordinateProcessor)}


class GairProcessorKwargs(ProcessingKwargs, total=False):
    r"""
    Keyword arguments of a call of [`GairProcessor`], which documents them. A call refuses all others.
    """

    images_kwargs: GairRSImagesKwargs  # type: ignore[misc]
    bands: str | Sequence[str] | None
    bounds: Any
    crs: str
    tile_size_m: float | None
    return_valid_fraction: bool
    return_tensors: str | None


class GairProcessor(SavedWhole, ProcessorMixin):
    r"""
    Turns Sentinel-2 tiles, street views and coordinates into the inputs of [`GairModel`].

    Args:
        image_processor (`GairRSImageProcessor`, *optional*):
            For tiles.
        sv_image_processor (`GairSVImageProcessor`, *optional*):
            For street views.
        feature_extractor (`GairCoordinateProcessor`, *optional*):
            For coordinates. Parts that are omitted are created with their default settings.

    Example:

    ```python
    >>> inputs = processor(rs="tile.tif", sv="street.jpg", lon=-83.2583, lat=42.4823, return_tensors="pt")
    >>> outputs = model(**inputs)
    ```
    """

    sv_image_processor: Any
    valid_processor_kwargs = GairProcessorKwargs  # type: ignore[assignment]

    def __init__(self, image_processor=None, sv_image_processor=None, feature_extractor=None):
        super().__init__(
            image_processor=image_processor or GairRSImageProcessor(),
            sv_image_processor=sv_image_processor or GairSVImageProcessor(),
            feature_extractor=feature_extractor or GairCoordinateProcessor(),
        )

    @staticmethod
    def get_possibly_dynamic_module(module_name: str) -> Any:
        """Returns a part's class by name; GAIR's own parts are not registered when this file is remote code."""
        return _OWN_PARTS.get(module_name) or ProcessorMixin.get_possibly_dynamic_module(module_name)

    @classmethod
    def for_config(cls, config: Any, *, parity: bool = False) -> "GairProcessor":
        """
        Creates a processor with the image sizes of a model.

        Args:
            config (`GairConfig`): the model's configuration.
            parity (`bool`, defaults to `False`): whether to prepare pixels exactly as in the published model's training
                (256 levels, no antialiasing).

        Returns:
            `GairProcessor`
        """
        return cls(
            GairRSImageProcessor(
                size=_image_size(config.rs_config, "rs_config"), antialias=not parity, quantize=parity
            ),
            GairSVImageProcessor(size=_image_size(config.sv_config, "sv_config"), antialias=not parity),
            GairCoordinateProcessor(),
        )

    @property
    def model_input_names(self) -> list[str]:
        """Names of all possible outputs."""
        parts = (self.image_processor, self.sv_image_processor, self.feature_extractor)
        return [name for part in parts for name in part.model_input_names]

    def __call__(
        self,
        rs: Any = None,
        sv: Any = None,
        lon: Any = None,
        lat: Any = None,
        *,
        bands: str | Sequence[str] | None = None,
        bounds: Any = None,
        crs: str = WGS84,
        tile_size_m: float | None = None,
        return_valid_fraction: bool = False,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> GairFeatures:
        """
        Processes B tiles, photos and points; each of the three is optional.

        Args:
            rs (*optional*): one tile or a list of B: paths of GeoTIFFs, arrays `(C, H, W)`, or a mixture.
            sv (*optional*): one photo or a list: paths, bytes, PIL images, arrays `(H, W, 3)`. With tiles, B or B x Q
                photos; with points alone, one per point.
            lon, lat (*optional*): degrees on WGS 84: scalars (one point), `(B,)` or, for Q points in each tile,
                `(B, Q)`.
            bands (`str` or `Sequence[str]`, *optional*): names of the tiles' bands in order, or a key of `BAND_ORDERS`;
                required if the tiles do not name them.
            bounds (*optional*): west, south, east, north of a single tile, or a list with one per tile (None for a
                georeferenced file).
            crs (`str`, defaults to `"EPSG:4326"`): CRS of `bounds`.
            tile_size_m (`float`, *optional*): read only a window with this side in metres around each tile's point.
            return_valid_fraction (`bool`, defaults to `False`): whether to add `valid_fraction`.
            return_tensors (`str`, *optional*): `"pt"` or `"np"`; NumPy arrays by default.

        Returns:
            `GairFeatures` with, depending on the arguments: `rs_pixel_values` `(B, 10, height, width)`,
            `sv_pixel_values` `(N, 3, height, width)`, `coordinates` `(B, 2)` or `(B, Q, 2)`, `query_points` `(B, Q, 2)`
            (x east, y south in [0, 1]), all float32; `valid_fraction` `(B,)`, the fraction of each tile's pixels that
            contain data. `.to(device, dtype)` casts pixels, and leaves `coordinates` and `query_points` in float32.

        Raises:
            ValueError: for mismatched counts, points outside their tiles, whatever the parts refuse, and unknown arguments.
        """
        refuse_unknown(kwargs, names_of(self.__call__), "A call of GairProcessor")
        _check_given(rs, sv, lon, lat, bands, bounds, crs, tile_size_m, return_valid_fraction)
        degrees = None if lon is None else self.feature_extractor.check(lon, lat)
        sources = None if rs is None else as_list(rs)
        _check_points(degrees, sources)
        data: dict[str, Any] = {}
        tiles = None
        if sources is not None:
            tiles = self._read_tiles(sources, degrees, bands, bounds, crs, tile_size_m)
            data["rs_pixel_values"] = self.image_processor.prepare([tile.pixels for tile in tiles]).numpy()
        if sv is not None:
            photos = as_list(sv)
            _check_photos(len(photos), degrees, sources)
            data["sv_pixel_values"] = self.sv_image_processor.preprocess(photos)["sv_pixel_values"]
        if degrees is not None:
            data.update(self._locate(degrees, tiles))
        if return_valid_fraction and tiles is not None:
            data["valid_fraction"] = np.array([tile.valid_fraction for tile in tiles], np.float32)
        return GairFeatures(data=data, tensor_type=return_tensors)

    def _read_tiles(
        self,
        sources: list[Any],
        degrees: np.ndarray | None,
        bands: str | Sequence[str] | None,
        bounds: Any,
        crs: str,
        tile_size_m: float | None,
    ) -> list[GairTile]:
        centres: Any = [(None, None)] * len(sources) if tile_size_m is None else _centres(degrees, tile_size_m)
        tiles = []
        for index, (source, box) in enumerate(zip(sources, bounds_per_tile(bounds, len(sources)))):
            tile = self.image_processor.read(
                source,
                bands=bands,
                bounds=box,
                crs=None if box is None else crs,
                tile_size_m=tile_size_m,
                lon=centres[index][0],
                lat=centres[index][1],
            )
            if tile.valid_fraction < MIN_VALID_FRACTION:
                warnings.warn(
                    f"Only {tile.valid_fraction:.0%} of the pixels of tile {index} contain data; the others are filled "
                    "with the bands' means.",
                    stacklevel=3,
                )
            tiles.append(tile)
        return tiles

    def _locate(self, degrees: np.ndarray, tiles: list[GairTile] | None) -> GairFeatures:
        if tiles is None:
            return self.feature_extractor.prepare(degrees)
        for index, tile in enumerate(tiles):
            if tile.bounds is None:
                raise ValueError(
                    f"Tile {index} is not georeferenced, so lon, lat cannot be located in it; pass bounds=(west, south, "
                    "east, north) and crs."
                )
        return self.feature_extractor.prepare(degrees, [tile.bounds for tile in tiles], [tile.crs for tile in tiles])


def _check_given(
    rs: Any,
    sv: Any,
    lon: Any,
    lat: Any,
    bands: Any,
    bounds: Any,
    crs: str,
    tile_size_m: float | None,
    return_valid_fraction: bool,
) -> None:
    """Refuses arguments that would have no effect, and lon without lat or lat without lon."""
    if rs is None and sv is None and lon is None and lat is None:
        raise ValueError("No input was given, expected at least one of rs, sv, or lon and lat; pass one.")
    if (lon is None) != (lat is None):
        raise ValueError(f"Only {'lat' if lon is None else 'lon'} was given, expected lon and lat together; pass both.")
    if crs != WGS84 and bounds is None:
        raise ValueError(f"crs {shown(crs)} was given without bounds, expected both; leave crs out for GeoTIFFs.")
    if rs is None:
        needing = {"bands": bands, "bounds": bounds, "tile_size_m": tile_size_m}
        lonely = [name for name, value in needing.items() if value is not None]
        lonely += ["return_valid_fraction"] * return_valid_fraction
        if lonely:
            raise ValueError(
                f"{' and '.join(lonely)} {'was' if len(lonely) == 1 else 'were'} given without a tile, expected rs; pass rs, or "
                "leave it out."
            )


def _check_points(degrees: np.ndarray | None, sources: list[Any] | None) -> None:
    if degrees is None:
        return
    shape = degrees.shape[:-1]
    if len(shape) > 2 or 0 in shape:
        raise ValueError(f"lon, lat have shape {shape}, expected a scalar, (B,) or (B, Q) with at least one point.")
    if sources is not None and (shape[0] if shape else 1) != len(sources):
        raise ValueError(
            f"lon, lat have shape {shape} for {len(sources)} tiles, expected ({len(sources)},) or ({len(sources)}, Q); "
            "pass one row per tile."
        )


def _check_photos(photos: int, degrees: np.ndarray | None, sources: list[Any] | None) -> None:
    """With B tiles, B or B x Q photos are expected; with points alone, one photo per point."""
    points = None if degrees is None else degrees[..., 0].size
    allowed = {count for count in (None if sources is None else len(sources), points) if count is not None}
    if allowed and photos not in allowed:
        expected = " or ".join(str(count) for count in sorted(allowed))
        raise ValueError(
            f"{photos} photos were given, expected {expected} to match the tiles and points; pass that many."
        )


def _centres(degrees: np.ndarray | None, tile_size_m: float) -> list[tuple[float, float]]:
    """The point of each tile, which is the centre of its window."""
    if degrees is None:
        raise ValueError(
            f"tile_size_m {tile_size_m} was given without lon, lat, expected the centre of the window; pass both."
        )
    if degrees.ndim == 3 and degrees.shape[1] != 1:
        raise ValueError(
            f"tile_size_m was given with {degrees.shape[1]} points per tile, expected one, the window's centre; read the "
            "window first and pass it with its bounds."
        )
    return [(float(lon), float(lat)) for lon, lat in degrees.reshape(-1, 2)]


def _image_size(config: Any, name: str) -> dict[str, int]:
    """Height and width of a tower's images, from `image_size` or timm's `img_size`."""
    size = getattr(config, "image_size", None)
    if size is None:
        size = (getattr(config, "model_args", None) or {}).get("img_size")
    if isinstance(size, int):
        return {"height": size, "width": size}
    if isinstance(size, (list, tuple)) and len(size) == 2:
        return {"height": int(size[0]), "width": int(size[1])}
    raise ValueError(
        f"{name} of type {config.model_type!r} states the image size {size!r}, expected a whole number of pixels; set image_size, or "
        "model_args={'img_size': ...} for timm."
    )


__all__ = ["GairProcessor"]
