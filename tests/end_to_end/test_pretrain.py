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
"""Pre-training launched as users do, from pairs to a directory that loads."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoModel, AutoProcessor, ViTConfig, ViTModel

pytest.importorskip("accelerate", reason="the extra train is not installed")
from modeling_gair import GairConfig
from tests.helpers.croma import croma_file, encoder
from tests.helpers.forks import FORKS
from tests.helpers.pairs import read_rows, write_csv, write_pairs
from tests.helpers.pretraining_runs import run_main

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


def fork(*flags: str, output: Path) -> str:
    """Does the work of the program in a forked process, which need not import anything; returns what it printed."""
    process = FORKS.Process(target=run_main, args=(list(flags), output, {}))
    process.start()
    process.join()
    text = output.read_text(encoding="utf-8")
    assert process.exitcode == 0, text
    return text


SMALL = ["--model.rs_config.num_hidden_layers", "1", "--num_workers", "2"]
# fmt: off
WORLD = ["--sample_world.tiles", "24", "--sample_world.held_out_tiles", "8", "--sample_world.held_out_photos", "4",
         "--batch_size", "4", "--max_steps", "12", *SMALL]
# fmt: on


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> tuple[Path, Path, str]:
    """A small run of the main command: the cache, the output directory and the printed text."""
    folder = tmp_path_factory.mktemp("world")
    run = launch(*WORLD, "--output_dir", str(folder / "out"), hf_home=folder / "hf")
    assert run.returncode == 0, run.stderr
    return folder / "hf", folder / "out", run.stdout + run.stderr


def check_directory(output_dir: Path, output: str) -> dict:
    """Checks the files that every run writes; returns the metrics."""
    assert "model.safetensors" in os.listdir(output_dir) and not list(output_dir.glob("*.bin"))
    assert load_file(output_dir / "model.safetensors")
    config = json.loads((output_dir / "config.json").read_text(encoding="utf-8"))
    assert config["auto_map"]["AutoModel"] == "modeling_gair.GairModel"
    assert (output_dir / "modeling_gair.py").is_file() and (output_dir / "processing_gair.py").is_file()
    with Image.open(output_dir / "similarity.png") as picture:
        assert picture.width > picture.height > 200
        assert len(picture.convert("RGB").getcolors(2**24)) > 1000
    metrics = json.loads((output_dir / "metrics.json").read_text(encoding="utf-8"))
    card = (output_dir / "README.md").read_text(encoding="utf-8")
    for table in ("across_tiles", "among_points"):
        for name, row in metrics[table].items():
            assert name in output and name in card
            assert 0 <= row["R@1"] <= row["R@5"] <= row["R@10"] <= 1 <= row["median_rank"] <= metrics["photos"]
    assert metrics["evaluated"] in output and metrics["evaluated"] in card
    assert f"{metrics['photos']} photos of {metrics['tiles']} " in metrics["evaluated"]
    return metrics


def check_reloads(output_dir: Path, tile: Path, photo: Path, lon: float, lat: float) -> None:
    model = AutoModel.from_pretrained(output_dir, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(output_dir, trust_remote_code=True)
    inputs = processor(rs=str(tile), sv=str(photo), lon=lon, lat=lat, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    assert outputs.sv_embeds.shape == outputs.rs_embeds.shape == (1, 96)
    torch.testing.assert_close(outputs.localized_rs_embeds.norm(dim=-1), torch.ones(1, 1))


def test_the_main_command_makes_the_sample_world_trains_and_reports(world):
    cache, output_dir, output = world
    metrics = check_directory(output_dir, output)
    assert (metrics["tiles"], metrics["photos"]) == (8, 32) and "held-out tiles" in metrics["evaluated"]
    assert metrics["across_tiles"]["chance"]["median_rank"] == 4.5
    assert metrics["among_points"]["chance"]["mean_rank"] == 2.5
    # The tile mean is the same for all points of a tile, so ties give it the score of chance.
    assert metrics["among_points"]["SV → RS, tile mean"]["mean_rank"] == pytest.approx(2.5)
    for mode in ("NILI", "bilinear", "bicubic"):
        assert f"SV → RS at the point ({mode})" in metrics["across_tiles"]
    for target in ("moisture", "temperature", "precipitation"):
        assert {"trained", "untrained"} == set(metrics["probes"][f"annual {target} from location"])
    assert set(metrics["climate_auc"]) == {"trained", "untrained"} and (output_dir / "world_map.png").is_file()
    assert "cover at the photo from RS at the point (NILI)" in metrics["probes"]
    assert "photos are made up" in output and "loss=" in output and "pairs_per_s=" in output
    config = AutoModel.from_pretrained(output_dir, trust_remote_code=True).config
    assert config.rs_config.num_hidden_layers == 1
    assert len(list((cache / "gair").iterdir())) == 1


@pytest.mark.ci
def test_a_mixture_of_a_folder_and_a_csv_is_trained_on(world, tmp_path):
    cache, _, _ = world
    (folder,) = (cache / "gair").iterdir()
    pairs = write_pairs(tmp_path, 24)
    output_dir = tmp_path / "out"
    data = f"{{{folder}: 3, {pairs}: 1}}"
    # fmt: off
    run = launch("--data", data, "--output_dir", str(output_dir), "--batch_size", "8", "--max_steps", "4",
                 "--holdout_fraction", "0.3", *SMALL, hf_home=tmp_path / "hf")
    # fmt: on
    assert run.returncode == 0, run.stderr
    metrics = check_directory(output_dir, run.stdout)
    assert metrics["tiles"] > 8 and "knows only the places and cameras" in run.stdout
    check_reloads(output_dir, tmp_path / "tile_3.tif", tmp_path / "photo_3.jpg", 3.001, 10.001)


@pytest.mark.ci
def test_real_pairs_are_memorised(data_dir, tmp_path):
    data = data_dir / "pairs.csv"
    flags = ["--data", str(data), "--max_steps", "20", "--output_dir", str(tmp_path / "out")]
    printed = fork(*flags, output=tmp_path / "out.txt")
    metrics = check_directory(tmp_path / "out", printed)
    assert "2 photos of 2 TRAINING tiles" in printed and metrics["among_points"] == {}
    # A working loop memorises two pairs.
    assert metrics["across_tiles"]["SV → RS at the point (NILI)"]["R@1"] == 1
    _, tile, photo, lon, lat = read_rows(data)[0]
    check_reloads(tmp_path / "out", data_dir / tile, data_dir / photo, float(lon), float(lat))


@pytest.mark.ci
def test_towers_start_from_given_weights_which_a_resumed_run_does_not_need(tmp_path):
    optical = encoder(width=96, depth=1)
    vit = ViTModel(ViTConfig(**GairConfig.tiny().sv_config.to_diff_dict()))
    vit.save_pretrained(tmp_path / "vit")
    pairs, output_dir = write_pairs(tmp_path, 8), tmp_path / "out"
    # fmt: off
    flags = ["--data", str(pairs), "--output_dir", str(output_dir), "--max_steps", "2", "--batch_size", "4",
             "--learning_rate", "1e-12", "--model.rs_config.num_attention_heads", "16", *SMALL,
             "--initial_weights.rs", croma_file(tmp_path / "CROMA.pt", optical), "--initial_weights.sv", str(tmp_path / "vit")]
    # fmt: on
    printed = fork(*flags, output=tmp_path / "first.txt")
    assert "the patch projection keeps its random weights" in printed and "SV tower: weights from" in printed
    model = AutoModel.from_pretrained(output_dir)
    # The tiny learning rate leaves the weights practically unchanged.
    block = model.rs_model.layers[0]
    torch.testing.assert_close(block.attention.qkv_proj.weight, optical["transformer.layers.0.0.to_qkv.weight"])
    torch.testing.assert_close(model.sv_model.state_dict(), vit.state_dict())

    (tmp_path / "CROMA.pt").unlink()
    printed = fork(*flags, output=tmp_path / "again.txt")
    assert "resuming from step 2" in printed and "SV tower:" not in printed
    assert "The trained model is compared with random weights: " in printed


def test_a_dry_run_prints_settings_and_costs_and_writes_nothing(tmp_path, capsys):
    from training.pretraining.loop import pretrain
    from training.pretraining.settings import load_settings

    # fmt: off
    pretrain(load_settings(["--dry_run", "--output_dir", str(tmp_path / "out"), "--batch_size", "2", "--objective.queue_size", "64",
          "--initial_weights.rs", "CROMA_base.pt"]))
    # fmt: on
    printed = capsys.readouterr().out
    for words in (
        "rs: CROMA_base.pt",
        "queue_size: 64",
        "incl_weight: 0.5",
        "rs_flip: 0.0",
        "1,108,992",
        "FLOPs per pair",
        "700 steps",
    ):
        assert words in printed
    assert not list(tmp_path.iterdir())


def refused(flags: list[str]) -> str:
    """The error message of a training in this process."""
    from training.pretraining.loop import pretrain
    from training.pretraining.settings import load_settings

    with pytest.raises(ValueError) as raised:
        pretrain(load_settings(flags))
    message = str(raised.value)
    assert "\n" not in message
    return message


def test_an_unknown_key_in_a_settings_file_is_refused(tmp_path):
    config = tmp_path / "own.yaml"
    config.write_text("max_step: 3\n", encoding="utf-8")
    assert "did you mean 'max_steps'?" in refused(["--config", str(config)])


@pytest.mark.ci
def test_too_many_bad_pairs_stop_the_launched_program_with_one_sentence(tmp_path):
    rows = [[*row[:3], "50", row[4]] if row[0] < "002" else row for row in read_rows(write_pairs(tmp_path, 4))]
    bad = write_csv(tmp_path / "bad.csv", rows)
    run = launch("--data", str(bad), "--output_dir", str(tmp_path / "out"), hf_home=tmp_path / "hf")
    message = "by place in this batch), which exceeds max_bad_share 0.05: repair the data or raise it; the first problem: Pair"
    assert run.returncode != 0
    assert sum(message in line for line in run.stderr.splitlines()) == 1
    # The program prints no traceback; the launcher adds its own.
    assert 'pretrain.py", line' not in run.stderr
