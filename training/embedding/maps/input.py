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
"""A dense map as an input of the engine: one task a block."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from modeling_gair import GairProcessor
from training.common.iterables import chunked
from training.embedding.encoding import Encoder
from training.embedding.inputs.chips import fingerprint_of_raster, id_of
from training.embedding.inputs.kind import Part, Plan
from training.embedding.inputs.raster import RasterSource, opened
from training.embedding.job import Job, path_of
from training.embedding.maps.dense import window_maps
from training.embedding.maps.plan import MapPlan, plan_map

PIXELS = "pixels"


class MapInput:
    """
    A raster that becomes a dense map.

    Args:
        source ([`RasterSource`]): the raster.
        window_m (`float`), resolution_m (`float`): sides of a window and of a cell on the ground in metres.
    """

    what, unit = PIXELS, "window"

    def __init__(self, source: RasterSource, window_m: float, resolution_m: float):
        self.path, self.name = source.path, Path(source.path).name
        self._source, self._sizes = source, (window_m, resolution_m)

    def fingerprint(self) -> str:
        return fingerprint_of_raster(self.path)

    def plan(self, folder: Path, items_per_task: int, encoder: Encoder) -> Plan:
        found = plan_map(self._source, encoder.processor, *self._sizes, encoder.dimension)
        # Paths stay on this machine.
        plan = replace(found, source=replace(found.source, path=self.name))
        height, width = plan.shape
        said = f"The map has {width:,} x {height:,} cells of {plan.cell[0]} x {plan.cell[1]} pixels, and windows of {plan.window[0]} x {plan.window[1]} cells."
        return Plan([len(plan.windows_of(rank)) for rank in range(plan.tasks)], {"map": plan.to_json()}, [said])


def plan_of(output: Path, job: Job) -> MapPlan:
    """The plan of a job, with the raster's path on this machine."""
    plan = MapPlan.from_json(job.details["map"])
    return replace(plan, source=replace(plan.source, path=path_of(output, "input")))


class MapKind:
    """How long windows take, for `--dry_run`; the tasks themselves blend them (`training/embedding/maps/run.py`)."""

    geometry_types = ()

    def parts(self, output: Path, job: Job, rank: int, processor: GairProcessor) -> Iterator[Callable[[], Part]]:
        plan = plan_of(output, job)
        for starts in chunked(plan.windows_of(rank), job.batch_size):
            yield partial(_read, plan, starts, processor)

    def encode(self, encoder: Encoder, part: Part) -> np.ndarray:
        height, width, tiles = part.pixels
        maps = window_maps(encoder.model, encoder.processor, tiles, (height, width)) if tiles else ()
        return np.array([values.mean().item() for values in maps])


def _read(plan: MapPlan, starts: list[tuple[int, int]], processor: GairProcessor) -> Part:
    with opened(plan.source, processor) as raster:
        found = [raster.read(plan.pixels_of(*start)) for start in starts]
    columns = {"id": [id_of(plan.source.path, one.window) for one in found if one.tile is not None]}
    pixels = plan.window[1], plan.window[0], [one.tile.pixels for one in found if one.tile is not None]
    return Part(len(found), columns, pixels, [])
