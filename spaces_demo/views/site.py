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
"""What all views of the page share."""

from collections.abc import Callable
from dataclasses import dataclass

from serving.gallery import Gallery
from serving.model import ServedModel
from serving.world_maps import WorldMaps
from views.link import Links


@dataclass(frozen=True)
class Site:
    """
    One page.

    Attributes:
        served ([`ServedModel`]): the model.
        gallery ([`Gallery`]): tiles and photos to choose from and to search.
        maps ([`WorldMaps`]): the maps of the world, whose embeddings all views share.
        links ([`Links`]): opens views by links.
        other (`Callable`): the [`ServedModel`] that the first one is compared with.
    """

    served: ServedModel
    gallery: Gallery
    maps: WorldMaps
    links: Links
    other: Callable[[], ServedModel]
