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
"""The model, its configuration, and the keyword arguments of the processors."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from modeling_gair import (
    GairConfig,
    GairCoordinateProcessor,
    GairEncodedTiles,
    GairLocationConfig,
    GairLocationEncoder,
    GairModel,
    GairProcessor,
    GairRSConfig,
    GairRSImageProcessor,
    GairSVImageProcessor,
)
from tests.bad_inputs.case import MODEL, Case, Refused, Right
from tests.helpers.models import pixel_model


@cache
def _model() -> GairModel:
    return GairModel.from_pretrained(MODEL).eval().requires_grad_(False)


@cache
def _processor() -> GairProcessor:
    return GairProcessor.from_pretrained(MODEL)


@cache
def _reading() -> GairModel:
    """A model that reads pixels, in blocks that divide no tile of the processor's size."""
    return pixel_model(pixel_pooling=5)


def _encoded(**changed: Any) -> GairEncodedTiles:
    """A tile of 80 pixels, which these blocks divide, encoded by this model; with other contents where they are given."""
    tiles = _reading().encode_tiles(torch.zeros(1, 10, 80, 80))
    return GairEncodedTiles(**{**tiles, **changed})


def _localized(**changed: Any) -> Callable[[Path], Any]:
    return lambda folder: _reading().localize(_encoded(**changed), _POINTS)


_TILES, _PHOTOS = torch.zeros(1, 10, 96, 96), torch.zeros(1, 3, 64, 64)
_PLACES, _POINTS = torch.tensor([[13.4, 52.5]]), torch.full((1, 1, 2), 0.5)
_TILE = np.full((10, 200, 200), 2000, np.uint16)
_PHOTO = np.zeros((48, 64, 3), np.uint8)


def _forward(**inputs: Any) -> Callable[[Path], Any]:
    return lambda folder: _model()(**inputs)


def _call(**arguments: Any) -> Callable[[Path], Any]:
    return lambda folder: _processor()(**arguments)


def _made(kind: Any, **settings: Any) -> Callable[[Path], Any]:
    return lambda folder: kind(**settings)


def _loaded(kind: Any, **settings: Any) -> Callable[[Path], Any]:
    return lambda folder: kind.from_pretrained(MODEL, **settings)


def _is_found(outputs: Any) -> bool:
    return bool(torch.isfinite(outputs.location_embeds).all())


FORWARD: list[Case] = [
    Refused("no input", _forward(), "No input was given"),
    Refused("input of another library's models", _forward(pixel_values=_PHOTOS), "did you mean '[rs][sv]_pixel_values'"),
    Refused("misspelt input", _forward(rs_pixel_values=_TILES, query_point=_POINTS), "did you mean 'query_points'"),
    Refused("misspelt coordinates", _forward(sv_pixel_values=_PHOTOS, coordinate=_PLACES), "did you mean 'coordinates'"),
    Refused("unknown input", _forward(coordinates=_PLACES, elevation=_PLACES), "'elevation', which would have no effect"),
    Refused("labels", _forward(coordinates=_PLACES, labels=torch.zeros(1)), "takes no argument 'labels'"),
    Refused("unknown input of the RS tower", lambda folder: _model().rs_model(_TILES, visible=_POINTS), "RS tower takes no"),
    Right("the library's switches", _forward(coordinates=_PLACES, output_hidden_states=True, num_items_in_batch=1), _is_found),
    Right("as a tuple", _forward(coordinates=_PLACES, return_dict=False), lambda found: isinstance(found, tuple)),
    Right("valid_fraction", _forward(coordinates=_PLACES, valid_fraction=torch.ones(1)), _is_found),
    Right("arguments of a wrapper, as None", _forward(coordinates=_PLACES, input_ids=None), _is_found),
    Refused("points without tiles", _forward(coordinates=_PLACES, query_points=_POINTS), "pass their tiles too"),
    Refused("loss without photos", _forward(coordinates=_PLACES, return_loss=True), "return_loss needs"),
    Refused("bfloat16 places", _forward(coordinates=_PLACES.bfloat16()), "too coarse for places"),
    Refused("float16 places", _forward(coordinates=_PLACES.half()), "too coarse for places"),
    Refused("float16 points", _forward(rs_pixel_values=_TILES, query_points=_POINTS.half()), "query_points has the dtype"),
    Right("float64 places", _forward(coordinates=_PLACES.double()), _is_found),
    Right("whole degrees", _forward(coordinates=torch.tensor([[13, 52]])), _is_found),
    Right("float64 pixels", _forward(rs_pixel_values=_TILES.double()), lambda found: found.rs_embeds.dtype == torch.float32),
    Right("half pixels", _forward(sv_pixel_values=_PHOTOS.half()), lambda found: found.sv_embeds.dtype == torch.float32),
    Refused("three coordinates", _forward(coordinates=torch.zeros(1, 3)), r"expected \(..., 2\): lon, lat"),
    Refused("bands last", _forward(rs_pixel_values=_TILES.permute(0, 2, 3, 1)), "prepare them with the processor"),
    Refused("odd side", _forward(rs_pixel_values=torch.zeros(1, 10, 90, 90)), "multiple of the patch size"),
    Refused("points of two tiles in one", _forward(rs_pixel_values=_TILES, query_points=torch.zeros(2, 1, 2)), "query_points"),
    Refused("unknown mode", lambda folder: _model().get_localized_rs_features(_TILES, _POINTS, "cubic"), "mode is 'cubic'"),
    Refused("bare tokens", lambda folder: _model().localize(torch.zeros(1, 144, 96), _POINTS), "tiles is Tensor, expected enc"),
    Refused("a tower's output", lambda folder: _model().localize(_model().rs_model(_TILES), _POINTS), "expected encoded tiles"),
    Refused("bare tokens for a map", lambda folder: _model().feature_map(torch.zeros(1, 144, 96), (2, 2)), "pass what model.enc"),
    Right("encoded tiles", _localized(), lambda found: found.shape == (1, 1, 96)),
    Refused("tiles of a model without pixels", _localized(rs_pixel_values=None), "with this model's encode_tiles"),
    Refused("pixels with other bands", _localized(rs_pixel_values=torch.zeros(1, 3, 80, 80)), r"expected \(B, 10, H, H\)"),
    Refused("pixels of no square", _localized(rs_pixel_values=torch.zeros(1, 10, 80, 40)), r"expected \(B, 10, H, H\)"),
    Refused("pixels of other tiles", _localized(rs_pixel_values=torch.zeros(2, 10, 80, 80)), "1 tiles and the pixels of 2"),
    Refused("blocks do not divide the tile", lambda folder: _reading()(rs_pixel_values=_TILES, query_points=_POINTS), "pixel_pooling, 5 p"),
    Refused("empty map", lambda folder: _model().get_rs_feature_map(_TILES, (0, 4)), "each at least 1"),
]  # fmt: skip

CONFIGS: list[Case] = [
    Refused("misspelt setting", _made(GairConfig, temprature=0.1), "did you mean 'temperature'"),
    Refused("misspelt setting in a part", _made(GairConfig, rs_config={"hidden_sise": 96}), "did you mean 'hidden_size'"),
    Refused("misspelt RS setting", _made(GairRSConfig, patch_sizes=8), "did you mean 'patch_size'"),
    Refused("misspelt location setting", _made(GairLocationConfig, scale=[1.0]), "did you mean 'scales'"),
    Right("settings of another version", _made(GairConfig, some_later_idea=3), lambda found: found.some_later_idea == 3),
    Right("the library's settings", _made(GairConfig, torch_dtype="float32"), lambda found: found.dtype == torch.float32),
    Refused("unknown type of tower", _made(GairConfig, sv_config={"model_type": "vitt"}), "check the spelling"),
    Refused("wrong value", _made(GairConfig, query_mode="cubic"), "^GairConfig.query_mode is 'cubic'; expected one of"),
    Refused("wrong type", _made(GairConfig, temperature="0.1"), "temperature is '0.1', expected float . int"),
    Refused("a value that is none", _made(GairConfig, temperature=float("nan")), "temperature is nan"),
    Refused("wrong value in a part", _made(GairConfig, rs_config={"hidden_size": 95}), "^GairRSConfig.hidden_size is 95"),
    Refused("wrong type in a part", _made(GairConfig, sv_config={"image_size": "x"}), "type 'vit' is refused.*'image_size'"),
    Refused("a part that is none", _made(GairConfig, rs_config=5), "The config of a tower is 5"),
    Refused("even window of pixels", _made(GairConfig, pixel_window=4), "pixel_window is 4; expected 0 .* or an odd number"),
    Refused("negative window of pixels", _made(GairConfig, pixel_window=-3), "pixel_window is -3; expected 0"),
    Refused("window of half pixels", _made(GairConfig, pixel_window=2.5), "pixel_window is 2.5, expected int"),
    Refused("no hidden layer for pixels", _made(GairConfig, pixel_hidden_size=0), "pixel_hidden_size is 0; it must be"),
    Refused("no layers for pixels", _made(GairConfig, pixel_layers=0), "pixel_layers is 0; it must be greater"),
    Refused("blocks of no pixels", _made(GairConfig, pixel_pooling=-1), "pixel_pooling is -1; it must be greater"),
    Refused("unknown start of the window's map", _made(GairConfig, pixel_init="zeros"), "^GairConfig.pixel_init is 'zeros'"),
    Refused("unknown start of the patches' map", _made(GairRSConfig, pixel_init="he"), "^GairRSConfig.pixel_init is 'he'"),
    Refused("misspelt window", _made(GairConfig, pixel_windows=5), "did you mean 'pixel_window'"),
    Refused("wrong value on loading", _loaded(GairModel, query_mode="cubic"), "^GairConfig.query_mode is 'cubic'"),
    Refused("wrong type assigned", lambda folder: setattr(GairConfig.tiny(), "nili_init", 3), "nili_init is 3, expected str"),
    Refused("encoder alone without its width", lambda folder: GairLocationEncoder(GairLocationConfig()), "output_size"),
]  # fmt: skip

KEYWORDS: list[Case] = [
    Refused("misspelt setting of the RS processor", _made(GairRSImageProcessor, antialas=False), "did you mean 'antialias'"),
    Refused("the library's RS setting", _made(GairRSImageProcessor, do_resize=False), "'do_resize', which would have no"),
    Refused("misspelt SV setting", _made(GairSVImageProcessor, image_means=[1, 2, 3]), "did you mean 'image_mean'"),
    Refused("the library's SV setting", _made(GairSVImageProcessor, do_rescale=True), "'do_rescale', which would have no"),
    Refused("a setting of coordinates", _made(GairCoordinateProcessor, wrap=True), "expected none"),
    Refused("misspelt RS override", _loaded(GairRSImageProcessor, missing_band="mean"), "did you mean 'missing_bands'"),
    Refused("misspelt SV override", _loaded(GairSVImageProcessor, antialiasing=True), "did you mean 'antialias'"),
    Refused("misspelt override of all", _loaded(GairProcessor, digital_number_ofset=-1000), "'digital_number_offset'"),
    Refused("override of coordinates", _loaded(GairCoordinateProcessor, crs="EPSG:4326"), "'crs', which would have no"),
    Refused("wrong override", _loaded(GairRSImageProcessor, units="percent"), "units is 'percent'"),
    Right("an override", _loaded(GairProcessor, antialias=False), lambda found: not found.image_processor.antialias),
    Right("an SV override", _loaded(GairSVImageProcessor, antialias=False), lambda found: found.size["height"] == 64),
    Right("a loading option", _loaded(GairRSImageProcessor, local_files_only=True), lambda found: found.size["height"] == 96),
    Refused("misspelt argument", _call(rs=_TILE, bands="gair_10", tile_size=2000), "did you mean 'tile_size_m'"),
    Refused("unknown argument", _call(images=_PHOTO), "'images', which would have no effect"),
    Refused("a setting in a call", _call(sv=_PHOTO, antialias=False), "'antialias', which would have no effect"),
    Refused("RS argument", lambda folder: _processor().image_processor(_TILE, band="gair_10"), "did you mean 'bands'"),
    Refused("SV argument", lambda folder: _processor().sv_image_processor(_PHOTO, size=32), "expected images, return_tensors"),
    Refused("argument of coordinates", lambda folder: _processor().feature_extractor(1, 2, epsg=4326), "expected bounds, crs, lat, lon"),
]  # fmt: skip

CASES: list[Case] = FORWARD + CONFIGS + KEYWORDS
