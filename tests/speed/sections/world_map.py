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
"""The Space's map of the world: its grid computed once, and a query on the grid in memory."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from time import perf_counter, process_time, sleep
from typing import Any

import numpy as np
import torch

from modeling_gair import GairConfig, GairModel
from tests.speed.rows import Row, Settings, compare, timed

_ROOT = Path(__file__).parents[3]
_PLACES_AT_ONCE = 8192
# Lon, lat of a click.
_PLACE = np.array([13.4]), np.array([52.5])


def measure(settings: Settings) -> list[Row]:
    """360 × 180 cells, cold and warm; in a process of its own, since modules of the Space import each other as a lone folder does."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(_ROOT / "spaces_demo"), str(_ROOT)])}
    program = f"from {__name__} import print_rows; print_rows({str(settings.device)!r}, {settings.quick})"
    output = subprocess.check_output([sys.executable, "-c", program], cwd=_ROOT, env=environment)
    return [Row(**row) for row in json.loads(output.splitlines()[-1])]


def measure_here(settings: Settings) -> list[Row]:
    """The rows, where the Space's modules can be imported."""
    from serving.grids import Grids, finest_level

    torch.manual_seed(0)
    model = GairModel(GairConfig.tiny() if settings.quick else GairConfig()).eval().to(settings.device)
    embed = partial(_embed, model)
    with TemporaryDirectory() as folder:
        finest = finest_level(embed)
        grids = Grids(embed, Path(folder) / "world.npy", finest)
        seconds = timed(grids.open_world, settings.device)
        cells = grids.land()[2]
        query = cells[0].astype(np.float32)
        # A view of a few degrees, whose cells are the finest: the coarse map, then all of it.
        close = (5.0, 46.0, 5.0 + 180 / 2**finest, 46.0 + 90 / 2**finest)
        steps = grids.steps(close, lambda cells: cells @ query)
        began = process_time()
        zoom = [Row("world map", "a zoom: first answer", timed(lambda: next(steps), settings.device))]
        zoom.append(Row("world map", "a zoom: finest answer", timed(lambda: list(steps), settings.device)))
        zoom.append(Row("world map", "a zoom: processor time of both answers", process_time() - began))
        # Another view, which nobody has seen yet.
        other = (close[0] + 4, close[1], close[2] + 4, close[3])
        seconds_beside = _beside(
            lambda: list(grids.steps(other, lambda cells: cells @ query)), lambda: click_on(grids, embed(*_PLACE)[0])
        )
        zoom.append(Row("world map", "another visitor's click during a zoom", seconds_beside))
        again = Grids(embed, Path(folder) / "world.npy", finest)
        zoom.append(Row("world map", "the world from the cache", timed(again.open_world, settings.device)))
        click = {"a query, grid in memory": lambda: click_on(grids, query)}
        rows = compare("world map", click, settings)
    made = Row("world map", "the land of 360 × 180 cells", seconds, rate=len(cells) / seconds, items="places")
    return [made, *zoom, *rows]


def click_on(grids: Any, query: np.ndarray) -> None:
    """The map of a place on the whole world."""
    list(grids.steps((-180.0, -90.0, 180.0, 90.0), lambda cells: cells @ query))


def _beside(long: Callable[[], object], short: Callable[[], object]) -> float:
    """Seconds that something short takes while something long computes."""
    other = Thread(target=long)
    other.start()
    # The long one has begun: its first piece takes longer than this.
    sleep(0.05)
    began = perf_counter()
    short()
    seconds = perf_counter() - began
    other.join()
    return seconds


@torch.inference_mode()
def _embed(model: GairModel, lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    coordinates = torch.from_numpy(np.stack([lon, lat], axis=1)).to(model.device)
    chunks = [model.get_location_features(chunk) for chunk in coordinates.split(_PLACES_AT_ONCE)]
    return torch.nn.functional.normalize(torch.cat(chunks).float(), dim=-1).cpu().numpy()


def print_rows(device: str, quick: bool) -> None:
    """What the process of its own does."""
    print(json.dumps([row.as_dict() for row in measure_here(Settings(torch.device(device), quick))]))
