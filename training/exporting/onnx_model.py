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
"""A model whose towers are replaced by exported files, for measuring these."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from modeling_gair import GairEncodedTiles, GairModel
from training.exporting.onnx_files import open_onnx, run_onnx


class OnnxModel:
    """
    Stands in for a [`GairModel`] in `training.measuring.embeddings`; its towers and its own query are exported files.

    Args:
        model ([`GairModel`]): the exported model; it reads tokens in other modes or without their pixels, which no file does.
        folder (`Path`): holds the files.
        suffixes (`Mapping[str, str]`): part → suffix of its file, if not `.onnx`.
    """

    device = torch.device("cpu")

    def __init__(self, model: GairModel, folder: Path, suffixes: Mapping[str, str]):
        self.model, self.config, self.pixel_query = model, model.config, model.pixel_query
        names = ("rs_tower", "sv_tower", "location_tower", "localized_query_points")
        self.sessions = {name: open_onnx(folder / f"{name}{suffixes.get(name, '.onnx')}") for name in names}

    def encode_tiles(self, rs_pixel_values: torch.Tensor) -> GairEncodedTiles:
        tokens, mean = run_onnx(self.sessions["rs_tower"], (rs_pixel_values,))
        pixels = None if self.pixel_query is None else rs_pixel_values
        return GairEncodedTiles(last_hidden_state=tokens, pooler_output=mean, rs_pixel_values=pixels)

    def get_sv_features(self, sv_pixel_values: torch.Tensor) -> torch.Tensor:
        return self._run("sv_tower", sv_pixel_values)

    def get_location_features(self, coordinates: torch.Tensor) -> torch.Tensor:
        return self._run("location_tower", coordinates)

    def localize(
        self,
        tiles: GairEncodedTiles,
        query_points: torch.Tensor,
        mode: str,
        *,
        tile_index: torch.Tensor,
        with_pixels: bool = True,
    ) -> torch.Tensor:
        reads_pixels = tiles.rs_pixel_values is not None
        if mode != self.config.query_mode or (reads_pixels and not with_pixels):
            return self.model.localize(tiles, query_points, mode, tile_index=tile_index, with_pixels=with_pixels)
        pixels = (tiles.rs_pixel_values[tile_index],) if tiles.rs_pixel_values is not None else ()
        tokens: Any = tiles.last_hidden_state
        return self._run("localized_query_points", tokens[tile_index], query_points, *pixels)

    def _run(self, name: str, *inputs: Any) -> torch.Tensor:
        return run_onnx(self.sessions[name], inputs)[0]
