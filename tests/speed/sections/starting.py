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
"""Importing the package, beside importing the same classes of transformers alone, and loading a model, each in a new process."""

import statistics
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from modeling_gair import GairConfig, GairModel
from tests.speed.measuring import printed_numbers
from tests.speed.rows import Row, Settings

_TRANSFORMERS = """
import torch, safetensors
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoProcessor, PreTrainedModel
from transformers.image_processing_utils import BaseImageProcessor
from transformers.feature_extraction_utils import FeatureExtractionMixin
from transformers.processing_utils import ProcessorMixin
"""
_PROGRAM = """
import time
start = time.perf_counter()
{code}
seconds = time.perf_counter() - start
from tests.helpers.memory import peak_bytes
print(seconds, peak_bytes() / 2**20)
"""
# Peak memory beyond that of the imports; the first forward pass may read weights that are mapped only.
_LOADING = """
import time
import modeling_gair
from tests.helpers.memory import peak_bytes
before = peak_bytes()
start = time.perf_counter()
model = modeling_gair.GairModel.from_pretrained({folder!r})
print(time.perf_counter() - start, (peak_bytes() - before) / 2**20)
"""


def measure(settings: Settings) -> list[Row]:
    """Seconds and memory of importing and loading."""
    runs = 1 if settings.quick else 5
    theirs = _medians(_PROGRAM.format(code=_TRANSFORMERS), runs)
    ours = _medians(_PROGRAM.format(code="import modeling_gair"), runs)
    rows = [
        Row("starting", "import transformers' classes", theirs[0], note=f"{theirs[1]:.0f} MB"),
        Row(
            "starting",
            "import modeling_gair",
            ours[0],
            ratio=theirs[0] / ours[0],
            than="transformers' classes",
            note=f"{ours[1]:.0f} MB, {ours[0] - theirs[0]:+.2f} s",
        ),
    ]
    with TemporaryDirectory() as folder:
        torch.manual_seed(0)
        GairModel(GairConfig.tiny() if settings.quick else GairConfig()).save_pretrained(folder)
        size = sum(file.stat().st_size for file in Path(folder).glob("*.safetensors")) / 2**20
        seconds, memory = _medians(_LOADING.format(folder=folder), runs)
    note = f"{memory:.0f} MB beyond the imports, of a file of {size:.0f} MB"
    return [*rows, Row("starting", "load a model", seconds, note=note)]


def _medians(program: str, runs: int) -> tuple[float, float]:
    """Medians of the two numbers that a program prints, after one run to warm up."""
    found = [printed_numbers(program) for _ in range(runs + 1)][1:]
    return statistics.median(seconds for seconds, _ in found), statistics.median(memory for _, memory in found)
