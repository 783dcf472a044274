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
Street views to pixels, in two steps. *Read* decodes and checks one photo (NumPy, in workers); *prepare* normalises and
resizes a batch (torch, on any device).
"""

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from PIL import ExifTags, Image
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.processing_utils import ImagesKwargs, ProcessorMixin

from .keywords_gair import LOADING_KEYWORDS, SAVED_KEYWORDS, names_of, refuse_unknown
from .pixels_gair import (
    SavedWhole,
    as_array,
    as_features,
    as_flag,
    as_list,
    as_number,
    as_size,
    local_file,
    per_channel,
    prepare_by_shape,
)

SV_MEAN = (135.47184384, 142.28621995, 145.12271992)
SV_STD = (59.19978436, 59.35279219, 72.02295734)

# Pillow opens an MPO through JPEG.
_SV_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
# The TIFF tag that says how many bands there are.
_SAMPLES_PER_PIXEL = 277

# What makes an image upright that is stored in an orientation of EXIF 2.32, table 6 (tag 0x0112); 1 is upright.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class GairSVImagesKwargs(ImagesKwargs, total=False):
    r"""
    Settings of [`GairSVImageProcessor`], which loading may override, and arguments of its calls. Of the options that
    `ImagesKwargs` lists, `image_mean`, `image_std`, `size` and `return_tensors` have an effect.

    antialias, draft (`bool`):
        Settings; see [`GairSVImageProcessor`].
    """

    antialias: bool
    draft: bool


class GairSVImageProcessor(SavedWhole, BaseImageProcessor):
    r"""
    Street views: converts photos to RGB, normalises each channel and resizes without keeping the aspect ratio.

    Args:
        image_mean, image_std (`Sequence[float]`, *optional*):
            Mean and standard deviation of red, green, blue in 0-255. Default: the published model's.
        size (`dict[str, int]` or `int`, defaults to 224):
            Height and width in pixels to which photos are resized.
        antialias (`bool`, defaults to `True`):
            Whether downsampling is antialiased; the published model was trained without antialiasing.
        draft (`bool`, defaults to `False`):
            Whether large JPEGs are decoded at a half, a quarter or an eighth of their size, but not below `size`, which takes a
            fraction of the time; pixels differ by about one of 255 levels in the mean from those of the whole photo.
    """

    model_input_names = ["sv_pixel_values"]
    valid_kwargs = GairSVImagesKwargs

    def __init__(
        self,
        image_mean: Sequence[float] = SV_MEAN,
        image_std: Sequence[float] = SV_STD,
        size: int | dict[str, int] = 224,
        antialias: bool = True,
        draft: bool = False,
        **kwargs: Any,
    ) -> None:
        refuse_unknown(kwargs, names_of(GairSVImageProcessor.__init__), "GairSVImageProcessor", SAVED_KEYWORDS)
        super().__init__(**kwargs)
        self.image_mean = [as_number("image_mean", value) for value in image_mean]
        self.image_std = [as_number("image_std", value) for value in image_std]
        self.size = as_size(size)
        self.antialias, self.draft = as_flag("antialias", antialias), as_flag("draft", draft)
        if len(self.image_mean) != 3 or len(self.image_std) != 3 or not min(self.image_std) > 0:
            raise ValueError(
                f"image_mean is {self.image_mean} and image_std {self.image_std}, expected three numbers each, "
                "image_std above 0; pass them for red, green and blue."
            )

    @classmethod
    def get_image_processor_dict(
        cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The saved settings: of a whole [`GairProcessor`], those for photos and not those for tiles."""
        settings, unused = super().get_image_processor_dict(pretrained_model_name_or_path, **kwargs)
        whole, _ = ProcessorMixin.get_processor_dict(pretrained_model_name_or_path, **kwargs)
        return whole.get("sv_image_processor", settings), unused

    @classmethod
    def from_dict(cls, image_processor_dict: dict[str, Any], **kwargs: Any) -> Any:
        """Creates a processor from saved settings, some of which may be overridden; unknown ones are refused."""
        refuse_unknown(kwargs, names_of(cls.__init__), cls.__name__, LOADING_KEYWORDS)
        return super().from_dict(image_processor_dict, **kwargs)

    def read(self, source: Any) -> np.ndarray:
        """
        Reads one photo as RGB, upright according to its EXIF orientation.

        Args:
            source (`str`, `os.PathLike`, `bytes`, `PIL.Image.Image`, `np.ndarray` or `torch.Tensor`): a local JPEG,
                MPO, PNG, WEBP, TIFF, BMP or GIF file, the bytes of one, an image, or an array `(H, W)` or `(H, W, C)`
                with 1, 3 or 4 channels in uint8 or uint16. Transparent pixels are blended with white; 16 bits are rounded
                to 8.

        Returns:
            `np.ndarray` of shape `(H, W, 3)`, uint8; smaller than the photo if `draft` is set.

        Raises:
            ValueError: for a remote path; a file that is of another format, truncated, animated or far too large; and
                arrays of other shapes and dtypes.
        """
        if isinstance(source, (bytes, bytearray, memoryview)):
            return _decode_photo(io.BytesIO(source), "The given bytes", self._least_side)
        if isinstance(source, (str, os.PathLike)):
            return _decode_photo(local_file(source), repr(os.fspath(source)), self._least_side)
        if isinstance(source, Image.Image):
            with _decodable("The given image"):
                source.load()
            return _photo_to_rgb(upright(source), "The given image")
        return _array_to_rgb(as_array(source, "a path, bytes, a PIL image or an array of shape (H, W, 3)"))

    @property
    def _least_side(self) -> int | None:
        """The smallest side to which a JPEG may be reduced while it is decoded, whichever way it is turned afterwards."""
        return max(self.size.values()) if self.draft else None

    def prepare(self, images: Any, device: Any = None) -> torch.Tensor:
        """
        Normalises and resizes photos read by [`~GairSVImageProcessor.read`].

        Args:
            images (list of `np.ndarray` or `torch.Tensor`, or one): RGB `(H, W, 3)` of any sizes in 0-255, or one batch
                `(B, H, W, 3)`.
            device (*optional*): where to compute.

        Returns:
            `torch.Tensor` of shape `(B, 3, height, width)`, float32.
        """
        for image in as_list(images):
            if image.ndim != 3 or image.shape[2] != 3:
                raise ValueError(
                    f"A photo has shape {tuple(image.shape)}, expected (H, W, 3); pass it through read first."
                )
        return prepare_by_shape(
            images, device, self.size, self.antialias, before=_channels_first, after=self._normalise
        )

    def preprocess(self, images: Any, *, return_tensors: str | None = None, **kwargs: Any) -> BatchFeature:
        """
        Reads and prepares photos.

        Args:
            images: one photo or a list, each as in [`~GairSVImageProcessor.read`]; an array `(B, H, W, 3)` is a list of B.
            return_tensors (`str`, *optional*): `"pt"` or `"np"`; NumPy arrays by default.

        Returns:
            `BatchFeature` with `sv_pixel_values` `(B, 3, height, width)`.

        Raises:
            ValueError: for what [`~GairSVImageProcessor.read`] refuses, and for unknown arguments.
        """
        refuse_unknown(kwargs, names_of(self.preprocess), "A call of GairSVImageProcessor")
        photos = [self.read(source) for source in as_list(images)]
        return as_features({"sv_pixel_values": self.prepare(photos)}, return_tensors)

    def _normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """In place, after resizing: the weights of an interpolation sum to 1, so that the two commute."""
        mean, std = (per_channel(values, pixels.device) for values in (self.image_mean, self.image_std))
        return pixels.sub_(mean).div_(std)


def _channels_first(batch: torch.Tensor) -> torch.Tensor:
    pixels = batch.permute(0, 3, 1, 2)
    return pixels.to(torch.float32, memory_format=torch.contiguous_format, copy=True)


def _decode_photo(file: Any, what: str, least_side: int | None) -> np.ndarray:
    with _decodable(what):
        image = Image.open(file, formats=_SV_FORMATS)
    with image:
        with _decodable(what):
            # An MPO contains a photo and its preview, not frames of an animation.
            animated = image.format != "MPO" and getattr(image, "is_animated", False)
        if animated:
            raise ValueError(f"{what} is animated or has several pages, expected one photo; save one frame of it.")
        # Of some TIFFs, Pillow reads the first band alone.
        samples, bands = getattr(image, "tag_v2", {}).get(_SAMPLES_PER_PIXEL, 1), len(image.getbands())
        if bands < min(samples, 3):
            raise ValueError(
                f"{what} has {samples} bands, of which {bands} would be read, expected a photo; save a photo as PNG, and pass a tile as rs."
            )
        with _decodable(what):
            if least_side is not None:
                # Of other formats than JPEG, it has no effect.
                image.draft(image.mode, (least_side, least_side))
            image.load()
        return _photo_to_rgb(upright(image), what)


@contextmanager
def _decodable(what: str) -> Iterator[None]:
    """Makes one sentence of whatever Pillow's decoders raise for a damaged image, of which many kinds are not documented."""
    try:
        yield
    except Image.DecompressionBombError as error:
        raise ValueError(f"{what} has too many pixels for a photo; downsize it first.") from error
    except Exception as error:
        raise ValueError(
            f"{what} cannot be decoded, expected an intact {', '.join(_SV_FORMATS[:-1])} or {_SV_FORMATS[-1]} image; save "
            "it again."
        ) from error


def upright(image: Image.Image) -> Image.Image:
    """
    A loaded image turned as its orientation says. Nothing else of its metadata is parsed or, as Pillow's `exif_transpose` does,
    written again: photos whose metadata are odd elsewhere are photos all the same.
    """
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    # Pillow's parser raises many kinds of errors. Where no orientation can be read, none is declared.
    except Exception:
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def _photo_to_rgb(image: Image.Image, what: str) -> np.ndarray:
    if image.mode.startswith("I"):
        grey = np.asarray(image)
        if grey.min() < 0 or grey.max() > 65535:
            raise ValueError(
                f"{what} contains 32-bit values outside 0-65535, expected 8 or 16 bits; save it with 8 bits."
            )
        return _array_to_rgb(grey.astype(np.uint16))
    if image.mode == "F":
        raise ValueError(f"{what} contains floating-point values, expected 8 or 16 bits; save it with 8 bits.")
    with _decodable(what):
        if image.has_transparency_data:
            return _on_white(np.asarray(image.convert("RGBA")))
        return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _array_to_rgb(array: np.ndarray) -> np.ndarray:
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ValueError(f"The photo has shape {array.shape}, expected (H, W), (H, W, 3) or (H, W, 4); transpose it.")
    if array.dtype == np.uint16:
        if 0 < array.max() <= 255:
            raise ValueError(
                f"The photo has 16 bits but no value above {array.max()}, which would be black, expected 0-65535; convert it to uint8."
            )
        # 65535 / 257 = 255: maps the full range to the full range, with rounding.
        array = ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ValueError(f"The photo has dtype {array.dtype}, expected uint8 (0-255) or uint16 (0-65535); convert it.")
    if array.shape[2] == 4:
        return _on_white(array)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def _on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:].astype(np.uint32)
    return ((rgba[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


__all__ = ["GairSVImageProcessor"]
