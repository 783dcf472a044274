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
"""Pre-training as a user launches it, from pairs to a directory that loads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModel, AutoProcessor

pytest.importorskip("accelerate", reason="the extra train is not installed")
from tests.test_pairs import read_rows, write_pairs

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


def launch(*flags: str, hf_home: Path) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        "--num_processes",
        "1",
        "training/pretrain.py",
        *flags,
    ]
    environment = os.environ | {"HF_HOME": str(hf_home), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, Path, str]:
    """Pairs made on the spot, the directory trained on them, and what the program printed."""
    folder = tmp_path_factory.mktemp("made")
    data = write_pairs(folder, 32)
    output_dir = folder / "out"
    # fmt: off
    run = launch("--data", str(data), "--output_dir", str(output_dir), "--max_steps", "8", "--batch_size", "8",
                 "--holdout_fraction", "0.3", "--model.rs_config.num_hidden_layers", "1", hf_home=folder / "hf")
    # fmt: on
    assert run.returncode == 0, run.stderr
    return data, output_dir, run.stdout + run.stderr


def check_directory(output_dir: Path, output: str) -> dict:
    """What every run leaves behind; returns the retrieval table's file."""
    assert "model.safetensors" in os.listdir(output_dir) and not list(output_dir.glob("*.bin"))
    assert load_file(output_dir / "model.safetensors")
    config = json.loads((output_dir / "config.json").read_text(encoding="utf-8"))
    assert config["auto_map"]["AutoModel"] == "modeling_gair.GairModel"
    assert (output_dir / "modeling_gair.py").is_file() and (output_dir / "processing_gair.py").is_file()
    with Image.open(output_dir / "similarity.png") as picture:
        assert picture.width > 1.5 * picture.height > 400
        assert len(picture.convert("RGB").getcolors(2**24)) > 1000
    written = json.loads((output_dir / "retrieval.json").read_text(encoding="utf-8"))
    card = (output_dir / "README.md").read_text(encoding="utf-8")
    for name, row in written["retrieval"].items():
        assert name in output and name in card
        assert 0 <= row["R@1"] <= row["R@5"] <= row["R@10"] <= 1 <= row["median_rank"] <= written["pairs"]
    assert written["evaluated"] in output and written["evaluated"] in card
    return written


def check_reloads(output_dir: Path, tile: Path, photo: Path, lon: float, lat: float) -> None:
    model = AutoModel.from_pretrained(output_dir, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(output_dir, trust_remote_code=True)
    inputs = processor(rs=str(tile), sv=str(photo), lon=lon, lat=lat, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    assert outputs.sv_embeds.shape == outputs.rs_embeds.shape == (1, 96)
    torch.testing.assert_close(outputs.localized_rs_embeds.norm(dim=-1), torch.ones(1, 1))


def test_a_run_on_made_pairs(made):
    data, output_dir, output = made
    written = check_directory(output_dir, output)
    assert written["held_out"] and 2 <= written["pairs"] < 20
    assert f"Retrieval on {written['pairs']} held-out pairs" in output
    assert "loss=" in output and "pairs_per_s=" in output
    check_reloads(output_dir, data.with_name("tile_3.tif"), data.with_name("photo_3.jpg"), 3.001, 10.001)
    assert AutoModel.from_pretrained(output_dir, trust_remote_code=True).config.rs_config.num_hidden_layers == 1


def test_the_real_pairs(data_dir, tmp_path):
    data = data_dir / "pairs.csv"
    run = launch(
        "--data", str(data), "--max_steps", "20", "--output_dir", str(tmp_path / "out"), hf_home=tmp_path / "hf"
    )
    assert run.returncode == 0, run.stderr
    written = check_directory(tmp_path / "out", run.stdout)
    assert not written["held_out"] and "Retrieval on the 2 TRAINING pairs" in run.stdout
    # Two pairs are learned by heart; anything less is a broken loop.
    assert written["retrieval"]["SV → localized RS (NILI)"]["R@1"] == 1
    _, tile, photo, lon, lat = read_rows(data)[0]
    check_reloads(tmp_path / "out", data_dir / tile, data_dir / photo, float(lon), float(lat))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--learning_rat", "1"], "did you mean 'learning_rate'?"),
        (["--config", "{own}"], "did you mean 'max_steps'?"),
        (["--output_dir", "{used}"], "is no empty directory"),
    ],
)
def test_what_is_refused_is_one_sentence(made, tmp_path, flags, message):
    data, output_dir, _ = made
    own = tmp_path / "own.yaml"
    own.write_text("max_step: 3\n", encoding="utf-8")
    flags = [flag.format(own=own, used=output_dir) for flag in flags]
    run = launch("--data", str(data), *flags, hf_home=tmp_path / "hf")
    assert run.returncode != 0
    assert sum(message in line for line in run.stderr.splitlines()) == 1
    # The program itself ends without a traceback; the launcher adds its own.
    assert 'pretrain.py", line' not in run.stderr
