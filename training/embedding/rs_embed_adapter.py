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
GAIR in rs-embed, under the name `gair`. Importing this module registers it:

    import rs_embed
    import training.embedding.rs_embed_adapter

    embedding = rs_embed.get_embedding_from_data("gair", data, weights="DIR_OR_REPO")

rs-embed needs Python 3.12 or newer.
"""

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from rs_embed.core.embedding import Embedding
from rs_embed.core.registry import register
from rs_embed.core.specs import ModelInputSpec, OutputSpec, SensorSpec, SpatialSpec, TemporalSpec
from rs_embed.core.types import EmbedderCapabilities
from rs_embed.embedders.base import EmbedderBase

from training.common.fingerprints import fingerprint_of
from training.common.models import load_gair
from training.embedding.encoding import Encoder

# The ten bands of 10 and 20 m as Earth Engine names them, in the order of the published model.
_BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
# Tiles of 1.92 km, as in training, at the finest resolution of Sentinel-2.
_TILE_PIXELS, _PIXEL_M = 192, 10


@register("gair")
class GairEmbedder(EmbedderBase):
    """The RS tower: the embedding of a tile, or of a grid of points in it, one for each patch of the model."""

    input_spec = ModelInputSpec(
        collection="COPERNICUS/S2_SR_HARMONIZED",
        bands=_BANDS,
        scale_m=_PIXEL_M,
        image_size=_TILE_PIXELS,
        expected_channels=len(_BANDS),
    )
    capabilities = EmbedderCapabilities(
        input_chw=True,
        fetch_meta=False,
        fetch_temporal_mode=False,
        batch_fetch_metas=True,
        model_config_single=True,
        model_config_batch=True,
        model_config_batch_inputs=True,
    )

    def describe(self) -> dict[str, Any]:
        """What the model takes and gives, as rs-embed asks for it."""
        return {
            "type": "on_the_fly",
            "backend": ["provider", "tensor"],
            "inputs": {"provider_default": {"collection": self.input_spec.collection, "bands": list(_BANDS)}},
            "temporal": {"mode": "range"},
            "output": ["pooled", "grid"],
            "defaults": {"image_size": _TILE_PIXELS, "scale_m": _PIXEL_M, "preprocess": "the model's own processor"},
            "model_config": {
                "weights": {"type": "string", "description": "directory or Hub repository of a GAIR model"}
            },
        }

    @torch.no_grad()
    def get_embedding(
        self,
        *,
        spatial: SpatialSpec,
        temporal: TemporalSpec | None,
        sensor: SensorSpec | None,
        output: OutputSpec,
        backend: str,
        device: str = "auto",
        input_chw: np.ndarray | None = None,
        model_config: dict[str, Any] | None = None,
    ) -> Embedding:
        """
        Embeds a tile.

        Args:
            input_chw (`np.ndarray` of shape `(10, H, W)`, *optional*): digital numbers, row 0 in the north; without it, rs-embed
                fetches the pixels from its provider.
            output (`OutputSpec`): pooled, `(D,)`, or grid, `(D, h, w)`; not normalised.
            model_config (`dict`): `weights`, the model.

        Raises:
            ValueError: no weights are named, or the processor refuses the pixels.
        """
        weights = (model_config or {}).get("weights")
        if not weights:
            raise ValueError("No GAIR model is named; pass weights=DIR_OR_REPO.")
        encoder = _encoder(weights, device)
        if input_chw is None:
            fetched = self.fetch_input(
                self._get_provider(backend),
                spatial=spatial,
                temporal=temporal,
                sensor=sensor or self.input_spec.to_sensor_spec(),
            )
            input_chw = fetched.data
        tile = encoder.processor.image_processor.read(np.asarray(input_chw), bands=_BANDS).pixels
        if output.mode == "pooled":
            embeds = encoder.tiles([tile])[0][0]
        else:
            pixels = encoder.processor.image_processor.prepare([tile], device=encoder.model.device)
            side = encoder.model.config.rs_config.image_size // encoder.model.config.rs_config.patch_size
            embeds = encoder.model.get_rs_feature_map(pixels, (side, side))[0].float().cpu().numpy()
        fingerprint = fingerprint_of(encoder.model, encoder.processor)
        meta = {"model": self.model_name, "weights": weights, "fingerprint": fingerprint, "normalised": False}
        return Embedding(embeds, meta)


@lru_cache(maxsize=2)
def _encoder(weights: str, device: str) -> Encoder:
    chosen = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    return Encoder(*load_gair(weights, torch.device(chosen)))
