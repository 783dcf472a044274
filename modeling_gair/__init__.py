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
"""GAIR for Hugging Face: embeds tiles, points in tiles, street views and locations in one space."""

from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoProcessor

# Without torchvision, transformers up to 5.17 exports a dummy under the short name.
from transformers.models.auto.image_processing_auto import AutoImageProcessor

from .configuration_gair import GairConfig, GairLocationConfig, GairRSConfig
from .feature_extraction_gair import GairCoordinateProcessor
from .geo_gair import great_circle_distance_m
from .image_processing_gair_rs import BAND_ORDERS, GairRSImageProcessor
from .image_processing_gair_sv import GairSVImageProcessor
from .location_gair import GairLocationEncoder, GairSphericalHarmonicsEncoder
from .modeling_gair import GairModel, GairOutput, gair_contrastive_loss
from .pretrained_gair import GairPreTrainedModel
from .processing_gair import GairProcessor
from .query_gair import GairEncodedTiles
from .raster_gair import GairTile
from .rs_tower_gair import GairRSModel

__version__ = "0.1.0"

AutoConfig.register("gair", GairConfig, exist_ok=True)
AutoConfig.register("gair_rs", GairRSConfig, exist_ok=True)
AutoConfig.register("gair_location", GairLocationConfig, exist_ok=True)
AutoModel.register(GairConfig, GairModel, exist_ok=True)
AutoModel.register(GairRSConfig, GairRSModel, exist_ok=True)
# Two classes share one config; `config.architectures` names the one to build.
AutoModel.register(
    GairLocationConfig,
    (GairLocationEncoder, GairSphericalHarmonicsEncoder),
    exist_ok=True,
)
AutoImageProcessor.register(GairConfig, image_processor_classes={"pil": GairRSImageProcessor}, exist_ok=True)
AutoFeatureExtractor.register(GairConfig, GairCoordinateProcessor, exist_ok=True)
AutoProcessor.register(GairConfig, GairProcessor, exist_ok=True)

# Saved models include their code, so that they load without this package.
GairConfig.register_for_auto_class()
GairModel.register_for_auto_class("AutoModel")
GairRSConfig.register_for_auto_class()
GairRSModel.register_for_auto_class("AutoModel")
GairLocationConfig.register_for_auto_class()
GairLocationEncoder.register_for_auto_class("AutoModel")
GairSphericalHarmonicsEncoder.register_for_auto_class("AutoModel")
GairRSImageProcessor.register_for_auto_class("AutoImageProcessor")
GairSVImageProcessor.register_for_auto_class("AutoImageProcessor")
GairCoordinateProcessor.register_for_auto_class("AutoFeatureExtractor")
GairProcessor.register_for_auto_class("AutoProcessor")

__all__ = [
    "BAND_ORDERS",
    "GairConfig",
    "GairCoordinateProcessor",
    "GairEncodedTiles",
    "GairLocationConfig",
    "GairLocationEncoder",
    "GairModel",
    "GairOutput",
    "GairPreTrainedModel",
    "GairProcessor",
    "GairRSConfig",
    "GairRSImageProcessor",
    "GairRSModel",
    "GairSVImageProcessor",
    "GairSphericalHarmonicsEncoder",
    "GairTile",
    "gair_contrastive_loss",
    "great_circle_distance_m",
]
