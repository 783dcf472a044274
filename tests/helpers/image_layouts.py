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
"""Small files in the published layouts of the image benchmarks. One function per data set writes them to a folder."""

import csv
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import rasterio
from datasets import Array3D, ClassLabel, Dataset, Features, Value

from training.benchmarks.tasks.task import Task, load_tasks

SIDE = 12


def local_task(name: str, folder: Path) -> Task:
    """A task of ours on generated files. Each test needs its own folder, as the last opened data are cached."""
    return replace(load_tasks()[name], source=str(folder), revision=None)


def draw(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def write_raster(path: Path, pixels: np.ndarray, nodata: float | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    bands, height, width = pixels.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=bands,
        dtype=pixels.dtype,
        nodata=nodata,
        crs="EPSG:32633",
        transform=rasterio.transform.from_origin(400_000, 5_000_000, 10, 10),
    ) as raster:
        raster.write(pixels)


def generated_bands(bands: int, dtype: type, seed: int, scale: float = 1.0) -> np.ndarray:
    """Band c holds values near (c + 1) hundreds, so that a band taken for another is seen."""
    pixels = 100 * (np.arange(bands)[:, None, None] + 1) + draw(seed).integers(0, 20, (bands, SIDE, SIDE))
    return (pixels * scale).astype(dtype)


def band_of(tile: np.ndarray, bands: list[str], name: str, scale: float = 1.0) -> int:
    """Which channel of the source the model's band `name` was read from."""
    return int(tile[bands.index(name)].astype(np.float64).mean() / scale / 100) - 1


def write_burn_scars(folder: Path) -> None:
    for part, count in (("training", 10), ("validation", 2)):
        for number in range(count):
            stem = folder / part / f"subsetted_512x512_HLS.S30.T10SEH.{part[:1]}182{number:02d}.v1.4"
            pixels = generated_bands(6, np.float32, number, 1e-4)
            # Not declared in the file, as in some of the scenes.
            pixels[:, 0, 0] = 9999
            label = draw(number).integers(-1, 2, (SIDE, SIDE)).astype(np.int16)
            write_raster(Path(f"{stem}_merged.tif"), pixels)
            write_raster(Path(f"{stem}.mask.tif"), label)


def write_small_farms(folder: Path) -> None:
    for part, count in (("train", 3), ("validate", 2), ("test", 2)):
        for number in range(count):
            root = folder / "sentinel-2-asia" / part
            write_raster(root / "images" / f"{part}_{number}.tif", generated_bands(4, np.uint16, number))
            write_raster(
                root / "masks" / f"{part}_{number}.tif",
                255 * draw(number).integers(0, 2, (SIDE, SIDE)).astype(np.uint8),
            )


def write_floods(folder: Path) -> None:
    hand = folder / "v1.1/data/flood_events/HandLabeled"
    splits = folder / "v1.1/splits/flood_handlabeled"
    splits.mkdir(parents=True)
    for part, count in (("train", 3), ("valid", 2), ("test", 2)):
        names = [f"Ghana_{part}{number}" for number in range(count)]
        for number, name in enumerate(names):
            write_raster(hand / "S2Hand" / f"{name}_S2Hand.tif", generated_bands(13, np.uint16, number))
            write_raster(
                hand / "LabelHand" / f"{name}_LabelHand.tif",
                draw(number).integers(-1, 2, (SIDE, SIDE)).astype(np.int16),
            )
        lines = [f"{name}_S1Hand.tif,{name}_LabelHand.tif\n" for name in names]
        (splits / f"flood_{part}_data.csv").write_text("".join(lines))


def write_mados(folder: Path) -> None:
    (folder / "splits").mkdir(parents=True)
    # Sentinel-2A and 2B name some bands by other wavelengths.
    satellites = [
        [443, 492, 560, 665, 704, 740, 783, 833, 865, 1614, 2202],
        [442, 492, 559, 665, 704, 739, 780, 833, 864, 1610, 2186],
    ]
    metres = [60, 10, 10, 10, 20, 20, 20, 10, 20, 20, 20]
    for scene, part in enumerate(("train", "val", "test")):
        crops = [f"Scene_{scene}_{crop}" for crop in range(2)]
        (folder / "splits" / f"{part}_X.txt").write_text("\n".join(crops) + "\n")
        for crop in range(2):
            pixels = generated_bands(11, np.float32, crop, 1e-4)
            for band, (wavelength, size) in enumerate(zip(satellites[scene % 2], metres)):
                step = size // 10
                name = f"Scene_{scene}_L2R_rhorc_{wavelength}_{crop}.tif"
                write_raster(folder / f"Scene_{scene}" / str(size) / name, pixels[band, ::step, ::step])
            label = draw(crop).integers(0, 16, (SIDE, SIDE)).astype(np.uint8)
            write_raster(folder / f"Scene_{scene}" / "10" / f"Scene_{scene}_L2R_cl_{crop}.tif", label)


def write_pastis(folder: Path) -> None:
    patches = [{"ID_PATCH": 10000 + fold, "Fold": fold} for fold in (1, 2, 3, 4, 5)]
    (folder / "DATA_S2").mkdir(parents=True)
    (folder / "ANNOTATIONS").mkdir()
    features = [{"type": "Feature", "properties": patch, "geometry": None} for patch in patches]
    (folder / "metadata.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    for patch in patches:
        number = patch["ID_PATCH"]
        dates = np.stack([generated_bands(10, np.int16, date) + date for date in range(9)])
        np.save(folder / "DATA_S2" / f"S2_{number}.npy", dates)
        np.save(
            folder / "ANNOTATIONS" / f"TARGET_{number}.npy",
            draw(number).integers(0, 20, (3, SIDE, SIDE)).astype(np.uint8),
        )


def write_crop_type(folder: Path) -> None:
    country = folder / "southsudan"
    for name in ("npy", "truth"):
        (country / name).mkdir(parents=True)
    rows = [(number, number % 3) for number in range(9)]
    with (country / "list_eval_partition.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "partition"), *rows])
    for number, _ in rows:
        dates = np.stack([generated_bands(10, np.float64, date) + date for date in range(8)], axis=-1)
        np.savez(country / "npy" / f"southsudan_{number:06d}.npz", s1=np.zeros(1), s2=dates)
        np.savez(country / "truth" / f"southsudan_{number:06d}.npz", truth=draw(number).integers(0, 8, (SIDE, SIDE)))
    # The published archive holds damaged files.
    (country / "npy" / "southsudan_000000.npz").write_bytes(b"PK cut off")


def write_biomassters(folder: Path) -> None:
    for part, features, months in (("train", "train", 5), ("val", "train", 3), ("test", "test", 7)):
        chips = [f"{part}{number}" for number in range(2)]
        folder.mkdir(exist_ok=True)
        (folder / f"{part}_Data_list.csv").write_text("chip_id\n" + "\n".join(chips) + "\n")
        for number, chip in enumerate(chips):
            # Some months are absent in the published data, too.
            for month in range(12 - months, 12):
                write_raster(
                    folder / f"{features}_features" / f"{chip}_S2_{month:02d}.tif",
                    generated_bands(11, np.uint16, month),
                )
            target = draw(number).random((SIDE, SIDE)).astype(np.float32) * 300
            target[0, 0] = np.nan
            write_raster(folder / f"{features}_agbm" / f"{chip}_agbm.tif", target)


def write_geobench(folder: Path, name: str, label: Callable[[int], object], scale: float) -> None:
    task = load_tasks()[name]
    root = folder / name
    root.mkdir(parents=True)
    ids = {"train": ["a", "b.c"], "valid": ["d"], "test": ["e", "f"]}
    (root / "default_partition.json").write_text(json.dumps(ids))
    with tarfile.open(root / "shard_000000.tar", "w") as archive:
        for number, sample in enumerate(sample for part in ids.values() for sample in part):
            own = dict(
                zip(task.options["bands"], generated_bands(10, np.float32 if scale < 1 else np.uint16, number, scale))
            )
            # Other bands, in another order than ours.
            arrays = {"02 - VH.Imaginary": np.zeros((SIDE, SIDE), np.float32), **dict(reversed(own.items()))}
            buffer = io.BytesIO()
            np.savez(buffer, **arrays)
            meta = json.dumps({"label": label(number), "bands_order": list(arrays)}).encode()
            for suffix, content in (("bands.npz", buffer.getvalue()), ("meta.json", meta)):
                member = tarfile.TarInfo(f"{sample}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))


def write_eurosat(folder: Path) -> None:
    """The parquet files and features of the published data set, with patches of 64 x 64."""
    (folder / "data").mkdir(parents=True)
    classes = ClassLabel(names=["Annual Crop", "Forest", "River"])
    features = Features({"image": Array3D((64, 64, 13), "uint16"), "label": classes, "filename": Value("string")})
    for split, count in (("train", 12), ("validation", 6), ("test", 6)):
        rows = {"image": [], "label": [], "filename": []}
        for number in range(count):
            pixels = np.broadcast_to(100 * (np.arange(13) + 1), (64, 64, 13)).astype(np.uint16)
            rows["image"].append(pixels + np.uint16(20 * (number % 3)))
            rows["label"].append(number % 3)
            rows["filename"].append(f"{number}.tif")
        Dataset.from_dict(rows, features=features).to_parquet(folder / "data" / f"{split}-00000-of-00001.parquet")


MAKERS: dict[str, Callable[[Path], None]] = {
    "hls-burn-scars": write_burn_scars,
    "ai4smallfarms": write_small_farms,
    "sen1floods11": write_floods,
    "mados": write_mados,
    "pastis": write_pastis,
    "crop-type-south-sudan": write_crop_type,
    "biomassters": write_biomassters,
    "m-bigearthnet": lambda folder: write_geobench(
        folder, "m-bigearthnet", lambda n: [int(n == c) for c in range(43)], 1
    ),
    "m-so2sat": lambda folder: write_geobench(folder, "m-so2sat", lambda n: n % 17, 1e-4),
    "eurosat": write_eurosat,
}
