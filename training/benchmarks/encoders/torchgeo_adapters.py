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
Adapters that let torchgeo-bench measure a GAIR model: its CoordBench track takes [`GairCoordBenchEncoder`], its image track
[`GairBenchModel`]. In a configuration of torchgeo-bench:

    model: {target: training.benchmarks.encoders.torchgeo_adapters.GairCoordBenchEncoder, kwargs: {model: DIR_OR_REPO}}

    _target_: training.benchmarks.encoders.torchgeo_adapters.GairBenchModel
    model: DIR_OR_REPO

If torchgeo-bench is not installed, both classes still work, on the substitutes for its base classes below.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from training.benchmarks.encoders.encoder import TileFormat, TileSample
from training.benchmarks.encoders.gair import GairEncoder, open_gair

# torchgeo-bench's names of Sentinel-2's bands; it also uses b02 … b8a, which the processor understands.
BAND_NAMES = {
    "coastal_aerosol": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "red_edge_1": "B05",
    "red_edge_2": "B06",
    "red_edge_3": "B07",
    "nir": "B08",
    "red_edge_4": "B8A",
    "water_vapour": "B09",
    "swir_cirrus": "B10",
    "swir_1": "B11",
    "swir_2": "B12",
}

try:
    from torchgeo_bench.coordbench import LocationEncoder as _LocationEncoder
except ImportError:

    class _LocationEncoder:  # type: ignore[no-redef]
        """Substitute for torchgeo-bench's base class if the package is not installed."""

        def __init__(self, device: str = "cpu", batch_size: int = 8192):
            self.device, self.batch_size = device, batch_size

        def encode(self, lon: np.ndarray, lat: np.ndarray, year: np.ndarray | None = None) -> np.ndarray:
            """Encodes all points in batches."""
            starts = range(0, len(lon), self.batch_size)
            parts = [self._encode(lon[s : s + self.batch_size], lat[s : s + self.batch_size], year) for s in starts]
            return np.concatenate(parts)

        def _encode(self, lon: np.ndarray, lat: np.ndarray, year: np.ndarray | None) -> np.ndarray:
            raise NotImplementedError


try:
    from torchgeo_bench.models.interface import BenchModel as _BenchModel
except ImportError:

    class _BenchModel(nn.Module):  # type: ignore[no-redef]
        """Substitute for torchgeo-bench's base class, with `normalization="identity"`, if the package is not installed."""

        def __init__(self, bands: Sequence[Any], normalization: str = "identity"):
            super().__init__()
            self.bands, self.num_channels, self.normalization = list(bands), len(bands), normalization

        def forward_patch_features(self, images: torch.Tensor) -> torch.Tensor:
            """Raw images `(B, C, H, W)` → embeddings `(B, K)`."""
            return self._forward_patch_features(images)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.forward_patch_features(images)

        def _forward_patch_features(self, images: torch.Tensor) -> torch.Tensor:
            raise NotImplementedError


class GairCoordBenchEncoder(_LocationEncoder):
    """
    A GAIR model's location encoder for torchgeo-bench's CoordBench.

    Args:
        model (`str`): a directory or a Hub repository.
        device (`str`): where to compute.
        batch_size (`int`): points at a time.
    """

    name = "gair"

    def __init__(self, model: str, device: str = "cpu", batch_size: int = 8192):
        super().__init__(device=device, batch_size=batch_size)
        self.encoder = open_gair(model, torch.device(self.device))

    def _encode(self, lon: np.ndarray, lat: np.ndarray, year: np.ndarray | None) -> np.ndarray:
        """
        Args:
            lon, lat (`np.ndarray` of shape `(B,)`): degrees.
            year: ignored; GAIR does not depend on time.

        Returns:
            `np.ndarray` of shape `(B, D)`, float32.
        """
        return self.encoder.embed_locations(np.stack([lon, lat], axis=1).astype(np.float64))


class GairBenchModel(_BenchModel):
    """
    A GAIR model's RS tower for torchgeo-bench's image track. Images come in raw and pass through GAIR's own processor, which
    selects bands by name.

    Args:
        bands (`Sequence`): torchgeo-bench's `BandSpec` of each channel; `sensor` and `name` are used.
        model (`str`): a directory or a Hub repository.
        units (`str`): `"digital_number"`, or `"reflectance"` for data sets such as m-so2sat.
        missing_bands (`str`): `"error"`, or `"mean"` to fill in the means of bands that the data lack.

    Raises:
        ValueError: the data lack bands that the model needs.
    """

    def __init__(
        self,
        bands: Sequence[Any],
        model: str,
        units: str = "digital_number",
        missing_bands: str = "error",
        **_: Any,
    ):
        super().__init__(bands=list(bands), normalization="identity")
        self.encoder: GairEncoder = open_gair(model, torch.device("cpu"))
        # A submodule, so that `.to(device)` moves it.
        self.backbone = self.encoder.model
        self.channels = [index for index, band in enumerate(bands) if band.sensor == "s2"]
        names = [BAND_NAMES.get(bands[index].name, bands[index].name) for index in self.channels]
        self.tile_format = TileFormat(tuple(names), units, missing_bands=missing_bands, allow_any_scale=True)

    @torch.no_grad()
    def _forward_patch_features(self, images: torch.Tensor) -> torch.Tensor:
        """
        Args:
            images (`torch.Tensor` of shape `(B, C, H, W)`): raw, one channel per band.

        Returns:
            `torch.Tensor` of shape `(B, D)`, on the images' device.
        """
        arrays = images[:, self.channels].float().cpu().numpy()
        tiles = [
            self.encoder.read_tile(TileSample(str(index), array), self.tile_format)
            for index, array in enumerate(arrays)
        ]
        return torch.from_numpy(self.encoder.embed_tiles(tiles, self.tile_format)).to(images.device)
