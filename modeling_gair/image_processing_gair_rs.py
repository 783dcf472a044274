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
Sentinel-2 tiles to pixels, in two steps. *Read* decodes one tile, selects its bands and checks them (NumPy, in workers);
*prepare* scales, normalises and resizes a batch (torch, on any device). Every tile takes the same path: source (a path or an
array) → raster (open, with band names and place) → bands (selected, checked and filled) → pixels (what the model takes).
"""

import math
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.processing_utils import ImagesKwargs

from .bands_gair import BAND_ORDERS, GAIR_BANDS, agreed_order, band_name, declared_order
from .crs_gair import Bounds, check_bounds, crs_name, ground_size_m, shown_crs
from .keywords_gair import LOADING_KEYWORDS, SAVED_KEYWORDS, names_of, refuse_unknown
from .pixels_gair import (
    SavedWhole,
    as_array,
    as_features,
    as_flag,
    as_list,
    as_number,
    as_size,
    listed,
    per_channel,
    prepare_by_shape,
    shown,
)
from .raster_gair import ArrayRaster, GairTile, GeoTIFF, PixelWindow, open_geotiff
from .reflectance_gair import Scale, check_declared_scales, check_pixels

# The published model's statistics: L2A surface reflectance times 10,000.
_RELEASE_MEAN = (1172.9397, 1378.0846, 1509.3327, 1750.0275, 2073.2758, 2207.3283, 2245.1629, 2284.6384)
_RELEASE_STD = (706.6250, 720.1862, 783.1424, 707.1962, 714.2782, 748.1827, 852.3585, 762.0849)
RS_BAND_MEAN = dict(zip(GAIR_BANDS, (*_RELEASE_MEAN, 2231.7283, 1899.1932)))
RS_BAND_STD = dict(zip(GAIR_BANDS, (*_RELEASE_STD, 690.0165, 669.9036)))

MIN_TILE_SIDE_M, MAX_TILE_SIDE_M = 500.0, 5000.0

_RS_DTYPES = ("uint16", "int16", "uint32", "int32", "int64", "float32", "float64")


class GairRSImagesKwargs(ImagesKwargs, total=False):
    r"""
    Settings of [`GairRSImageProcessor`], which loading may override, and arguments of its calls. Of the options that
    `ImagesKwargs` lists, `size` and `return_tensors` have an effect.

    bands (`Sequence[str]`, *optional*):
        As a setting, the model's bands; in a call, the names of the source's bands or a key of `BAND_ORDERS`.
    band_mean, band_std, antialias, quantize, clip_range, units, digital_number_offset, missing_bands, allow_any_scale:
        Settings; see [`GairRSImageProcessor`].
    bounds, crs:
        Arguments of calls; see [`~GairRSImageProcessor.preprocess`].
    """

    bands: str | Sequence[str] | None
    band_mean: dict[str, float] | None
    band_std: dict[str, float] | None
    antialias: bool
    quantize: bool
    clip_range: Sequence[float] | None
    units: str
    digital_number_offset: float
    missing_bands: str
    allow_any_scale: bool
    bounds: Any
    crs: str | None


class GairRSImageProcessor(SavedWhole, BaseImageProcessor):
    r"""
    Sentinel-2 tiles: selects bands by name, checks them, normalises each band to about [0, 1] and resizes.

    Args:
        bands (`Sequence[str]`, defaults to B02 B03 B04 B05 B06 B07 B08 B8A B11 B12):
            The model's bands, in its order.
        band_mean, band_std (`dict[str, float]`, *optional*):
            Mean and standard deviation of digital numbers by band name; mean - 2 std maps to 0 and mean + 2 std to 1.
            Default: the published model's.
        size (`dict[str, int]` or `int`, defaults to `{"height": 96, "width": 96}`):
            Height and width in pixels to which tiles are resized.
        antialias (`bool`, defaults to `True`):
            Whether downsampling is antialiased; the published model was trained without antialiasing.
        quantize (`bool`, defaults to `False`):
            Whether to truncate normalised pixels to 256 levels before resizing, as in the published model's training.
        clip_range (`Sequence[float]`, *optional*, defaults to `(0.0, 1.0)`):
            Range to which normalised pixels are clipped before resizing (bicubic resizing may overshoot it slightly).
        units (`str`, defaults to `"digital_number"`):
            Units of the tiles: `"digital_number"`, or `"reflectance"`, which is multiplied by 10,000.
        digital_number_offset (`float`, defaults to 0.0):
            Added to every digital number; -1000 for L2A products of processing baseline 04.00 and later that were not
            harmonised. Tags in a file never change it.
        missing_bands (`str`, defaults to `"error"`):
            What to do if a tile lacks a band: `"error"`, or `"mean"` to fill in the band's mean.
        allow_any_scale (`bool`, defaults to `False`):
            Whether to accept tiles with sides outside 0.5-5 km.
    """

    model_input_names = ["rs_pixel_values"]
    valid_kwargs = GairRSImagesKwargs

    def __init__(
        self,
        bands: Sequence[str] = GAIR_BANDS,
        band_mean: dict[str, float] | None = None,
        band_std: dict[str, float] | None = None,
        size: int | dict[str, int] = 96,
        antialias: bool = True,
        quantize: bool = False,
        clip_range: Sequence[float] | None = (0.0, 1.0),
        units: str = "digital_number",
        digital_number_offset: float = 0.0,
        missing_bands: str = "error",
        allow_any_scale: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(kwargs, names_of(GairRSImageProcessor.__init__), "GairRSImageProcessor", SAVED_KEYWORDS)
        super().__init__(**kwargs)
        self.bands = [band_name(name) or name for name in bands]
        self.band_mean = _statistics("band_mean", RS_BAND_MEAN if band_mean is None else band_mean)
        self.band_std = _statistics("band_std", RS_BAND_STD if band_std is None else band_std)
        self.size = as_size(size)
        self.antialias = as_flag("antialias", antialias)
        self.quantize = as_flag("quantize", quantize)
        self.clip_range = None if clip_range is None else [as_number("clip_range", limit) for limit in clip_range]
        self.units = units
        self.digital_number_offset = as_number("digital_number_offset", digital_number_offset)
        self.missing_bands = missing_bands
        self.allow_any_scale = as_flag("allow_any_scale", allow_any_scale)
        self._check_settings()

    @classmethod
    def from_dict(cls, image_processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Creates a processor from saved settings, some of which may be overridden; unknown ones are refused."""
        refuse_unknown(kwargs, names_of(cls.__init__), cls.__name__, LOADING_KEYWORDS)
        return super().from_dict(image_processor_dict, **kwargs)

    def _check_settings(self) -> None:
        if not self.bands or len(set(self.bands)) != len(self.bands):
            raise ValueError(f"bands is {self.bands}, expected at least one band and no band twice.")
        for name in self.bands:
            if name not in self.band_mean or not self.band_std.get(name, 0) > 0:
                raise ValueError(f"Band {name} lacks a band_mean or a band_std above 0; pass both, keyed by band name.")
        if self.units not in ("digital_number", "reflectance"):
            raise ValueError(f"units is {self.units!r}, expected 'digital_number' or 'reflectance'.")
        if self.missing_bands not in ("error", "mean"):
            raise ValueError(f"missing_bands is {self.missing_bands!r}, expected 'error' or 'mean'.")
        if self.clip_range is not None and not (len(self.clip_range) == 2 and self.clip_range[0] < self.clip_range[1]):
            raise ValueError(f"clip_range is {self.clip_range}, expected None or two numbers, the smaller one first.")

    def to_dict(self) -> dict[str, Any]:
        """The settings as saved. transformers leaves out None, but `clip_range=None` is a setting."""
        return {**super().to_dict(), "clip_range": self.clip_range}

    @property
    def _scale(self) -> Scale:
        return Scale(self.units, self.digital_number_offset)

    def open(self, path: str | os.PathLike, crs: str | None = None) -> AbstractContextManager[GeoTIFF]:
        """
        Opens a GeoTIFF of any size, of which [`~GairRSImageProcessor.read`] then reads many windows.

        Args:
            path (`str` or `os.PathLike`): a local GeoTIFF.
            crs (`str`, *optional*): the CRS to warp it to while it is read (nearest neighbours); its own by default.

        Returns:
            A context manager of the open raster, with its `height`, `width` and `grid`.

        Raises:
            ValueError: on entering, for an unreadable file, an unknown CRS, or a file without georeference that is to be
                warped.
        """
        return open_geotiff(path, crs)

    def read(
        self,
        source: Any,
        *,
        bands: str | Sequence[str] | None = None,
        bounds: Any = None,
        crs: str | None = None,
        window: PixelWindow | None = None,
        tile_size_m: float | None = None,
        lon: float | None = None,
        lat: float | None = None,
    ) -> GairTile:
        """
        Reads one tile: decodes it, selects the bands by name, checks them, and fills pixels without data with the bands'
        means.

        Args:
            source (`str`, `os.PathLike`, `np.ndarray` or `torch.Tensor`): a local GeoTIFF, also an open one, or pixels
                `(C, H, W)` with row 0 in the north; NaN marks pixels without data.
            bands (`str` or `Sequence[str]`, *optional*): the source's band names in its order, or a key of
                `BAND_ORDERS`. Required if the source does not name its bands.
            bounds (`tuple[float, float, float, float]`, *optional*): west, south, east, north of a source that is not
                georeferenced.
            crs (`str`, `int`, `dict` or object, *optional*): CRS of `bounds`; a code, WKT, PROJJSON, or a CRS of pyproj or
                rasterio. `"EPSG:4326"` by default.
            window (`tuple[int, int, int, int]`, *optional*): read only a window of a GeoTIFF: left, top, right, bottom in
                pixels from its north-west; pixels beyond the raster count as no-data.
            tile_size_m (`float`, *optional*): read only a window of a GeoTIFF with this side in metres; pixels beyond the
                raster count as no-data.
            lon, lat (`float`, *optional*): centre of that window in degrees.

        Returns:
            `GairTile`: the bands in the source's own dtype and units, in the order of `self.bands`.

        Raises:
            ValueError: for bands that are unnamed, absent, duplicated or contradictory; an unsupported dtype, inf,
                implausible units, no data at all; a size on the ground outside 0.5-5 km; an unreadable file.
        """
        declared = declared_order(bands)
        if crs is not None and bounds is None:
            raise ValueError(f"crs {shown(crs)} was given without bounds, expected both; a GeoTIFF has its own.")
        self._check_window(tile_size_m, lon, lat)
        if window is not None and tile_size_m is not None:
            raise ValueError("window and tile_size_m were both given, expected one of them to read a window.")
        with _opened(source) as raster:
            if bounds is not None and raster.georeferenced:
                raise ValueError(f"bounds were given for {raster.path}, which is georeferenced; leave bounds out.")
            positions = self._positions(agreed_order(raster.names, declared, raster.path), raster.path)
            present = [position for position in positions if position is not None]
            check_declared_scales([raster.scales[position] for position in present], self.units, raster.path)
            found, missing, own_bounds, own_crs = raster.read(
                present, window=window, tile_size_m=tile_size_m, lon=lon, lat=lat
            )
        filled, missing = self._checked(found, missing, positions, raster.path)
        if own_bounds is None and bounds is not None:
            own_crs = "EPSG:4326" if crs is None else crs_name(crs)
            own_bounds = check_bounds(bounds, own_crs)
        if own_bounds is not None and tile_size_m is None:
            self._check_scale(own_bounds, own_crs or "EPSG:4326")
        return GairTile(filled, own_bounds, own_crs, float(1.0 - missing.mean()), missing)

    def prepare(self, tiles: Any, device: Any = None) -> torch.Tensor:
        """
        Scales, normalises and resizes tiles read by [`~GairRSImageProcessor.read`].

        Args:
            tiles (list of `np.ndarray` or `torch.Tensor`, or one): bands `(C, H, W)` of any sizes, or one batch
                `(B, C, H, W)`; in the order of `self.bands`.
            device (*optional*): where to compute.

        Returns:
            `torch.Tensor` of shape `(B, C, height, width)`, float32, nominally in [0, 1].
        """
        for tile in as_list(tiles):
            if tile.ndim != 3 or tile.shape[0] != len(self.bands):
                raise ValueError(
                    f"A tile has shape {tuple(tile.shape)}, expected ({len(self.bands)}, H, W); pass it through read first."
                )
        return prepare_by_shape(tiles, device, self.size, self.antialias, before=self._normalise)

    def preprocess(
        self,
        images: Any,
        *,
        bands: str | Sequence[str] | None = None,
        bounds: Any = None,
        crs: str | None = None,
        return_tensors: str | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """
        Reads and prepares tiles.

        Args:
            images: one tile or a list, each as in [`~GairRSImageProcessor.read`]; an array `(B, C, H, W)` is a list of B.
            bands, crs: as in [`~GairRSImageProcessor.read`], the same for all tiles.
            bounds (*optional*): west, south, east, north of a single tile, or a list with one (or None) per tile.
            return_tensors (`str`, *optional*): `"pt"` or `"np"`; NumPy arrays by default.

        Returns:
            `BatchFeature` with `rs_pixel_values` `(B, C, height, width)`.

        Raises:
            ValueError: for what [`~GairRSImageProcessor.read`] refuses, and for unknown arguments.
        """
        refuse_unknown(kwargs, names_of(self.preprocess), "A call of GairRSImageProcessor")
        sources = as_list(images)
        tiles = [
            self.read(source, bands=bands, bounds=box, crs=None if box is None else crs)
            for source, box in zip(sources, bounds_per_tile(bounds, len(sources)))
        ]
        return as_features({"rs_pixel_values": self.prepare([tile.pixels for tile in tiles])}, return_tensors)

    def _normalise(self, batch: torch.Tensor) -> torch.Tensor:
        mean, std = (
            per_channel([statistics[name] for name in self.bands], batch.device)
            for statistics in (self.band_mean, self.band_std)
        )
        # A copy, which the rest overwrites: fresh memory for each step would take longer than the sums.
        pixels = batch.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        pixels.mul_(self._scale.numbers_per_unit).add_(self.digital_number_offset)
        pixels.sub_(mean - 2 * std).div_(4 * std)
        if self.clip_range is not None:
            pixels.clamp_(*self.clip_range)
        if self.quantize:
            pixels.mul_(255).clamp_(0, 255).trunc_().div_(255)
        return pixels

    def _positions(self, order: Sequence[str | None], source: str) -> list[int | None]:
        """The position of each of `self.bands` in a raster, None for absent bands."""
        named = [name for name in order if name is not None]
        double = sorted({name for name in named if named.count(name) > 1})
        if double:
            raise ValueError(f"{source} names {listed(double)} more than once; keep one band per name.")
        lacking = [name for name in self.bands if name not in named]
        if len(lacking) == len(self.bands) or (lacking and self.missing_bands == "error"):
            raise ValueError(
                f"{source} lacks {listed(lacking)} (it has {listed(named)}); add them, or set "
                "missing_bands='mean' to fill in the means of absent bands."
            )
        return [order.index(name) if name in named else None for name in self.bands]

    def _checked(
        self, found: np.ndarray, missing: np.ndarray, positions: list[int | None], source: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        Checks the bands found in a raster, fills pixels without data, and adds absent bands. Returns the bands in the order
        of `self.bands`, and the mask of pixels without data.
        """
        if found.dtype.name not in _RS_DTYPES:
            raise ValueError(
                f"{source} contains {found.dtype}, expected reflectance or digital numbers as {' or '.join(_RS_DTYPES)}; take the "
                "values of the product."
            )
        present = [band for band, position in enumerate(positions) if position is not None]
        missing = check_pixels(found, missing, [self.bands[band] for band in present], self._scale, source)
        whole = not missing.any()
        if whole and None not in positions:
            return found, missing
        values = np.array([self._fill_value(band, found.dtype) for band in self.bands], found.dtype)
        filled = np.broadcast_to(values[:, None, None], (len(values), *missing.shape)).copy()
        filled[present] = found
        if not whole:
            filled[:, missing] = values[:, None]
        return filled, missing

    def _fill_value(self, band: str, dtype: np.dtype) -> float:
        """The band's mean in the units and dtype of the tile."""
        value = self._scale.value_of(self.band_mean[band])
        if dtype.kind == "f":
            return value
        if not np.iinfo(dtype).min <= round(value) <= np.iinfo(dtype).max:
            raise ValueError(
                f"The mean of {band} is {value:.0f} in the tile's units, which is out of range for {dtype}; use int32."
            )
        return round(value)

    def _check_window(self, tile_size_m: float | None, lon: float | None, lat: float | None) -> None:
        if tile_size_m is None:
            if lon is not None or lat is not None:
                raise ValueError(
                    f"lon {lon}, lat {lat} were given without tile_size_m, expected all three to read a window."
                )
            return
        if lon is None or lat is None:
            raise ValueError(
                f"tile_size_m {tile_size_m} was given without lon, lat, expected all three to read a window."
            )
        if not (math.isfinite(tile_size_m) and tile_size_m > 0):
            raise ValueError(f"tile_size_m is {tile_size_m}, expected metres above 0.")
        if not (self.allow_any_scale or MIN_TILE_SIDE_M <= tile_size_m <= MAX_TILE_SIDE_M):
            raise ValueError(
                f"tile_size_m is {tile_size_m}, expected 500 to 5000 m; set allow_any_scale=True to accept other sizes."
            )

    def _check_scale(self, bounds: Bounds, crs: str) -> None:
        if self.allow_any_scale:
            return
        width, height = ground_size_m(bounds, crs)
        if min(width, height) < MIN_TILE_SIDE_M or max(width, height) > MAX_TILE_SIDE_M:
            raise ValueError(
                f"The tile with bounds {bounds} in {shown_crs(crs)} measures {width:.0f} x {height:.0f} m, expected sides of 500 to "
                "5000 m; read a window with tile_size_m, lon and lat, or set allow_any_scale=True."
            )


def _statistics(name: str, values: Any) -> dict[str, float]:
    """Statistics by band as plain numbers, so that they can be saved."""
    if not isinstance(values, Mapping):
        raise ValueError(
            f"{name} is {shown(values)}, expected a number per band, such as {{'B02': 1172.9}}; pass a dict."
        )
    return {band_name(band) or band: as_number(f"{name} of {band}", value) for band, value in values.items()}


def bounds_per_tile(bounds: Any, tiles: int) -> list[Any]:
    """The bounds of each tile, from one per tile or from four bare numbers for a single tile; None for tiles without."""
    if bounds is None:
        return [None] * tiles
    if len(bounds) == 4 and all(isinstance(side, (int, float, np.number)) for side in bounds):
        bounds = [bounds]
    if len(bounds) != tiles:
        raise ValueError(f"bounds contains {len(bounds)} boxes for {tiles} tiles, expected one per tile.")
    return list(bounds)


def _opened(source: Any) -> AbstractContextManager[GeoTIFF | ArrayRaster]:
    if isinstance(source, GeoTIFF):
        return nullcontext(source)
    if isinstance(source, (str, os.PathLike)):
        return open_geotiff(source)
    return nullcontext(ArrayRaster(as_array(source, "a GeoTIFF's path or an array of shape (C, H, W)")))


__all__ = ["BAND_ORDERS", "GAIR_BANDS", "GairRSImageProcessor"]
