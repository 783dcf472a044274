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
This package against the published implementation, on the same inputs. With a checkout of it (`--published`) and an interpreter with the
transformers that it pins (`--published_python`), both run in turn, with the same weights. Without, committed figures stand in. What this
package can do otherwise (towers in bfloat16, drafts of photos) is compared with the same published case, by the words before the comma.
"""

import copy
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image

from modeling_gair import GairConfig, GairModel, GairProcessor
from modeling_gair.bands_gair import GAIR_BANDS
from modeling_gair.convert_gair_checkpoint import convert_gair_checkpoint
from tests.helpers.rasters import made_pixels, write_tif
from tests.speed.measuring import camera_photo
from tests.speed.rows import Row, Settings, spread, timed
from training.common.matrix_rate import matrix_rate
from training.common.precision import compute_in

_WORKER = Path(__file__).parents[1] / "published_worker.py"
# Milliseconds of the published implementation on two idle cores that multiply float32 matrices at the rate below; torch 2.14.
_COMMITTED = {
    "RS tower": 648,
    "SV tower": 881,
    "places": 1666,
    "tile from an array": 1.37,
    "tile from a file": 6.7,
    "photo from an array": 33.8,
    "photo from a file": 57.6,
    "points of an encoded tile": 812,
}
_COMMITTED_RATE = 330e9
_WHAT = {
    "RS tower": "8 tiles",
    "SV tower": "8 photos",
    "places": "20,000",
    "photo from an array": "1080p",
    "photo from a file": "1080p",
    "points of an encoded tile": "256, NILI",
}


def measure(settings: Settings) -> list[Row]:
    """Both, or this package alone beside the committed figures; on the CPU, where those were taken."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        inputs = _inputs(folder, settings)
        if settings.published:
            return _in_turn(settings, folder, inputs)
        torch.manual_seed(0)
        config = GairConfig.tiny(pixel_window=0) if settings.quick else GairConfig()
        return _beside_committed(settings, _cases(GairModel(config).eval(), inputs))


def _inputs(folder: Path, settings: Settings) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    photo = camera_photo(1920, 1080)
    Image.fromarray(photo).save(folder / "photo.jpg", quality=90)
    tile = made_pixels(height=96, width=96)
    write_tif(folder / "tile.tif", tile, names=GAIR_BANDS)
    side = 64 if settings.quick and not settings.published else 224
    return {
        "threads": torch.get_num_threads(),
        "tiles": torch.rand(8, 10, 96, 96, generator=generator),
        "sixteen": torch.rand(16, 10, 96, 96, generator=generator),
        "photos": torch.randn(8, 3, side, side, generator=generator),
        "places": torch.rand(20_000, 2, generator=generator) * torch.tensor([360, 160]) - torch.tensor([180, 80]),
        "points": torch.rand(256, 2, generator=generator) * 0.98 + 0.01,
        "tile": tile,
        "tile_file": str(folder / "tile.tif"),
        "photo": photo,
        "photo_file": str(folder / "photo.jpg"),
    }


def _cases(model: GairModel, inputs: dict[str, Any]) -> dict[str, Callable[[], torch.Tensor]]:
    processor = GairProcessor.for_config(model.config)
    points, encoded = inputs["points"], model.encode_tiles(inputs["tiles"][:1])
    prepare, rounded = partial(processor, return_tensors="pt"), copy.deepcopy(model)
    drafts = copy.deepcopy(processor)
    drafts.sv_image_processor.draft = True
    compute_in(rounded, "bfloat16")
    return {
        "RS tower": lambda: model.get_rs_features(inputs["tiles"]),
        # The published encoder does not project photos, which is a thousandth of the work.
        "SV tower": lambda: model.sv_model(pixel_values=inputs["photos"]).pooler_output,
        "places": lambda: model.get_location_features(inputs["places"]),
        "RS tower, bfloat16": lambda: rounded.get_rs_features(inputs["tiles"]),
        "SV tower, bfloat16": lambda: rounded.sv_model(pixel_values=inputs["photos"]).pooler_output,
        "places, bfloat16": lambda: rounded.get_location_features(inputs["places"]),
        "tile from an array": lambda: prepare(rs=inputs["tile"], bands="gair_10")["rs_pixel_values"],
        "tile from a file": lambda: prepare(rs=inputs["tile_file"])["rs_pixel_values"],
        "photo from an array": lambda: prepare(sv=inputs["photo"])["sv_pixel_values"],
        "photo from a file": lambda: prepare(sv=inputs["photo_file"])["sv_pixel_values"],
        "photo from a file, as a draft": lambda: drafts(sv=inputs["photo_file"], return_tensors="pt")[
            "sv_pixel_values"
        ],
        "points of an encoded tile": lambda: model.localize(encoded, points[None], "nili")[0],
        "one point in each of 16 tiles": lambda: model.get_localized_rs_features(
            inputs["sixteen"], points[:16, None], "nili"
        )[:, 0],
    }


@torch.inference_mode()
def _beside_committed(settings: Settings, cases: dict[str, Callable[[], torch.Tensor]]) -> list[Row]:
    scale = _COMMITTED_RATE / matrix_rate(torch.device("cpu"), torch.float32)
    rows = []
    for case, run in cases.items():
        if _counterpart(case) not in _COMMITTED:
            continue
        run()
        seconds = [timed(run, torch.device("cpu")) for _ in range(settings.repeats)]
        # The tiny preset has nothing to be compared with.
        theirs = None if settings.quick else _COMMITTED[_counterpart(case)] / 1e3 * scale
        rows.append(_row(case, seconds, theirs, "committed, scaled by the matrix rate"))
    return rows


@torch.inference_mode()
def _in_turn(settings: Settings, folder: Path, inputs: dict[str, Any]) -> list[Row]:
    torch.save(inputs, folder / "inputs.pt")
    command = [settings.published_python, _WORKER, settings.published, folder / "weights.pth", folder / "inputs.pt"]
    rows = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        if worker.stdout is None or worker.stdout.readline() != "ready\n":
            raise ValueError("The published implementation did not start; its own words are above.")
        cases = _cases(convert_gair_checkpoint(folder / "weights.pth", folder / "converted"), inputs)
        for case, run in cases.items():
            ours, theirs = [], []
            difference = _difference(run(), torch.load(_published(worker, case, folder / "result.pt")[1]))
            for _ in range(settings.repeats):
                start = time.perf_counter()
                run()
                ours.append(time.perf_counter() - start)
                theirs.append(_published(worker, case)[0])
            note = f"published {median(theirs) * 1e3:.4g} ms; the results differ by {difference:.0e} of the largest"
            rows.append(_row(case, ours, median(theirs), note))
        worker.stdin.close()
    return rows


def _published(worker: subprocess.Popen, case: str, file: Path | str = "") -> tuple[float, Path | str]:
    """Runs a case once; returns its seconds, and the file with the result."""
    worker.stdin.write(f"{_counterpart(case)}\t{file}\n")
    worker.stdin.flush()
    answer = worker.stdout.readline()
    if not answer:
        raise ValueError(f"The published implementation failed at {case!r}; its own words are above.")
    return float(answer), file


def _counterpart(case: str) -> str:
    """The published case that one of ours is compared with."""
    return case.partition(",")[0]


def _difference(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return ((ours - theirs.reshape(ours.shape)).abs().max() / theirs.abs().max()).item()


def _row(case: str, seconds: list[float], theirs: float | None, note: str) -> Row:
    what = _WHAT.get(_counterpart(case))
    name = f"{case} ({what})" if what else case
    ratio = theirs / median(seconds) if theirs else None
    than = "the published implementation" if theirs else ""
    return Row("published", name, median(seconds), spread=spread(seconds), ratio=ratio, than=than, note=note)
