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
"""MADOS: marine debris and oil."""

from functools import partial
from pathlib import Path

import numpy as np

from training.benchmarks.encoders.encoder import TileSample
from training.benchmarks.layouts.files import (
    check_same_grid,
    class_map,
    class_names,
    existing_path,
    local_folder,
    read_raster,
)
from training.benchmarks.layouts.samples import Images, ImageSet, LabelledImage
from training.benchmarks.tasks.task import Task

# Wavelengths in nanometres of Sentinel-2A and 2B, by which the files are named.
_WAVELENGTHS = {
    "B01": (443, 442),
    "B02": (492,),
    "B03": (560, 559),
    "B04": (665,),
    "B05": (704,),
    "B06": (740, 739),
    "B07": (783, 780),
    "B08": (833,),
    "B8A": (865, 864),
    "B11": (1614, 1610),
    "B12": (2202, 2186),
}
# Metres; each is a folder of a scene.
_RESOLUTIONS = (10, 20, 60)


def open_mados(task: Task) -> ImageSet:
    """
    `splits/{train,val,test}_X.txt` (lines `Scene_7_3`: scene and crop), `SCENE/{10,20,60}/SCENE_L2R_rhorc_{nm}_CROP.tif`
    (one band per file, named by its wavelength, reflectance) and `SCENE/10/SCENE_L2R_cl_CROP.tif` (0 is unlabelled).
    Bands of 20 and 60 m are repeated to the 10 m grid, as in PANGAEA.
    """
    folder = local_folder(task)
    splits = {}
    for ours, own in task.splits.items():
        lines = existing_path(folder / "splits" / f"{own}_X.txt", "a list of crops").read_text(encoding="utf-8").split()
        splits[ours] = Images.from_entries(partial(_read_tile, task, folder), lines, lines)
    return ImageSet(splits, class_names(task))


def _read_tile(task: Task, folder: Path, name: str) -> LabelledImage:
    scene, _, crop = name.rpartition("_")
    label = class_map(task, read_raster(folder / scene / "10" / f"{scene}_L2R_cl_{crop}.tif", 1)[0])
    pixels = np.stack([_read_band(folder / scene, crop, band) for band in task.options["tiles"]["bands"]])
    check_same_grid(name, pixels, label)
    return LabelledImage(name, (TileSample(name, pixels),), label)


def _read_band(scene: Path, crop: str, band: str) -> np.ndarray:
    for resolution in _RESOLUTIONS:
        for wavelength in _WAVELENGTHS[band]:
            path = scene / str(resolution) / f"{scene.name}_L2R_rhorc_{wavelength}_{crop}.tif"
            if path.exists():
                times = resolution // _RESOLUTIONS[0]
                return read_raster(path, 1)[0].repeat(times, axis=0).repeat(times, axis=1)
    raise ValueError(
        f"{str(scene)!r} has no file of {band} (wavelength {_WAVELENGTHS[band]} nm) for crop {crop}; complete the download."
    )
