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
"""Models of others in the same table, and GAIR in torchgeo-bench."""

import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import reload
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from transformers import (
    AutoModel,
    ResNetConfig,
    ResNetModel,
    SwinConfig,
    SwinModel,
    TimmWrapperConfig,
    ViTConfig,
    ViTImageProcessor,
    ViTModel,
)

pytest.importorskip("timm", reason="the extra timm is not installed")
pytest.importorskip("sklearn", reason="the extra train is not installed")

from modeling_gair import GairProcessor
from training.benchmarks.encoders import torchgeo_adapters
from training.benchmarks.encoders.encoder import PhotoSample, TileFormat, TileSample
from training.benchmarks.encoders.peers import ImageEncoder, LocationFunction, four_layers, open_peer

CPU = torch.device("cpu")
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B09", "B10", "B11", "B12", "B8A")
FORMAT = TileFormat(BANDS, allow_any_scale=True)
MEAN, STD = [0.5, 0.4, 0.3], [0.25, 0.2, 0.1]
TINY = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}


def vit(channels: int = 3) -> ViTModel:
    torch.manual_seed(0)
    return ViTModel(ViTConfig(**TINY, image_size=32, patch_size=8, num_channels=channels)).eval()


def timm_model(architecture: str, **arguments) -> nn.Module:
    torch.manual_seed(0)
    return AutoModel.from_config(TimmWrapperConfig(architecture=architecture, model_args=arguments)).eval()


def peer(tower: nn.Module, channels: int = 3, size: int = 32) -> ImageEncoder:
    mean, std = (values if channels == 3 else [0.5] * channels for values in (MEAN, STD))
    return ImageEncoder(tower, {"height": size, "width": size}, mean, std, "peer")


def tile(seed: int = 0, side: int = 32) -> TileSample:
    pixels = np.random.default_rng(seed).integers(300, 3000, (13, side, side)).astype(np.uint16)
    return TileSample(f"tile {seed}", pixels)


# Images --------------------------------------------------------------------------------------------------------------


def test_a_model_of_transformers_is_loaded_by_name(tmp_path):
    vit().save_pretrained(tmp_path)
    ViTImageProcessor(size={"height": 32, "width": 32}, image_mean=MEAN, image_std=STD).save_pretrained(tmp_path)
    encoder = open_peer(str(tmp_path), CPU)
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3)).astype(np.uint8))
    found = encoder.embed_photos([encoder.read_photo(PhotoSample("photo", photo))])
    pixels = (
        torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None].float() / 255 - torch.tensor(MEAN)[:, None, None]
    ) / torch.tensor(STD)[:, None, None]
    with torch.no_grad():
        expected = vit()(pixel_values=pixels).last_hidden_state[:, 0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert encoder.modalities == {"tile", "photo"} and encoder.name == str(tmp_path)


def test_a_tile_is_seen_in_red_green_and_blue():
    """B04, B03, B02 of a stack in another order, scaled to [0, 1] by their statistics, then as the model normalises."""
    encoder = peer(vit())
    sample = tile()
    seen = encoder.tile_pixels([encoder.read_tile(sample, FORMAT)], FORMAT)[0]
    for channel, band in enumerate(("B04", "B03", "B02")):
        raw = torch.from_numpy(sample.source[BANDS.index(band)].astype(np.float32))
        mean, std = encoder.tiles.processor.band_mean[band], encoder.tiles.processor.band_std[band]
        scaled = ((raw - (mean - 2 * std)) / (4 * std)).clamp(0, 1)
        torch.testing.assert_close(seen[channel], (scaled - MEAN[channel]) / STD[channel])


def test_a_model_with_ten_channels_gets_all_bands_and_refuses_photos():
    encoder = peer(vit(10), channels=10)
    assert encoder.modalities == {"tile"} and encoder.tiles.processor.bands[-1] == "B12"
    assert encoder.embed_tiles([encoder.read_tile(tile(), FORMAT)], FORMAT).shape == (1, 24)
    with pytest.raises(ValueError, match="peer has 4 input channels, expected one of 3, 10"):
        peer(vit(4), channels=4)


@pytest.mark.parametrize(
    ("tower", "sizes"),
    [
        (vit(), [4, 4, 4, 4]),
        (timm_model("vit_tiny_patch16_224", img_size=64, patch_size=8, depth=4), [8, 8, 8, 8]),
        (timm_model("resnet10t"), [16, 8, 4, 2]),
        (
            ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=[8, 16, 16, 24], depths=[1, 1, 1, 1])).eval(),
            [16, 8, 4, 2],
        ),
        (
            SwinModel(
                SwinConfig(
                    image_size=64, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2
                )
            ).eval(),
            [16, 8, 4, 2],
        ),
    ],
    ids=["vit", "timm vit", "timm cnn", "cnn", "swin"],
)
def test_feature_maps_of_all_kinds_of_models(tower, sizes):
    side = 32 if sizes == [4, 4, 4, 4] else 64
    encoder = peer(tower, size=side)
    tiles = [encoder.read_tile(tile(seed, 64), FORMAT) for seed in range(2)]
    maps = encoder.tile_layers(tiles, FORMAT)
    assert [one.shape[-1] for one in maps] == sizes and all(len(one) == 2 and one.ndim == 4 for one in maps)
    assert encoder.dense and not encoder.continuous
    embedded = encoder.embed_tiles(tiles, FORMAT)
    assert embedded.ndim == 2 and np.isfinite(embedded).all() and not np.allclose(embedded[0], embedded[1])


def test_tokens_lie_row_by_row_behind_the_class_token():
    """A tile that is bright in one corner only: the map's greatest change lies in that corner."""
    encoder = peer(vit())
    plain = np.full((13, 32, 32), 1500, np.uint16)
    marked = plain.copy()
    marked[:, :8, 24:] = 3500
    maps = [
        encoder.tile_layers([encoder.read_tile(TileSample("", pixels), FORMAT)], FORMAT)[0][0]
        for pixels in (plain, marked)
    ]
    change = (maps[0] - maps[1]).norm(dim=0)
    assert divmod(int(change.argmax()), 4) == (0, 3)


def test_layers_are_taken_by_depth():
    maps = [torch.full((1, 1, 4, 4), float(number)) for number in range(13)]
    assert [int(one.mean()) for one in four_layers(maps, has_embeddings=True)] == [4, 6, 8, 12]
    assert [int(one.mean()) for one in four_layers(maps[:12], has_embeddings=False)] == [3, 5, 7, 11]
    shrinking = [torch.zeros(1, 1, side, side) for side in (32, 16, 16, 8)]
    assert [one.shape[-1] for one in four_layers(shrinking, has_embeddings=True)] == [32, 32, 16, 8]


def test_different_weights_have_different_fingerprints():
    first, again = peer(vit()), peer(vit())
    tower = vit()
    with torch.no_grad():
        tower.embeddings.cls_token += 1
    assert first.fingerprint == again.fingerprint != peer(tower).fingerprint
    other = ImageEncoder(vit(), {"height": 32, "width": 32}, [0.1] * 3, STD, "peer")
    assert other.fingerprint != first.fingerprint


def test_a_name_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="No image model with an image processor found at"):
        open_peer(str(tmp_path), CPU)


# Locations -----------------------------------------------------------------------------------------------------------


def test_a_function_of_lon_lat_is_an_encoder(monkeypatch):
    module = ModuleType("a_peer")
    module.encode = lambda lon, lat: torch.from_numpy(np.stack([lon, lat, lon * 0 + 1], axis=1))
    module.wrong = lambda lon, lat: lon
    module.number = 3
    monkeypatch.setitem(sys.modules, "a_peer", module)
    encoder = open_peer("a_peer:encode", CPU)
    lon_lat = np.random.default_rng(0).random((10_000, 2)) * 90
    np.testing.assert_allclose(encoder.embed_locations(lon_lat)[:, :2], lon_lat, rtol=1e-6)
    assert encoder.modalities == {"location"}
    with pytest.raises(ValueError, match=r"a_peer:wrong returned an array of shape \(64,\) for 64 locations"):
        open_peer("a_peer:wrong", CPU)
    with pytest.raises(ValueError, match="a_peer:number is int, expected a function of lon, lat"):
        open_peer("a_peer:number", CPU)
    with pytest.raises(ValueError, match="a_peer:lost cannot be imported"):
        open_peer("a_peer:lost", CPU)


def test_a_changed_function_has_a_different_fingerprint():
    functions = [LocationFunction(lambda lon, lat, k=k: np.stack([lon * k, lat], axis=1), "f") for k in (1, 1, 2)]
    assert functions[0].fingerprint == functions[1].fingerprint != functions[2].fingerprint


# GAIR in torchgeo-bench ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class BandSpec:
    """The fields of torchgeo-bench's class of this name that matter here."""

    sensor: str
    name: str


@pytest.fixture(scope="module")
def saved(tiny_model, tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("gair")
    tiny_model.save_pretrained(folder)
    GairProcessor.for_config(tiny_model.config).save_pretrained(folder)
    return str(folder)


def stand_in() -> dict[str, ModuleType]:
    """torchgeo-bench's interface as its documentation and release 0.4 describe it: abstract classes and who calls whom."""

    class LocationEncoder(ABC):
        name = "location_encoder"

        def __init__(self, device: str = "cpu", batch_size: int = 8192) -> None:
            self.device, self.batch_size = device, int(batch_size)

        @abstractmethod
        def _encode(self, lon, lat, year): ...

        def encode(self, lon, lat, year=None):
            parts = [
                self._encode(lon[s : s + self.batch_size], lat[s : s + self.batch_size], None)
                for s in range(0, len(lon), self.batch_size)
            ]
            return np.concatenate(parts).astype(np.float32)

    class BenchModel(nn.Module, ABC):
        def __init__(self, bands, normalization="bandspec_zscore", **_) -> None:
            super().__init__()
            assert normalization == "identity"
            self.bands, self.num_channels = list(bands), len(bands)

        @abstractmethod
        def _forward_patch_features(self, images): ...

        def forward_patch_features(self, images):
            return self._forward_patch_features(images)

    names = ("torchgeo_bench", "torchgeo_bench.coordbench", "torchgeo_bench.models", "torchgeo_bench.models.interface")
    modules = {name: ModuleType(name) for name in names}
    modules["torchgeo_bench.coordbench"].LocationEncoder = LocationEncoder
    modules["torchgeo_bench.models.interface"].BenchModel = BenchModel
    return modules


@pytest.fixture(params=["without the package", "with its interface"])
def adapters(request, monkeypatch):
    """The adapters on our own base classes, and on ones that behave as torchgeo-bench's do."""
    if request.param == "without the package":
        for name in ("torchgeo_bench", "torchgeo_bench.coordbench", "torchgeo_bench.models.interface"):
            monkeypatch.setitem(sys.modules, name, None)
    else:
        for name, module in stand_in().items():
            monkeypatch.setitem(sys.modules, name, module)
    yield reload(torchgeo_adapters)
    monkeypatch.undo()
    reload(torchgeo_adapters)


def test_torchgeo_bench_gets_a_location_encoder(adapters, saved, tiny_model):
    encoder = adapters.GairCoordBenchEncoder(model=saved, batch_size=7)
    lon, lat = np.linspace(-180, 179, 20), np.linspace(-80, 80, 20)
    found = encoder.encode(lon, lat)
    assert found.shape == (20, 96) and found.dtype == np.float32
    with torch.no_grad():
        expected = tiny_model.get_location_features(torch.from_numpy(np.stack([lon, lat], axis=1)).float())
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    with pytest.raises(ValueError, match="lat is 95"):
        encoder.encode(np.array([10.0]), np.array([95.0]))


def test_torchgeo_bench_gets_an_image_model_with_bands_by_name(adapters, saved, tiny_model):
    names = [
        "vh",
        "coastal_aerosol",
        "blue",
        "green",
        "red",
        "red_edge_1",
        "red_edge_2",
        "red_edge_3",
        "nir",
        "water_vapour",
        "swir_cirrus",
        "swir_1",
        "swir_2",
        "red_edge_4",
    ]
    bands = [BandSpec("sar" if name == "vh" else "s2", name) for name in names]
    model = adapters.GairBenchModel(bands=bands, model=saved)
    images = torch.randint(200, 4000, (3, 14, 64, 64), generator=torch.Generator().manual_seed(0)).float()
    found = model.forward_patch_features(images)
    order = [
        names.index(name)
        for name in (
            "blue",
            "green",
            "red",
            "red_edge_1",
            "red_edge_2",
            "red_edge_3",
            "nir",
            "red_edge_4",
            "swir_1",
            "swir_2",
        )
    ]
    processor = GairProcessor.for_config(tiny_model.config).image_processor
    with torch.no_grad():
        expected = tiny_model.get_rs_features(processor.prepare(list(images[:, order].numpy())))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert any(parameter is weight for parameter in model.parameters() for weight in model.backbone.parameters())


def test_bands_that_a_data_set_lacks_are_refused_or_filled(adapters, saved):
    bands = [BandSpec("s2", name) for name in ("b02", "b03", "b04", "b08")]
    images = torch.full((1, 4, 64, 64), 0.2)
    with pytest.raises(ValueError, match="lacks B05, B06, B07, B8A, B11, B12"):
        adapters.GairBenchModel(bands=bands, model=saved).forward_patch_features(images * 1e4)
    filled = adapters.GairBenchModel(bands=bands, model=saved, missing_bands="mean", units="reflectance")
    assert filled.forward_patch_features(images).shape == (1, 96)
    with pytest.raises(ValueError, match="looks like reflectance"):
        adapters.GairBenchModel(bands=bands, model=saved, missing_bands="mean").forward_patch_features(images)


def test_the_installed_package_takes_the_adapters(saved):
    package = pytest.importorskip("torchgeo_bench", reason="torchgeo-bench is not installed")
    interface = pytest.importorskip("torchgeo_bench.models.interface")
    adapters = reload(torchgeo_adapters)
    assert package is not None and issubclass(adapters.GairBenchModel, interface.BenchModel)
    spec = pytest.importorskip("torchgeo_bench.datasets.base").BandSpec
    names = ("blue", "green", "red", "red_edge_1", "red_edge_2", "red_edge_3", "nir", "red_edge_4", "swir_1", "swir_2")
    bands = [spec("s2", name, name, 0.0, 1.0, 0.0, 1e4) for name in names]
    model = adapters.GairBenchModel(bands=bands, model=saved)
    assert model(torch.full((2, 10, 64, 64), 1200.0)).shape == (2, 96)
