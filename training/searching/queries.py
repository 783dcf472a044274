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
"""Embeddings of queries, by the model that embedded the rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from training.common.fingerprints import fingerprint_of
from training.common.models import load_gair
from training.common.precision import Precision


class QueryEncoder:
    """
    A model that embeds queries.

    Args:
        model (`str`): a directory or a Hub repository.
        fingerprint (`str`): that of the model which embedded the rows.
        precision (`str`): in which its towers multiplied matrices then.
        folder (`str`): the folder of the rows, for messages.

    Raises:
        ValueError: the model cannot be loaded, or is another one.
    """

    def __init__(self, model: str, fingerprint: str, precision: Precision, folder: str):
        self._model, self._processor = load_gair(model, precision=precision)
        found = fingerprint_of(self._model, self._processor)
        if found != fingerprint:
            raise ValueError(
                f"The model in {model!r} ({found}) is not the one that embedded {folder!r} ({fingerprint}), or its code has changed "
                "since, so their embeddings cannot be compared; pass that model as --model, or embed again."
            )

    @torch.no_grad()
    def embed(self, photo: Any = None, tile: Any = None, place: Sequence[float] | None = None) -> np.ndarray:
        """The embedding `(D,)`, float32, of a photo, a tile, a place (lon, lat in degrees), or of a place in a tile."""
        lon, lat = (None, None) if place is None else place
        given = [name for name, value in (("photo", photo), ("tile", tile), ("place", place)) if value is not None]
        if len(given) != 1 and given != ["tile", "place"]:
            raise ValueError("A query is a photo, a tile, a place, or a tile with a place; pass one of these.")
        inputs = self._processor(rs=tile, sv=photo, lon=lon, lat=lat, return_tensors="pt")
        if photo is not None:
            embeds = self._model.get_sv_features(inputs["sv_pixel_values"])
        elif tile is None:
            embeds = self._model.get_location_features(inputs["coordinates"])
        elif place is None:
            embeds = self._model.get_rs_features(inputs["rs_pixel_values"])
        else:
            embeds = self._model.get_localized_rs_features(inputs["rs_pixel_values"], inputs["query_points"])
        return embeds.reshape(-1).float().numpy()
