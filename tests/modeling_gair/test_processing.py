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
"""GairProcessor: counts, keys and shapes of what the model takes, saving and loading, the real pairs."""

import csv
import inspect
import warnings

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import ViTConfig
from transformers.processing_utils import ImagesKwargs, ProcessingKwargs

from modeling_gair import GairConfig, GairProcessor, GairRSImageProcessor, GairSVImageProcessor

BOUNDS = (10.0, 50.0, 10.02, 50.02)


@pytest.fixture(scope="module")
def processor():
    return GairProcessor.for_config(GairConfig.tiny())


@pytest.fixture(scope="module")
def tile():
    return np.random.default_rng(0).integers(1, 4000, (10, 30, 30)).astype(np.uint16)


@pytest.fixture(scope="module")
def photo():
    return Image.new("RGB", (40, 30), "teal")


def shapes(features):
    return {key: tuple(value.shape) for key, value in features.items()}


def test_one_pair_gives_every_input_of_the_model(processor, tile, photo):
    features = processor(tile, photo, 10.01, 50.01, bands="gair_10", bounds=BOUNDS, return_tensors="pt")
    assert shapes(features) == {
        "rs_pixel_values": (1, 10, 96, 96), "sv_pixel_values": (1, 3, 64, 64), "coordinates": (1, 2),
        "query_points": (1, 1, 2),
    }  # fmt: skip
    assert all(value.dtype == torch.float32 for value in features.values())
    torch.testing.assert_close(features["query_points"], torch.full((1, 1, 2), 0.5))
    assert set(features) <= set(processor.model_input_names)


def test_the_model_accepts_the_outputs(processor, tile, photo, tiny_model):
    features = processor([tile] * 2, [photo] * 2, [10.01] * 2, [50.01] * 2, bands="gair_10", bounds=[BOUNDS] * 2,
                         return_tensors="pt")  # fmt: skip
    with torch.no_grad():
        assert tiny_model(**features).similarity_sv_localized.shape == (2, 2)


def test_tiles_may_have_several_points(processor, tile, photo):
    lon, lat = np.full((2, 3), 10.01), np.full((2, 3), 50.005)
    for photos in (2, 6):
        features = processor([tile] * 2, [photo] * photos, lon, lat, bands="gair_10", bounds=[BOUNDS] * 2)
        assert shapes(features)["sv_pixel_values"] == (photos, 3, 64, 64)
        assert shapes(features)["coordinates"] == shapes(features)["query_points"] == (2, 3, 2)
    assert shapes(processor(lon=lon, lat=lat)) == {"coordinates": (2, 3, 2)}
    assert shapes(processor(sv=[photo] * 6, lon=lon, lat=lat))["sv_pixel_values"][0] == 6


def test_each_input_works_alone(processor, tile, photo):
    assert shapes(processor(np.stack([tile] * 3), bands="gair_10")) == {"rs_pixel_values": (3, 10, 96, 96)}
    assert shapes(processor(sv=[photo] * 3)) == {"sv_pixel_values": (3, 3, 64, 64)}
    assert shapes(processor(lon=1, lat=2)) == {"coordinates": (1, 2)}
    assert isinstance(processor(lon=1, lat=2, return_tensors="np")["coordinates"], np.ndarray)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "No input was given"),
        ({"lon": 1}, "Only lon was given"),
        ({"lat": 1}, "Only lat was given"),
        (
            {"lon": 1, "lat": 2, "bands": "gair_10", "tile_size_m": 900},
            "bands and tile_size_m were given without a tile",
        ),
        ({"sv": "photo", "return_valid_fraction": True}, "return_valid_fraction was given without a tile"),
        ({"rs": 1, "crs": "EPSG:32633"}, "given without bounds"),
        ({"rs": 2, "lon": 10.01, "lat": 50.01, "bounds": [BOUNDS] * 2}, r"shape \(\) for 2 tiles"),
        ({"rs": 1, "lon": [10.01] * 3, "lat": [50.01] * 3, "bounds": BOUNDS}, r"shape \(3,\) for 1 tiles"),
        ({"rs": 2, "lon": [[10.01] * 3] * 3, "lat": [[50.01] * 3] * 3}, r"\(3, 3\) for 2 tiles"),
        ({"rs": 1, "lon": [[[10.01]]], "lat": [[[50.01]]]}, "expected a scalar"),
        ({"lon": [], "lat": []}, "at least one point"),
        ({"rs": 2, "bounds": BOUNDS}, "1 boxes for 2 tiles"),
        ({"rs": 2, "sv": 3}, "3 photos were given, expected 2"),
        ({"rs": 1, "sv": 2, "lon": [[10.01] * 3], "lat": [[50.01] * 3], "bounds": BOUNDS}, "expected 1 or 3"),
        ({"sv": 2, "lon": 1, "lat": 1}, "2 photos were given, expected 1"),
        ({"rs": 1, "lon": 10.01, "lat": 50.01}, "pass bounds="),
        ({"rs": 1, "lon": 10.03, "lat": 50.01, "bounds": BOUNDS}, "m outside the tile"),
        ({"rs": 1, "tile_size_m": 900}, "given without lon, lat"),
        ({"rs": 1, "lon": [[10.01] * 2], "lat": [[50.01] * 2], "tile_size_m": 900}, "2 points per tile"),
        ({"sv": 0}, "list of images is empty"),
    ],
)
def test_inconsistent_arguments_are_refused(processor, tile, photo, arguments, message):
    arguments = dict(arguments)
    if "rs" in arguments:
        arguments |= {"rs": [tile] * arguments["rs"], "bands": "gair_10"}
    if isinstance(arguments.get("sv"), int):
        arguments["sv"] = [photo] * arguments["sv"]
    with pytest.raises(ValueError, match=message):
        processor(**arguments)


def test_the_valid_fraction_is_returned_and_a_low_one_warns(processor, tile):
    half = tile.astype(np.float32)
    half[:, :18] = np.nan
    with pytest.warns(UserWarning, match="Only 40% of the pixels of tile 1"):
        features = processor([tile, half], bands="gair_10", return_valid_fraction=True)
    np.testing.assert_allclose(features["valid_fraction"], [1, 0.4])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        processor(tile, bands="gair_10")


@pytest.mark.parametrize("parity", [False, True])
def test_saving_and_loading_changes_nothing(tmp_path, parity):
    made = GairProcessor.for_config(GairConfig.tiny(), parity=parity)
    made.image_processor.clip_range = None
    made.save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.glob("*.json")} == {"processor_config.json"}
    loaded = GairProcessor.from_pretrained(tmp_path)
    for part in ("image_processor", "sv_image_processor", "feature_extractor"):
        assert type(getattr(loaded, part)) is type(getattr(made, part))
        assert getattr(loaded, part).to_dict() == getattr(made, part).to_dict()
    assert loaded.image_processor.clip_range is None
    assert loaded.image_processor.quantize is parity
    assert loaded.sv_image_processor.antialias is not parity


def test_loading_overrides_settings_with_their_checks(tmp_path):
    GairProcessor().save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = GairRSImageProcessor.from_pretrained(tmp_path, size=64, missing_bands="mean", antialias=False)
        photos = GairSVImageProcessor.from_pretrained(tmp_path, size=32, antialias=False)
    assert (loaded.size, loaded.missing_bands, loaded.antialias) == ({"height": 64, "width": 64}, "mean", False)
    assert (photos.size, photos.antialias) == ({"height": 32, "width": 32}, False)
    with pytest.raises(ValueError, match="units is 'percent'"):
        GairRSImageProcessor.from_pretrained(tmp_path, units="percent")


def test_valid_kwargs_declare_every_setting_and_argument():
    def names(function):
        return {name for name, parameter in inspect.signature(function).parameters.items()
                if parameter.kind is not parameter.VAR_KEYWORD} - {"self", "images"}  # fmt: skip

    for part in (GairRSImageProcessor, GairSVImageProcessor):
        declared = set(part.valid_kwargs.__annotations__)
        assert declared - set(ImagesKwargs.__annotations__) <= names(part.__init__) | names(part.preprocess) <= declared
    own = set(GairProcessor.valid_processor_kwargs.__annotations__) - set(ProcessingKwargs.__annotations__)
    assert own == names(GairProcessor.__call__) - {"rs", "sv", "lon", "lat"}


def test_unknown_arguments_are_refused(processor, tile, photo):
    for call in (
        lambda: processor(tile, bands="gair_10", tile_size=2000),
        lambda: processor.image_processor(tile, bands="gair_10", unit="reflectance"),
        lambda: processor.sv_image_processor(photo, sizes=32),
        lambda: processor.feature_extractor(1, 2, epsg=4326),
    ):
        with pytest.raises(ValueError, match=r"takes no argument '[a-z_]+', which would have no effect"):
            call()


def test_omitted_parts_have_their_defaults():
    assert GairProcessor().image_processor.size == {"height": 96, "width": 96}
    assert GairProcessor().sv_image_processor.size == {"height": 224, "width": 224}


class _Config:
    def __init__(self, **fields):
        self.__dict__.update(fields)


def test_for_config_uses_the_sizes_of_timm_models():
    timm = _Config(model_type="timm_wrapper", model_args={"in_chans": 10, "img_size": (64, 48)})
    made = GairProcessor.for_config(_Config(rs_config=timm, sv_config=ViTConfig(image_size=32)))
    assert made.image_processor.size == {"height": 64, "width": 48}
    assert made.sv_image_processor.size == {"height": 32, "width": 32}
    with pytest.raises(ValueError, match="sv_config of type 'timm_wrapper' states the image size None"):
        GairProcessor.for_config(_Config(rs_config=timm, sv_config=_Config(model_type="timm_wrapper", model_args=None)))


def test_paths_and_arrays_may_be_mixed(processor, tile, data_dir):
    pytest.importorskip("rasterio")
    path = data_dir / "sentinel2" / "patch_752389.tif"
    array = np.random.default_rng(0).integers(1, 4000, (12, 30, 30)).astype(np.uint16)
    features = processor([path, array], lon=[19.030, 10.01], lat=[31.035, 50.01], bands="sentinel2_l2a_12",
                         bounds=[None, BOUNDS])  # fmt: skip
    np.testing.assert_allclose(features["query_points"][:, 0], 0.5, atol=0.02)


@pytest.mark.parametrize(("name", "lon", "lat"), [(25630, -50.797, 73.820), (511198, 133.991, 35.253)])
def test_windows_of_real_patches_are_centred_on_the_point(processor, data_dir, name, lon, lat):
    pytest.importorskip("rasterio")
    path = data_dir / "sentinel2" / f"patch_{name}.tif"
    features = processor(path, lon=lon, lat=lat, bands="sentinel2_l2a_12", tile_size_m=1000, return_valid_fraction=True)
    # The window consists of whole pixels: its centre is within one pixel of the point.
    np.testing.assert_allclose(features["query_points"], 0.5, atol=0.01)
    assert features["valid_fraction"] == 1


def test_real_pairs_equal_the_published_inputs(data_dir, reference_dir):
    pytest.importorskip("rasterio")
    reference = load_file(reference_dir / "parity.safetensors")
    processor = GairProcessor.for_config(GairConfig(), parity=True)
    rows = list(csv.DictReader((data_dir / "pairs.csv").open()))
    features = processor(
        [data_dir / row["rs"] for row in rows], [data_dir / row["sv"] for row in rows],
        [float(row["lon"]) for row in rows], [float(row["lat"]) for row in rows], return_tensors="pt",
    )  # fmt: skip
    for index, row in enumerate(rows):
        rs, sv, xy = (
            reference[f"{row['id']}.{key}"][0] for key in ("rs_pixel_values", "sv_pixel_values", "relative_xy")
        )
        torch.testing.assert_close(features["rs_pixel_values"][index], rs, rtol=0, atol=0.5 / 255)
        torch.testing.assert_close(features["sv_pixel_values"][index], sv, rtol=0, atol=0.5 / 59)
        torch.testing.assert_close(features["query_points"][index, 0], xy, rtol=0, atol=3e-4)
