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
Saved models load through the Auto classes in a fresh process where neither this package nor timm, torchvision, rasterio
and pyproj can be imported, and save again from there.

`GAIR_OTHER_PYTHONS` (paths separated by `:`) names further interpreters to try, with other versions and only the base
dependencies; `.ci/run` sets it.
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import torch

import modeling_gair
from modeling_gair import GairConfig, GairModel, GairProcessor
from modeling_gair.configuration_gair import LOCATION_ENCODERS
from tests.helpers.models import draw_pixels
from tests.helpers.requirements import PYTHONS

_SCRIPT = """
import json, sys

for name in ("modeling_gair", "timm", "torchvision", "rasterio", "pyproj"):
    sys.modules[name] = None  # importing it fails

import numpy as np
import torch
from transformers import AutoConfig, AutoFeatureExtractor, AutoModel, AutoProcessor
from transformers import TimmWrapperConfig
from transformers.models.auto.image_processing_auto import AutoImageProcessor

source, again = sys.argv[1:]
bands = ["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"]
tile = np.arange(10 * 64 * 64).reshape(10, 64, 64).astype("uint16") % 5000
photo = (np.arange(50 * 70 * 3).reshape(50, 70, 3) % 251).astype("uint8")
point = {"lon": 13.401, "lat": 52.502}


def embeddings(folder):
    model = AutoModel.from_pretrained(folder, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    bounds = (13.39, 52.49, 13.41, 52.51)
    inputs = processor(rs=tile, sv=photo, **point, bands=bands, bounds=bounds, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    names = ("rs_embeds", "localized_rs_embeds", "sv_embeds", "location_embeds")
    return model, processor, {name: outputs[name].flatten().tolist() for name in names}


model, processor, first = embeddings(source)
assert type(model).__module__.startswith("transformers_modules"), type(model)
rs = AutoImageProcessor.from_pretrained(source, trust_remote_code=True)
assert type(rs).__name__ == "GairRSImageProcessor", type(rs)
assert rs(tile, bands=bands, return_tensors="pt")["rs_pixel_values"].shape == (1, 10, 96, 96)
places = AutoFeatureExtractor.from_pretrained(source, trust_remote_code=True)
assert type(places).__name__ == "GairCoordinateProcessor", type(places)
assert places(**point, return_tensors="pt")["coordinates"].shape == (1, 2)
model.save_pretrained(again)
processor.save_pretrained(again)
location = AutoModel.from_pretrained(source + "/location", trust_remote_code=True).eval()
assert type(location).__module__.endswith("location_gair"), type(location)
coordinates = torch.tensor([[13.401, 52.502]])
# Up to rounding, as below.
torch.testing.assert_close(location(coordinates), model.location_model(coordinates), rtol=1e-4, atol=1e-5)
# Up to rounding: the order of summation may depend on the alignment of the weights in memory.
for name, values in embeddings(again)[2].items():
    assert np.allclose(values, first[name], rtol=0, atol=1e-5 * np.abs(first[name]).max()), name

config = AutoConfig.from_pretrained(source, trust_remote_code=True)
config.sv_config = TimmWrapperConfig(architecture="vit_tiny_patch16_224")
try:
    type(model)(config)
except ImportError as error:
    assert "timm" in str(error)
else:
    raise AssertionError("a tower from timm was built without timm")
try:
    processor(rs="tile.tif")
except (ImportError, ValueError) as error:
    assert "gair[geo]" in str(error) or "tile.tif" in str(error), error
else:
    raise AssertionError("a GeoTIFF was read without rasterio")
print("RESULT" + json.dumps(first))
"""


@pytest.fixture(scope="module", params=LOCATION_ENCODERS)
def saved(tmp_path_factory, request):
    torch.manual_seed(0)
    config = GairConfig.tiny(nili_init="normal")
    config.location_config.encoder = request.param
    model, folder = draw_pixels(GairModel(config).eval()), tmp_path_factory.mktemp("saved")
    model.save_pretrained(folder)
    model.location_model.save_pretrained(folder / "location")
    GairProcessor.for_config(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
def test_the_auto_classes_load_where_the_package_is_not_installed(saved, tmp_path, python):
    script = tmp_path / "load.py"
    script.write_text(_SCRIPT)
    environment = {**os.environ, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    command = [python, "-I", str(script), str(saved), str(tmp_path / "again")]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr
    embeddings = json.loads(result.stdout.split("RESULT")[1])
    assert (tmp_path / "again" / "processing_gair.py").exists()
    _assert_equal_here(saved, embeddings)


def _assert_equal_here(folder, embeddings):
    """The fresh process computed what the installed package computes from the same directory."""
    import numpy as np

    model, processor = GairModel.from_pretrained(folder).eval(), GairProcessor.from_pretrained(folder)
    inputs = processor(
        rs=np.arange(10 * 64 * 64).reshape(10, 64, 64).astype("uint16") % 5000,
        sv=(np.arange(50 * 70 * 3).reshape(50, 70, 3) % 251).astype("uint8"),
        lon=13.401,
        lat=52.502,
        bands="gair_10",
        bounds=(13.39, 52.49, 13.41, 52.51),
        return_tensors="pt",
    )
    with torch.no_grad():
        outputs = model(**inputs)
    for name, values in embeddings.items():
        torch.testing.assert_close(torch.tensor(values), outputs[name].flatten(), rtol=1e-4, atol=1e-5)


def test_the_saved_code_is_complete(saved):
    config = json.loads((saved / "config.json").read_text())
    assert config["auto_map"] == {"AutoConfig": "configuration_gair.GairConfig", "AutoModel": "modeling_gair.GairModel"}
    modules = {path.name for path in Path(modeling_gair.__file__).parent.glob("*_gair*.py")} - {
        "convert_gair_checkpoint.py"
    }
    assert modules == {file.name for file in saved.glob("*.py")}
    assert not [file.name for file in saved.iterdir() if file.suffix in (".bin", ".pt", ".pth", ".pkl")]


def _imports(path: Path) -> set[Path]:
    return {path.parent / f"{name}.py" for name in re.findall(r"^from \.(\w+) import", path.read_text(), re.MULTILINE)}


def test_each_entry_file_imports_all_the_files_it_needs(saved):
    """From a local folder, older releases of transformers copy only files that the entry file itself imports."""
    entries = {
        name.split(".")[0]
        for file in ("config.json", "processor_config.json")
        for name in re.findall(r'"(\w+_gair\w*\.Gair\w+)"', (saved / file).read_text())
    } | {"rs_tower_gair", "location_gair"}
    assert len(entries) == 8
    for entry in entries:
        direct = _imports(saved / f"{entry}.py")
        assert set().union(*map(_imports, direct)) <= direct, entry
