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
"""Settings of the sample world, in a module without the code that draws it so that `--help` is quick."""

from dataclasses import dataclass, fields
from pathlib import Path

from training.common.checks import check_whole

# The name that stands for the sample world among the names of data sets.
SAMPLE_WORLD = "sample_world"
# Stands beside all figures that are measured on it.
SAMPLE_WORLD_REMARK = (
    "The sample world has the Earth's coarse climate, land and cities; its streets, fields, tiles and photos are made up, so these "
    "figures show that the method, the data path and the training work."
)
SPLITS = ("train", "test")
MIN_PHOTO_DISTANCE_M = 200.0
# A tile rarely has room for more photos that are 200 m apart.
MAX_PHOTOS = 32


@dataclass(frozen=True)
class WorldSettings:
    """
    Which data set of the sample world to make; equal settings give equal bytes.

    Attributes:
        seed (`int`): Seed of all that is made, and of the choice of places; the Earth's climate, land and cities stay.
        version (`int`): Version of the sample world: `training/configs/sample_world_v{version}.yaml`.
        tiles (`int`): Number of training tiles.
        photos (`int`): Photos in each training tile, 1 to 32.
        held_out_tiles (`int`): Number of tiles in the split `test`, in blocks of the sphere that hold no training tiles.
        held_out_photos (`int`): Photos in each tile of the split `test`, 1 to 32.
        control (`bool`): Control world: photos show the mean land cover of their tile instead of their surroundings.
        shuffled (`bool`): Shuffled world: climate and people are those of an Earth rotated so that its poles move by 56 degrees,
            while land stays; nothing of a location's real climate can be learned.

    Raises:
        ValueError: A count is not a whole number or is too small, or more photos are asked for than fit in a tile.
    """

    seed: int = 0
    version: int = 2
    tiles: int = 2560
    photos: int = 4
    held_out_tiles: int = 256
    held_out_photos: int = 16
    control: bool = False
    shuffled: bool = False

    def __post_init__(self) -> None:
        for field in fields(WorldSettings):
            value = getattr(self, field.name)
            if field.type is bool:
                if not isinstance(value, bool):
                    raise ValueError(f"{field.name} is {value!r}, expected True or False.")
            else:
                check_whole(field.name, value, least=0 if field.name == "seed" else 1)
        for name in ("photos", "held_out_photos"):
            if getattr(self, name) > MAX_PHOTOS:
                raise ValueError(
                    f"{name} is {getattr(self, name)}, expected at most {MAX_PHOTOS}: photos are at least "
                    f"{MIN_PHOTO_DISTANCE_M:.0f} m apart, which limits how many fit in a tile; use more tiles instead."
                )

    @property
    def name(self) -> str:
        """All settings in one folder name."""
        counts = f"{self.tiles}x{self.photos}-held-out-{self.held_out_tiles}x{self.held_out_photos}"
        return f"sample-world-v{self.version}-seed{self.seed}-{counts}{'-control' * self.control}{'-shuffled' * self.shuffled}"

    @property
    def pairs(self) -> int:
        """Number of photos in both splits together."""
        return sum(self.tiles_of(split) * self.photos_of(split) for split in SPLITS)

    def tiles_of(self, split: str) -> int:
        """Number of tiles in the split `"train"` or `"test"`."""
        return self.tiles if split == "train" else self.held_out_tiles

    def photos_of(self, split: str) -> int:
        """Number of photos in each tile of the split `"train"` or `"test"`."""
        return self.photos if split == "train" else self.held_out_photos


@dataclass(frozen=True)
class WorldOptions(WorldSettings):
    """
    Options of `python -m training.world`.

    Attributes:
        output (`Path`): Folder to create (required); it must not exist, or must be empty.
        workers (`int`): Processes that render; the bytes do not depend on it.
        files (`bool`): Also write GeoTIFFs, JPEGs and pairs CSVs, under `files/`.
    """

    output: Path | None = None
    workers: int = 2
    files: bool = False

    def settings(self) -> WorldSettings:
        """The settings of the data set."""
        return WorldSettings(**{field.name: getattr(self, field.name) for field in fields(WorldSettings)})

    def checked_output(self) -> Path:
        """
        Return the folder to create.

        Raises:
            ValueError: `output` is not set.
        """
        if self.output is None:
            raise ValueError("--output is missing; pass the folder to create as --output DIR.")
        return self.output
