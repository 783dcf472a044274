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
"""The evaluation program run as users do: reports, one-sentence errors, and finished runs that are skipped."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard, constants
from PIL import Image

pytest.importorskip("accelerate", reason="the extra eval is not installed")
pytest.importorskip("rasterio", reason="the extra eval is not installed")
from modeling_gair import GairConfig, GairModel, GairProcessor
from tests.helpers.benchmark_tables import made_columns, write_table
from training.benchmarks.command import main

ROOT = Path(__file__).parents[2]
KINDS = ["world-location", "world-tiles", "world-segmentation", "world-map-roads", "world-photos", "world-retrieval"]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A saved tiny model with random weights."""
    folder = tmp_path_factory.mktemp("model") / "own"
    torch.manual_seed(3)
    config = GairConfig.tiny()
    GairModel(config).save_pretrained(folder)
    GairProcessor.for_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:
    columns = made_columns()
    columns.pop("split")
    return write_table(tmp_path_factory.mktemp("table") / "own.csv", columns)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr(constants, "HF_HOME", str(folder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return folder


def read_results(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def figures(folder: Path) -> dict[tuple[str, ...], float]:
    names = ("dataset", "task", "model_name", "method", "split", "metric_name")
    return {tuple(row[name] for name in names): float(row["metric_value"]) for row in read_results(folder)}


@pytest.mark.ci
@pytest.mark.slow
def test_every_kind_of_task_runs_on_the_sample_world(model, small_world, cache, tmp_path, capsys, monkeypatch):
    flags = [
        "--model",
        str(model),
        "--data",
        f"sample_world={small_world}",
        "--output_dir",
        str(tmp_path),
        "--holdouts",
        "random",
    ]
    assert main([*flags, "--tasks", *KINDS, "--card"]) == 0, capsys.readouterr().out
    output = capsys.readouterr().out
    assert "6 of 6 tasks measured, 0 skipped, 0 failures" in output and "photos are made up" in output
    rows = read_results(tmp_path)
    models = {name: {row["model_name"] for row in rows if row["dataset"] == name} for name in KINDS}
    for name in KINDS:
        assert str(model) in models[name] and f"random weights of {model}" in models[name]
    assert {"sin/cos", "mean", "inverse distance"} < models["world-location"]
    assert {"band statistics", "majority"} < models["world-tiles"] and "majority" in models["world-segmentation"]
    assert {"chance", "nearest place of the gallery"} < models["world-retrieval"]
    assert {"pixels without a model", "everywhere"} < models["world-map-roads"]
    assert all(row["source"] == "sample world" and row["versions"] and float(row["seconds"]) >= 0 for row in rows)
    assert all(np.isfinite(float(row["metric_value"])) for row in rows)
    for picture in (
        "scores.png",
        "errors-world-location.png",
        "errors-world-retrieval.png",
        "maps-world-map-roads.png",
    ):
        with Image.open(tmp_path / picture) as image:
            assert image.width > 600
    report = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "| pixels tested " in report and "(maps-world-map-roads.png)" in report
    assert f"Geographic bias of {model}" in report and "settlement" in (tmp_path / "bias.csv").read_text(
        encoding="utf-8"
    )
    card = ModelCard.load(model / "README.md")
    assert {"own"} == {card.data.model_name} and "world-retrieval" in card.text and "| pixels tested " in card.text
    assert all("made up" in result.dataset_name for result in card.data.eval_results)

    # A second run embeds and measures nothing again, and keeps all results.
    before = (tmp_path / "results.csv").read_bytes()
    (tmp_path / "maps-world-map-roads.png").unlink()
    monkeypatch.setattr(GairModel, "get_location_features", None)
    monkeypatch.setattr(GairModel, "get_sv_features", None)
    assert main([*flags, "--tasks", *KINDS]) == 0
    assert "is already in" in capsys.readouterr().out and (tmp_path / "results.csv").read_bytes() == before
    assert "# Geographic bias" in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert (tmp_path / "maps-world-map-roads.png").is_file()


@pytest.mark.ci
@pytest.mark.slow
def test_one_command_evaluates_a_table_of_the_user(model, table, tmp_path):
    command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "1", "training/evaluate.py"]
    flags = ["--model", str(model), "--table", str(table), "--target", "value", "--output_dir", str(tmp_path / "out")]
    environment = os.environ | {"HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    run = subprocess.run([*command, *flags], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert "| spatial10 " in run.stdout and "1 of 1 tasks measured" in run.stdout
    rows = read_results(tmp_path / "out")
    assert {row["split"] for row in rows} == {"random", "spatial10"} and {row["task"] for row in rows} == {"value"}


@pytest.mark.ci
@pytest.mark.slow
def test_two_processes_share_the_work_and_give_the_same_figures(model, table, small_world, tmp_path):
    flags = ["--model", str(model), "--table", str(table), "--target", "zone", "--data", f"sample_world={small_world}"]
    flags += ["--tasks", "world-retrieval", "world-tiles"]
    assert main([*flags, "--output_dir", str(tmp_path / "one")]) == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
    }
    run = subprocess.run(
        [*command, "training/evaluate.py", *flags, "--output_dir", str(tmp_path / "two")],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("3 of 3 tasks measured") == 1
    one, two = figures(tmp_path / "one"), figures(tmp_path / "two")
    assert one.keys() == two.keys()
    # Embeddings from different batches differ by rounding, which may change a rank or a vote.
    assert all(two[key] == pytest.approx(value, rel=0.02, abs=0.03) for key, value in one.items())


def test_a_task_that_cannot_be_measured_is_reported_and_the_others_continue(
    model, table, tmp_path, capsys, monkeypatch
):
    def unreachable(*arguments, **settings):
        raise ConnectionError("no route to the Hub")

    monkeypatch.setattr("training.benchmarks.data.HfApi.dataset_info", unreachable)
    headless = write_table(tmp_path / "headless.csv", {"a": [1.0, 2], "b": [3.0, 4], "meanT": [5.0, 6]})
    flags = ["--model", str(model), "--table", str(table), "--target", "value", "--output_dir", str(tmp_path / "out")]
    status = main([*flags, "--tasks", "mosaiks-roads", "pairs", "air_temp", "--data", f"air_temp={headless}"])
    output = capsys.readouterr().out
    assert status == 1 and "1 of 4 tasks measured, 2 skipped, " in output
    assert "- mosaiks-roads: taylor-geospatial/coordbench cannot be reached (no route to the Hub)" in output
    assert "- pairs: " in output and "--data pairs=PATH" in output
    assert "'headless.csv' has no columns lon and lat (it has a, b, meanT)" in output
    assert {row["dataset"] for row in read_results(tmp_path / "out")} == {"own"}


def test_remarks_are_repeated_when_a_finished_run_is_skipped(model, tmp_path, capsys):
    columns = made_columns() | {"value": [float("nan")] * 9 + [1.0] * 9 + list(range(182))}
    columns["lon"], columns["lat"] = np.linspace(1, 9, 200), np.linspace(1, 9, 200)
    own = write_table(tmp_path / "own.csv", columns)
    flags = ["--model", str(model), "--table", str(own), "--target", "value", "--output_dir", str(tmp_path / "out")]
    for again in (False, True):
        assert main([*flags, "--holdouts", "random", "spatial10"]) == 1
        output = capsys.readouterr().out
        assert ("is already in" in output) == again
        assert "9 of 200 rows of own have no usable value and are left out" in output
        assert "Holdout spatial10 fills 1 of 5 folds" in output and "1 of 1 tasks measured" in output


def test_a_changed_model_never_finds_the_features_of_another(model, table, cache, tmp_path, capsys):
    flags = ["--table", str(table), "--target", "value", "--output_dir", str(tmp_path / "out")]
    assert main(["--model", str(model), *flags]) == 0
    store = cache / "gair" / "features"
    before = set(store.iterdir())
    other = GairModel.from_pretrained(model)
    with torch.no_grad():
        next(other.location_model.parameters()).add_(0.1)
    other.save_pretrained(tmp_path / "other")
    GairProcessor.from_pretrained(model).save_pretrained(tmp_path / "other")
    assert main(["--model", str(tmp_path / "other"), *flags]) == 0
    # Only the other model's features are new; random weights and sin/cos are the same as before.
    assert len(set(store.iterdir()) - before) == 1
    ours = {
        row["model_fingerprint"]
        for row in read_results(tmp_path / "out")
        if row["model_name"] in (str(model), str(tmp_path / "other"))
    }
    assert len(ours) == 2


def test_a_run_writes_results_report_and_card(model, small_world, tmp_path, capsys):
    flags = ["--model", str(model), "--data", f"sample_world={small_world}", "--output_dir", str(tmp_path)]
    assert main([*flags, "--tasks", "world-location", "--holdouts", "official", "--card"]) == 0
    output = capsys.readouterr().out
    assert "1 of 1 tasks measured, 0 skipped, 0 failures" in output and "photos are made up" in output
    models = {row["model_name"] for row in read_results(tmp_path)}
    assert models == {str(model), f"random weights of {model}", "sin/cos", "mean", "inverse distance"}
    assert (tmp_path / "scores.png").is_file() and (tmp_path / "errors-world-location.png").is_file()
    assert "world-location" in ModelCard.load(model / "README.md").text


def test_help_imports_no_model_code():
    code = """
import sys
from training.benchmarks.command import main
try:
    main(["--help"])
except SystemExit:
    pass
loaded = {"torch", "transformers", "datasets", "modeling_gair"} & set(sys.modules)
assert not loaded, loaded
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "--coordbench_alpha" in run.stdout and "lon, lat" in " ".join(run.stdout.split())


def test_tasks_are_listed_without_a_model(capsys):
    assert main(["--list"]) == 0
    output = capsys.readouterr().out
    assert "| air_temp " in output and "| world-retrieval " in output
    assert main(["--list", "--tasks", "sv"]) == 0 and "air_temp" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--tasks", "air_tmp"], "did you mean 'air_temp'"),
        (["--table", "own.csv"], "--table and --target belong together"),
        (
            ["--table", "nowhere.csv", "--target", "x"],
            "expected an existing file whose name ends in .csv, .tsv, .parquet or .geoparquet",
        ),
        (["--tasks", "air_temp", "--data", "air_temp"], "expected NAME=PATH"),
        (["--tasks", "air_temp", "--holdouts", "spatial"], "expected random, official, or spatial with degrees"),
        (["--tasks", "air_temp", "--target_type", "regression"], "--target_type is for a --table"),
        (["--tasks", "air_temp", "--model", "no/such-model"], "no/such-model"),
        (
            ["--tasks", "air_temp", "--model", "timm/x", "--precision", "bfloat16"],
            "which only GAIR models are measured in",
        ),
    ],
)
def test_a_wrong_command_is_refused_in_one_sentence(flags, message):
    with pytest.raises(ValueError, match=message) as refused:
        main(flags)
    assert "\n" not in str(refused.value)
