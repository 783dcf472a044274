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
On ZeroGPU the model computes only in functions that hold a GPU, in another process.

A stand-in for the package `spaces` does what matters of its `GPU`: a function is decorated once, and arguments and results are
copied as between processes, which models must not be.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="the extra demo is not installed")
from modeling_gair import GairRSImageProcessor
from serving.gallery import bundled_photos
from tests.helpers.rasters import made_pixels, write_tif

pytestmark = [pytest.mark.slow]

FOLDER = Path(__file__).parents[2] / "spaces_demo"
SPACES = """
import io, pickle
from functools import wraps
from threading import local
import torch

held, decorated, called = local(), {}, set()

class _Pickler(pickle.Pickler):
    def reducer_override(self, thing):
        if isinstance(thing, torch.nn.Module):
            raise RuntimeError(f"{type(thing).__name__} is sent to another process")
        return NotImplemented

def _sent(thing):
    file = io.BytesIO()
    _Pickler(file).dump(thing)
    return pickle.loads(file.getvalue())

def GPU(task):
    if task in decorated:
        return decorated[task]
    @wraps(task)
    def run(*arguments):
        called.add(task.__qualname__)
        arguments, held.gpu = _sent(arguments), True
        try:
            return _sent(task(*arguments))
        finally:
            held.gpu = False
    decorated[task] = decorated[run] = run
    return run
"""
PROGRAM = """
import sys
import spaces
import torch

def must_hold_a_gpu(module, _):
    if not getattr(spaces.held, "gpu", False):
        raise RuntimeError(f"{type(module).__name__} computes without a GPU")

torch.nn.modules.module.register_module_forward_pre_hook(must_hold_a_gpu)
import app
from serving.boxes import BoxComparison
from serving.gallery import load_gallery, uploaded_tile
from serving.model import load_models
from serving.scenes import place_scene, upload_scene
from serving.labels import parse_labels
from serving.teaching import Teaching
from serving.uploads import read_tile
from serving.world_maps import WorldMaps

photo, tif = sys.argv[1:]
served, other = load_models()
gallery = load_gallery(None, served)
for model in (served, other()):
    maps = WorldMaps(model)
    maps.draw(maps.query("13.4, 52.52", photo, tif), (-10, 40, 10, 50), "stretched", 5)
uploaded_tile(read_tile(tif, served.processor.image_processor), served)
upload_scene(served, gallery, photo), place_scene(served, gallery, 13.4, 52.52)
BoxComparison(served).compare("-10,36,30,60", "0,40,10,50")
Teaching(served).draw(parse_labels("5, 25, a\\n-60, -5, b\\n10, 50, b", served.coordinates), (-10, 40, 10, 50))
print(*sorted(spaces.called))
"""


def test_the_model_computes_in_functions_that_hold_a_gpu(tmp_path):
    (tmp_path / "spaces.py").write_text(SPACES, encoding="utf-8")
    (tmp_path / "photo.jpg").write_bytes(next(bundled_photos()))
    write_tif(tmp_path / "tile.tif", made_pixels(), names=GairRSImageProcessor().bands)
    environment = os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{FOLDER}", "HF_HOME": str(tmp_path / "cache")}
    for name in ("GAIR_MODEL", "GAIR_GALLERY", "GAIR_EMBEDDINGS"):
        environment.pop(name, None)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "photo.jpg"), str(tmp_path / "tile.tif")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    called = ran.stdout.splitlines()[-1].split()
    assert called == [f"ServedModel.{name}" for name in ("encoded", "encoded_row", "photo", "places", "tile")]
