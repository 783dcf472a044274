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
A model is published on the Hub and loaded by its users, over real HTTP on the loopback interface: a data set is pushed and
streamed into pre-training, the trained model is published, and the snippets of its card run in processes without this
package, in every Python of `GAIR_OTHER_PYTHONS`.
"""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, load_file

pytest.importorskip("accelerate", reason="the extra train is not installed")
from modeling_gair import GairModel, GairProcessor
from tests.helpers.hub_server import HubServer
from tests.helpers.requirements import PYTHONS
from training.hub.example import LAT, LON

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.ci

_PUSH_PAIRS = """
import io, sys
import numpy as np
from datasets import Dataset, DatasetDict
from PIL import Image
from modeling_gair.image_processing_gair_rs import GAIR_BANDS
from training.common.schema import FEATURES, pack_tile

random = np.random.default_rng(0)

def photo(name, lon, lat):
    buffer = io.BytesIO()
    Image.fromarray(random.integers(0, 256, (48, 64, 3), np.uint8)).save(buffer, format="JPEG")
    rest = dict.fromkeys(("heading", "time", "source", "licence", "attribution"))
    return {"id": name, "jpeg": buffer.getvalue(), "lon": lon, "lat": lat, **rest}

def row(split, number):
    west, south = 3 + number * 0.1, 10.0
    tile = random.integers(200, 4000, (10, 32, 32), dtype=np.uint16)
    photos = [photo(f"{split}{number}-{n}", west + 0.005 * (n + 1), south + 0.01) for n in range(2)]
    place = {"bounds": [west, south, west + 0.02, south + 0.02], "crs": "EPSG:4326"}
    return {"id": f"{split}{number}", **pack_tile(tile), "bands": list(GAIR_BANDS), **place, "tile_time": None,
            "product_id": None, "photos": photos, "split": split}

splits = {split: Dataset.from_list([row(split, n) for n in range(count)], features=FEATURES)
          for split, count in (("train", 12), ("test", 6))}
DatasetDict(splits).push_to_hub(sys.argv[1], private=len(sys.argv) > 2, num_shards={"train": 2, "test": 1})
"""

_OPEN = """
import json, sys, time

time.sleep = lambda seconds: None
from training.pairs.sources import open_source
told = {}
for name in sys.argv[1:]:
    try:
        told[name] = [row["id"] for row in open_source(name, 0.1).train]
    except Exception as error:
        told[name] = f"{type(error).__name__}: {error}"
print("RESULT" + json.dumps(told))
"""

# Runs the snippets of the published card as written; only the base dependencies can be imported.
_USER = """
import json, re, sys

repo, revision, again, geo = sys.argv[1:]
for name in ("modeling_gair", "training", "timm", "torchvision", *(() if geo == "geo" else ("rasterio", "pyproj"))):
    sys.modules[name] = None  # importing it fails

from huggingface_hub import hf_hub_download

with open(hf_hub_download(repo, "README.md", revision=revision), encoding="utf-8") as file:
    blocks = re.findall(r"```python\\n(.*?)```", file.read(), flags=re.DOTALL)
namespace, ran = {}, 0
for block in blocks:
    if "example/tile.tif" in block and geo != "geo":
        continue
    exec(compile(block, "README.md", "exec"), namespace)
    ran += 1
model, processor = namespace["model"], namespace["processor"]
assert type(model).__module__.startswith("transformers_modules"), type(model)
if geo == "geo":
    whole, read = namespace["outputs"], namespace["geotiff_outputs"]
    assert (whole.localized_rs_embeds - read.localized_rs_embeds).abs().max() < 1e-5
if again != "-":
    model.push_to_hub(again)
    processor.push_to_hub(again)
names = ("tile_embedding", "photo_embedding", "place_embedding", "point_embedding")
embeddings = {name: namespace[name].flatten().tolist() for name in names}
ranges = model.config.similarity_ranges
told = {"blocks": ran, "of": len(blocks), "embeddings": embeddings, "ranges": ranges, "similarity": namespace["similarity"]}
print("RESULT" + json.dumps({**told, "dense": list(namespace["dense"].shape)}))
"""

# Loads what other versions pushed.
_CROSS = """
import json, sys

for name in ("modeling_gair", "training", "timm", "torchvision", "rasterio", "pyproj"):
    sys.modules[name] = None

import numpy as np
import torch
from huggingface_hub import hf_hub_download
from transformers import AutoModel, AutoProcessor

source, *repos = sys.argv[1:]
example = np.load(hf_hub_download(source, "example/tile.npz"))
photo = hf_hub_download(source, "example/photo.jpg")
told = {}
for repo in repos:
    model = AutoModel.from_pretrained(repo, trust_remote_code=True)
    processor = AutoProcessor.from_pretrained(repo, trust_remote_code=True)
    inputs = processor(rs=example["pixels"], bands=example["bands"].tolist(), bounds=example["bounds"].tolist(), sv=photo,
                       lon=LON, lat=LAT, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    names = ("rs_embeds", "localized_rs_embeds", "sv_embeds", "location_embeds")
    told[repo] = {name: outputs[name].flatten().tolist() for name in names}
print("RESULT" + json.dumps(told))
""".replace("LON", str(LON)).replace("LAT", str(LAT))

# Loads that must fail; prints each message in full. The Hub's client waits before it retries: not here.
_FAILING = """
import json, sys, time

time.sleep = lambda seconds: None
from transformers import AutoModel

told = {}
for asked in sys.argv[1:]:
    repo, _, revision = asked.partition("@")
    try:
        model = AutoModel.from_pretrained(repo, revision=revision or "main", trust_remote_code=True)
        told[asked] = f"loaded {sum(p.numel() for p in model.parameters())}"
    except Exception as error:
        told[asked] = f"{type(error).__name__}: {error}"
print("RESULT" + json.dumps(told))
"""


def run(
    hub: HubServer, cache: Path, *command: str, token: bool = True, own: bool = True
) -> subprocess.CompletedProcess:
    """Runs a process that uses the loopback Hub; without `own` it does not see this package."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **hub.environment(cache, token)}
    environment.pop("PYTHONPATH", None)
    if own:
        environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(
        command, cwd=ROOT if own else cache.parent, env=environment, capture_output=True, text=True, timeout=300
    )


def result_of(process: subprocess.CompletedProcess) -> dict:
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.split("RESULT")[1])


@pytest.fixture(scope="module")
def trained(hub, tmp_path_factory) -> Path:
    """A data set pushed by `datasets` and streamed by name into pre-training: the directory of the trained model."""
    folder = tmp_path_factory.mktemp("trained")
    pushed = run(hub, folder / "hf", sys.executable, "-c", _PUSH_PAIRS, "org/pairs")
    assert pushed.returncode == 0, pushed.stderr
    # fmt: off
    flags = ["--data", "org/pairs", "--output_dir", str(folder / "out"), "--max_steps", "3", "--batch_size", "4",
             "--num_workers", "0", "--report_to", "none", "--retrieval_every", "0"]
    # fmt: on
    training = run(hub, folder / "hf", sys.executable, "training/pretrain.py", *flags)
    assert training.returncode == 0, training.stderr
    return folder / "out"


@pytest.fixture(scope="module")
def released(hub, trained) -> tuple[str, str]:
    """The output of the program that published that directory, and the commit."""
    flags = ["--model", str(trained), "--repo", "org/gair", "--data", "org/pairs", "--license", "cc-by-4.0"]
    process = run(hub, trained.parent / "hf", sys.executable, "training/release.py", *flags)
    assert process.returncode == 0, process.stderr
    return process.stdout, hub.repository("org/gair").refs["main"]


def test_the_streamed_pairs_trained_the_model(trained):
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["training"]["data"] == ["org/pairs"]
    assert metrics["evaluated"] == "12 photos of 6 held-out tiles (split test)"


def test_a_release_holds_all_its_files_and_no_others(hub, trained, released):
    told, commit = released
    stored = hub.repository("org/gair").files()
    assert (
        {"config.json", "modeling_gair.py", "metrics.json"} <= stored.keys()
        and f'revision="{commit}"' in told
        and f"/org/gair/commit/{commit}" in told
    )
    assert all(name in told for name in stored)
    assert not [name for name in stored if re.search(r"\.(bin|pt|pkl)$|checkpoint|log", name)]
    assert not [name for name, file in stored.items() if str(trained.parent).encode() in file.content]
    weights, own = load(stored["model.safetensors"].content), load_file(trained / "model.safetensors")
    assert set(weights) == set(own) and all(torch.equal(weights[name], own[name]) for name in own)
    card = stored["README.md"].content.decode()
    assert "datasets:\n- org/pairs" in card and "license: cc-by-4.0" in card and "12 photos of 6 held-out tiles" in card
    ranges = json.loads(stored["config.json"].content)["similarity_ranges"]
    assert ranges["measured_on"] == "one photo of each of 6 held-out tiles of `org/pairs` (split test)"


def test_the_snippets_of_the_card_run_in_every_version(hub, trained, released, tmp_path):
    _, commit = released
    model, processor = GairModel.from_pretrained(trained).eval(), GairProcessor.from_pretrained(trained)
    stored = hub.repository("org/gair").files()
    (tmp_path / "photo.jpg").write_bytes(stored["example/photo.jpg"].content)
    (tmp_path / "tile.npz").write_bytes(stored["example/tile.npz"].content)
    example = np.load(tmp_path / "tile.npz")
    # fmt: off
    inputs = processor(rs=example["pixels"], bands=example["bands"].tolist(), bounds=example["bounds"].tolist(),
                       sv=str(tmp_path / "photo.jpg"), lon=LON, lat=LAT, return_tensors="pt")
    # fmt: on
    with torch.no_grad():
        outputs = model(**inputs)
    names = {
        "tile_embedding": "rs_embeds",
        "photo_embedding": "sv_embeds",
        "place_embedding": "location_embeds",
        "point_embedding": "localized_rs_embeds",
    }
    again = []
    for number, python in enumerate(PYTHONS):
        again.append(f"org/again-{number}")
        geo = "geo" if python == sys.executable else "base"
        command = [python, "-I", "-c", _USER, "org/gair", commit, again[-1], geo]
        told = result_of(run(hub, tmp_path / f"hf-{number}", *command, own=False))
        assert (told["blocks"], told["of"]) == (5 if geo == "geo" else 4, 5)
        assert told["dense"] == [1, 96, 128, 128]
        for name, output in names.items():
            own = outputs[output].flatten()
            torch.testing.assert_close(torch.tensor(told["embeddings"][name]), own, rtol=1e-4, atol=1e-5)
        assert told["similarity"] == pytest.approx(outputs.similarity_sv_localized.item(), abs=1e-5)
        assert told["ranges"] == json.loads(stored["config.json"].content)["similarity_ranges"]
    # Every version loads what every other version pushed.
    for number, python in enumerate(PYTHONS):
        command = [python, "-I", "-c", _CROSS, "org/gair", *again]
        told = result_of(run(hub, tmp_path / f"hf-{number}", *command, own=False))
        assert set(told) == set(again)
        for embeddings in told.values():
            for name, values in embeddings.items():
                torch.testing.assert_close(torch.tensor(values), outputs[name].flatten(), rtol=1e-4, atol=1e-5)


def test_failed_loads_state_the_reason_and_leave_no_partial_files(hub, released, tmp_path):
    """Private without a token, a missing revision, a connection that breaks every time, a truncated file."""
    source = hub.repository("org/gair")
    for name in ("hidden", "cut", "short"):
        hub.repositories["models", f"org/{name}"] = copy.deepcopy(source)
    hub.repository("org/hidden").private = True
    asked = ["org/hidden", "org/gair@v9", "org/cut", "org/short"]
    command = [sys.executable, "-I", "-c", _FAILING]
    weights = r"/model\.safetensors$"
    with hub.fault("cut", "GET", "^/org/cut/.*" + weights), hub.fault("short", "GET", "^/org/short/.*" + weights):
        process = run(hub, tmp_path / "hf", *command, *asked, token=False, own=False)
    told = result_of(process)
    assert told["org/hidden"].startswith(
        "OSError: org/hidden is not a local folder and is not a valid model identifier"
    )
    assert "private repository" in told["org/hidden"] and "token" in told["org/hidden"]
    assert told["org/gair@v9"].startswith("OSError: v9 is not a valid git identifier")
    # The library logs the reason at each of its five retries.
    assert told["org/cut"].startswith("OSError: Can't load the model for 'org/cut'")
    assert "peer closed connection" in process.stderr and "Max retries exceeded" in process.stderr
    size = len(source.files()["model.safetensors"].content)
    short = f"OSError: Consistency check failed: file should be of size {size} but has size {size // 2}"
    assert told["org/short"].startswith(short)
    cached = [path for path in (tmp_path / "hf").rglob("*") if path.name == "model.safetensors"]
    assert not cached
    healthy = result_of(run(hub, tmp_path / "hf", *command, "org/cut", "org/short", "org/hidden", own=False))
    assert set(healthy.values()) == {"loaded 1108992"}


def test_pairs_that_cannot_be_streamed_state_the_reason(hub, trained, tmp_path):
    """Private without a token, missing, truncated; a connection that breaks occasionally loses no row."""
    for name in ("hidden", "short"):
        hub.repositories["datasets", f"org/{name}"] = copy.deepcopy(hub.repository("org/pairs", "datasets"))
    hub.repository("org/hidden", "datasets").private = True
    names = ["org/hidden", "org/none", "org/short", "org/pairs"]
    short, broken = r"^/datasets/org/short/.*train-.*\.parquet$", r"^/datasets/org/pairs/.*train-.*\.parquet$"
    with hub.fault("short", "GET", short), hub.fault("cut", "GET", broken, times=2):
        told = result_of(run(hub, tmp_path / "hf", sys.executable, "-c", _OPEN, *names, token=False))
        assert not any(fault.times for fault in hub.faults if fault.kind == "cut")
    for name in names[:2]:
        assert told[name].startswith(f"ValueError: Data set not found: '{name}'"), told[name]
    # Its files are bad rows, which are counted when they are decoded.
    assert told["org/short"] == ["part 1 of 2", "part 2 of 2"]
    assert sorted(told["org/pairs"]) == sorted(f"train{n}" for n in range(12))
