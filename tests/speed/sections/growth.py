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
"""How time grows with the size of the input: the exponent of a power law, 1 where twice the input takes twice the time."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from modeling_gair import GairConfig, GairModel
from tests.speed.measuring import peak_bytes, printed_numbers
from tests.speed.rows import Row, Settings, timed

# In processes of their own: CPU seconds, and MiB beyond those of the imports.
_WRITING = """
import os
from pathlib import Path
from tests.helpers.memory import peak_bytes
from training.world.settings import WorldSettings
from training.world.writer import write_sample_dataset
before, start = peak_bytes(), sum(os.times()[:4])
settings = WorldSettings(tiles={tiles}, photos=4, held_out_tiles=1, held_out_photos=1)
write_sample_dataset(Path({folder!r}), settings, workers=1)
print(sum(os.times()[:4]) - start, (peak_bytes() - before) / 2**20)
"""
_READING = """
import os
from itertools import islice
from modeling_gair import GairConfig, GairProcessor
from tests.helpers.memory import peak_bytes
from training.pairs.loading import load_batches
from training.pairs.sources import open_source
from training.pairs.stream import PairStream
before, start = peak_bytes(), sum(os.times()[:4])
pairs = PairStream([open_source({folder!r}, 0.0)], GairProcessor.for_config(GairConfig.tiny()), 32, 4)
for batch in islice(load_batches(pairs, 0), {batches}):
    pass
print(sum(os.times()[:4]) - start, (peak_bytes() - before) / 2**20)
"""


def measure(settings: Settings) -> list[Row]:
    """
    Points of a tile, cells of a map, batch, side of a tile, and places (as many as a map of the world has cells), of the tiny preset;
    tiles of a sample world that is written and read.
    """
    return [*_rows_of_model(settings), *_rows_of_worlds(settings)]


@torch.inference_mode()
def _rows_of_model(settings: Settings) -> list[Row]:
    torch.manual_seed(0)
    config = GairConfig.tiny()
    model = GairModel(config).eval().to(settings.device)
    rs = config.rs_config
    tile = model.encode_tiles(torch.rand(1, rs.num_channels, rs.image_size, rs.image_size, device=settings.device))
    factors = (1, 2) if settings.quick else (1, 2, 4, 8)

    def points(count: int) -> Callable[[], object]:
        return partial(model.localize, tile, torch.rand(1, count, 2, device=settings.device), "nili", with_pixels=True)

    def cells(count: int) -> Callable[[], object]:
        side = round(count**0.5)
        return partial(model.feature_map, tile, (side, side), "nili", True)

    def tiles(count: int) -> Callable[[], object]:
        pixels = torch.rand(count, rs.num_channels, rs.image_size, rs.image_size, device=settings.device)
        return partial(model.get_rs_features, pixels)

    def sides(side: int) -> Callable[[], object]:
        larger = GairConfig.tiny(rs_config={**rs.to_dict(), "image_size": side})
        pixels = torch.rand(4, rs.num_channels, side, side, device=settings.device)
        return partial(GairModel(larger).eval().to(settings.device).get_rs_features, pixels)

    def places(count: int) -> Callable[[], object]:
        return partial(model.get_location_features, 90 * torch.rand(count, 2, device=settings.device))

    return [
        *_rows("points of a tile", points, [20_000 * factor for factor in factors], settings),
        *_rows("cells of a map", cells, [128 * 128 * factor for factor in factors], settings),
        *_rows("tiles of a batch", tiles, [16 * factor for factor in factors], settings),
        *_rows("side of a tile", sides, [rs.image_size * factor for factor in factors[:3]], settings),
        *_rows("places", places, [8192 * factor for factor in factors], settings),
    ]


def _rows_of_worlds(settings: Settings) -> list[Row]:
    """
    Writing a world, its first batch, and one pass over it, by CPU time. Memory need not grow once a few hundred tiles have filled the
    buffers of reading.
    """
    counts = (32, 64) if settings.quick else (256, 512, 1024)
    found: dict[str, list[tuple[float, float]]] = {"writing": [], "the first batch": [], "a pass": []}
    with TemporaryDirectory() as temporary:
        for tiles in counts:
            folder = str(Path(temporary) / str(tiles))
            found["writing"].append(printed_numbers(_WRITING.format(folder=folder, tiles=tiles)))
            found["the first batch"].append(printed_numbers(_READING.format(folder=folder, batches=1)))
            found["a pass"].append(printed_numbers(_READING.format(folder=folder, batches=tiles // 32)))
    return [
        row
        for case, used in found.items()
        for row in _slopes(f"tiles of a world, {case}", counts, *map(list, zip(*used, strict=True)))
    ]


def _rows(case: str, make: Callable[[int], Callable], counts: Sequence[int], settings: Settings) -> list[Row]:
    """The shortest of several calls, and the peak of one, at each count."""
    seconds, megabytes = [], []
    for count in counts:
        run = make(count)
        run()
        seconds.append(min(timed(run, settings.device) for _ in range(settings.repeats)))
        megabytes.append(_peak_bytes(run, settings.device) / 2**20)
    return _slopes(case, counts, seconds, megabytes)


def _slopes(case: str, counts: Sequence[int], seconds: Sequence[float], megabytes: Sequence[float]) -> list[Row]:
    """The slopes of log time and of log memory over log count: 1 where they are proportional, 0 where they are constant."""
    units = {"time": ("ms", [1e3 * value for value in seconds]), "memory": ("MiB", megabytes)}
    return [
        Row(
            "growth",
            f"{name} over {case}",
            float(np.polyfit(np.log(counts), np.log(values), 1)[0]),
            "(exponent)",
            note=f"{counts[0]:,} to {counts[-1]:,}: {values[0]:.3g} to {values[-1]:.3g} {unit}",
        )
        for name, (unit, values) in units.items()
    ]


def _peak_bytes(run: Callable[[], object], device: torch.device) -> int:
    if device.type != "cuda":
        return peak_bytes(run)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    return torch.cuda.max_memory_allocated(device) - before
