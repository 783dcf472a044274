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
"""The data set card of the sample world."""

from dataclasses import fields
from pathlib import Path

from huggingface_hub import DatasetCard, DatasetCardData

from training.world.earth.koppen import CLIMATE_ZONES
from training.world.ground import COVERS
from training.world.places import BLOCK_DEGREES, MAX_LAT, MIN_SPLIT_DISTANCE_M, PHOTO_MARGIN_M
from training.world.rows import PHOTO_DAYS
from training.world.settings import MIN_PHOTO_DISTANCE_M, SPLITS, WorldSettings
from training.world.tiles import TILE_SIDE_M

ATTRIBUTION = Path(__file__).with_name("earth") / "ATTRIBUTION.md"
CARD_TEMPLATE = Path(__file__).with_name("card_template.md")
_TAGS = ["geospatial", "remote-sensing", "street-view", "sentinel-2", "synthetic"]


def make_card(settings: WorldSettings, files: bool) -> DatasetCard:
    """
    Write the card of a data set.

    Args:
        settings ([`WorldSettings`]): which data set.
        files (`bool`): whether tiles and photos are also written as files.
    """
    data_files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in SPLITS]
    return DatasetCard.from_template(
        DatasetCardData(
            license="apache-2.0",
            pretty_name="GAIR sample world",
            tags=_TAGS,
            configs=[{"config_name": "default", "data_files": data_files}],
        ),
        template_path=str(CARD_TEMPLATE),
        **{field.name: getattr(settings, field.name) for field in fields(settings)},
        files=files,
        train_pairs=settings.tiles * settings.photos,
        test_pairs=settings.held_out_tiles * settings.held_out_photos,
        side=f"{TILE_SIDE_M:.0f}",
        max_lat=f"{MAX_LAT:.0f}",
        block=BLOCK_DEGREES,
        split_km=f"{MIN_SPLIT_DISTANCE_M / 1000:.0f}",
        photo_distance=f"{MIN_PHOTO_DISTANCE_M:.0f}",
        margin=f"{PHOTO_MARGIN_M:.0f}",
        covers=", ".join(f"{number} {name}" for number, name in enumerate(COVERS)),
        zones=", ".join(f"{number} {name}" for number, name in enumerate(CLIMATE_ZONES)),
        photo_days=PHOTO_DAYS,
        attribution=ATTRIBUTION.read_text(encoding="utf-8").replace(
            "# What `earth.npz` holds, and whose it is", "## Attribution"
        ),
        flags=_flags(settings) + " --files" * files,
    )


def _flags(settings: WorldSettings) -> str:
    """The command-line options that reproduce this data set."""
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    given = {name: value for name, value in values.items() if value is not False}
    return " ".join(f"--{name}" if value is True else f"--{name} {value}" for name, value in given.items())
