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
"""Parts of a release: the ranges of similarities, the example, licences, the card, and what is refused."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from huggingface_hub import ModelCard

pytest.importorskip("datasets", reason="the extra train is not installed")
from modeling_gair import GairConfig, GairModel, GairProcessor, GairRSImageProcessor
from tests.helpers.pairs import write_pairs
from training.hub.card import Origin, licence_of
from training.hub.example import LAT, LON, write_example
from training.hub.release import check, gather, listing, main, parse
from training.measuring.embeddings import EmbeddedPairs
from training.measuring.similarity_ranges import PERCENTILES, ranges_of
from training.pretraining.finish import training_facts
from training.pretraining.settings import PretrainSettings
from training.world.sample_world import BANDS
from training.world.writer import WorldSettings, split_of

FACTS = {**training_facts(PretrainSettings()), "max_steps": 7}
FIGURES = {"R@1": 0.5, "R@5": 1.0, "R@10": 1.0, "median_rank": 1.5, "mean_rank": 1.5}
METRICS = {
    "evaluated": "8 photos of 4 held-out tiles",
    "tiles": 4,
    "photos": 8,
    "across_tiles": {"chance": FIGURES, "SV → RS at the point (NILI)": FIGURES},
    "among_points": {},
    "probes": {},
}
RANGES = {
    "percentiles": list(PERCENTILES),
    "measured_on": "one photo of each of 4 held-out tiles of `pairs`",
    "pairs": {"sv_localized": {"matched": [0.1 * n for n in range(7)], "others": [0.1 * n - 0.5 for n in range(7)]}},
}


def write_trained(folder, tiny_model):
    """A directory as training leaves it, with what must not be pushed."""
    config = GairConfig.tiny(nili_init="normal", similarity_ranges=RANGES)
    model = GairModel(config)
    model.load_state_dict(tiny_model.state_dict())
    model.save_pretrained(folder)
    GairProcessor.for_config(config).save_pretrained(folder)
    (folder / "metrics.json").write_text(json.dumps({**METRICS, "training": FACTS}))
    (folder / "log.jsonl").write_text('{"step": 1, "pairs_per_s": 10.0}\n{"step": 2, "pairs_per_s": 30.0}\n')
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "optimizer.bin").write_bytes(b"state")
    return folder


@pytest.fixture
def trained(tmp_path, tiny_model):
    return write_trained(tmp_path / "trained", tiny_model)


@pytest.fixture(scope="module")
def whole_release(tmp_path_factory, tiny_model):
    """A release as gathered, and the directory it was made from; tests must not change it."""
    folder = write_trained(tmp_path_factory.mktemp("whole") / "trained", tiny_model)
    return folder, gathered(folder)


@pytest.fixture
def release(whole_release, tmp_path):
    """A copy of it."""
    return shutil.copytree(whole_release[1], tmp_path / "release")


def gathered(folder, *flags):
    target = folder.parent / f"release-{len(list(folder.parent.iterdir()))}"
    gather(parse(["--model", str(folder), "--repo", "org/gair", *flags]), target)
    return target


# The ranges of similarities -----------------------------------------------------------------------------------------


def test_ranges_are_percentiles_of_one_photo_of_each_tile():
    """Photos 0 and 1 share a tile: the second is not counted, neither as matched nor as another."""
    sv = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    location = torch.tensor([[0.6, 0.8], [1.0, 0.0], [0.0, 1.0]])
    embeddings = {"sv": sv, "nili": sv, "tile_mean": sv, "location": location}
    ranges = ranges_of(EmbeddedPairs(embeddings, torch.tensor([0, 0, 1]), {}))
    assert set(ranges) == {"sv_localized", "sv_rs", "sv_location", "localized_rs", "localized_location", "rs_location"}
    np.testing.assert_allclose(ranges["sv_location"]["matched"], np.percentile([0.6, 1.0], PERCENTILES), atol=1e-4)
    np.testing.assert_allclose(ranges["sv_location"]["others"], np.percentile([0.0, 0.8], PERCENTILES), atol=1e-4)
    assert ranges["sv_localized"]["others"] == [0.0] * 7 and ranges["sv_localized"]["matched"] == [1.0] * 7


def test_ranges_need_two_tiles():
    one = {name: torch.eye(2) for name in ("sv", "nili", "tile_mean", "location")}
    with pytest.raises(ValueError, match="come from 1 tile, expected two tiles or more"):
        ranges_of(EmbeddedPairs(one, torch.tensor([0, 0]), {}))


def test_ranges_are_measured_where_the_config_holds_none_or_data_are_named(trained, tmp_path, monkeypatch):
    pairs = write_pairs(tmp_path, 30)
    config = json.loads((trained / "config.json").read_text())
    measured = json.loads((gathered(trained, "--data", str(pairs)) / "config.json").read_text())["similarity_ranges"]
    assert measured != config.pop("similarity_ranges") == RANGES
    assert re.fullmatch(r"one photo of each of \d+ held-out tiles of `pairs\.csv`", measured["measured_on"])
    (trained / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("training.hub.release.ensure_sample_dataset", lambda settings: pairs)
    default = json.loads((gathered(trained) / "config.json").read_text())["similarity_ranges"]
    assert default["pairs"] == measured["pairs"]
    assert default["measured_on"].endswith("held-out tiles of the sample world (procedural, not the Earth)")


# The example --------------------------------------------------------------------------------------------------------


def test_the_example_is_held_out_and_reads_alike_from_both_files(tmp_path):
    write_example(tmp_path / "example")
    assert split_of(WorldSettings(), LON, LAT) == "test"
    with np.load(tmp_path / "example" / "tile.npz", allow_pickle=False) as file:
        example = {name: file[name] for name in file}
    assert list(example) == ["pixels", "bands", "bounds", "crs"]
    assert example["pixels"].dtype == np.uint16 and tuple(example["bands"]) == BANDS
    west, south, east, north = example["bounds"]
    assert west < LON < east and south < LAT < north and str(example["crs"]) == "EPSG:4326"
    tile = GairRSImageProcessor().read(str(tmp_path / "example" / "tile.tif"))
    np.testing.assert_array_equal(tile.pixels, example["pixels"])
    np.testing.assert_allclose(tile.bounds, example["bounds"], rtol=0, atol=1e-9)


# Licences -----------------------------------------------------------------------------------------------------------


def origin(licence=None, data=None):
    card = None if licence is None else ModelCard(f"---\nlicense: {licence}\n---\n# Card\n")
    metrics = None if data is None else {**METRICS, "training": {**FACTS, "data": data}}
    return Origin(Path("DIR"), metrics, card, None)


@pytest.mark.parametrize(
    ("known", "chosen", "licence"),
    [
        (origin("cc-by-nc-4.0"), None, "cc-by-nc-4.0"),
        (origin("mit", ["org/pairs"]), "mit", "mit"),
        (origin(None, ["org/pairs"]), "cc-by-4.0", "cc-by-4.0"),
        (origin(None, ["sample_world"]), None, "apache-2.0"),
    ],
)
def test_the_licence_is_the_directory_s_or_the_user_s(known, chosen, licence):
    assert licence_of(known, chosen, "DIR") == licence


@pytest.mark.parametrize(
    ("known", "chosen", "message"),
    [
        (origin("cc-by-nc-4.0"), "apache-2.0", "says that its weights are licensed under 'cc-by-nc-4.0'"),
        (origin(None, ["sample_world", "org/pairs"]), None, "pass --license"),
        (origin(), None, "pass --license"),
    ],
)
def test_no_licence_is_guessed_or_changed(known, chosen, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        licence_of(known, chosen, "DIR")


# What is gathered ---------------------------------------------------------------------------------------------------


def test_a_release_holds_what_a_stranger_needs_and_nothing_else(whole_release):
    trained, release = whole_release
    check(release, (str(trained),))
    names = {path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()}
    code = {f"{name}_gair.py" for name in ("configuration", "feature_extraction", "geo", "image_processing", "location", "modeling", "processing", "raster")}  # fmt: skip
    example = {"example/photo.jpg", "example/tile.tif", "example/tile.npz"}
    rest = {"README.md", "LICENSE", "metrics.json", "config.json", "processor_config.json", "model.safetensors"}
    assert names == code | example | rest
    assert all(name in listing(release) for name in names)
    config = json.loads((release / "config.json").read_text())
    assert config["auto_map"] == {"AutoConfig": "configuration_gair.GairConfig", "AutoModel": "modeling_gair.GairModel"}
    assert config["similarity_ranges"] == RANGES
    processors = json.loads((release / "processor_config.json").read_text())
    assert processors["auto_map"]["AutoProcessor"] == "processing_gair.GairProcessor"


def test_large_weights_are_sharded(trained):
    release = trained.parent / "sharded"
    gather(parse(["--model", str(trained), "--repo", "org/gair"]), release, shard_size="2MB")
    check(release, ())
    index = json.loads((release / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) == len(list(release.glob("model-*.safetensors"))) > 1


def test_the_card_tells_where_all_is_from(release):
    text = (release / "README.md").read_text(encoding="utf-8")
    data = yaml.safe_load(text.split("---")[1])
    assert (data["license"], data["library_name"], data["pipeline_tag"]) == (
        "apache-2.0",
        "transformers",
        "feature-extraction",
    )
    assert data["embedding_dimension"] == 96 and "geospatial" in data["tags"]
    (entry,) = data["model-index"][0]["results"]
    assert {metric["type"]: metric["value"] for metric in entry["metrics"]} == {"median_rank": 1.5, "R@1": 0.5}
    assert "not the Earth" in entry["dataset"]["name"]
    for words in ("8 photos of 4 held-out tiles", "say nothing about the Earth", "never seen the Earth", "1,064,480",
                  "Trained for 7 steps", "20 pairs/s", "`sample_world`", "CoordBench", "±180°",
                  "| `sv_localized` | 0.00, 0.30, 0.60 | -0.50, -0.20, 0.10 |"):  # fmt: skip
        assert words in text, words
    assert text.count("```python") == 5 and text.index("tile.npz") < text.index("photo.jpg") < text.index("tile.tif")
    # A name that the template asks for and nobody gives would leave a hole.
    assert not re.search(r"\{\{|\(, |: ,|from_pretrained\(\"\"", text)


def test_results_of_benchmarks_stay_in_the_card(trained):
    (trained / "README.md").write_text(
        "---\nlicense: mit\nmodel-index:\n- name: x\n  results:\n  - task: {type: feature-extraction}\n    dataset: {type: a/b, "
        "name: air}\n    metrics:\n    - {type: r2, value: 0.5}\n---\n# X\n<!-- evaluation: start -->\n"
        f"| model | R² |\n|---|---|\n| {trained}   | 0.50 |\n| random weights of {trained} | 0.10 |\n| 0.3 | a/b |\n"
        "<!-- evaluation: end -->\n"
    )
    release = gathered(trained)
    check(release, (str(trained),))
    text = (release / "README.md").read_text(encoding="utf-8")
    results = yaml.safe_load(text.split("---")[1])["model-index"][0]["results"]
    assert {metric["type"] for result in results for metric in result["metrics"]} == {"r2", "median_rank", "R@1"}
    assert "license: mit" in text and "| 0.3 | a/b |" in text
    assert re.search(r"\| org/gair +\| 0.50 \|\n\| random weights of org/gair \| 0.10 \|", text)


def test_figures_of_training_pairs_are_no_results(trained):
    fit = {**METRICS, "training": FACTS, "evaluated": "2 photos of 2 TRAINING tiles (…)"}
    (trained / "metrics.json").write_text(json.dumps(fit))
    text = (gathered(trained) / "README.md").read_text(encoding="utf-8")
    assert "model-index" not in yaml.safe_load(text.split("---")[1]) and "2 TRAINING tiles" in text


def test_converted_weights_keep_their_licence(trained):
    (trained / "metrics.json").unlink()
    (trained / "log.jsonl").unlink()
    (trained / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# Converted\n")
    release = gathered(trained)
    text = (release / "README.md").read_text(encoding="utf-8")
    assert "license: cc-by-nc-4.0" in text and "**CC BY-NC 4.0, no commercial use**" in text
    assert "CC BY-NC 4.0" in (release / "LICENSE").read_text() and "Apache License" in (release / "LICENSE").read_text()
    assert "not the published" not in text and "Nothing has been measured" in text


def test_exported_parts_go_along_and_stand_in_the_card(trained):
    for name in ("onnx/rs_tower.onnx", "onnx/export.json", "sv_tower/config.json", "torch_export/rs_tower.pt2"):
        (trained / name).parent.mkdir(exist_ok=True)
        (trained / name).write_text("{}")
    release = gathered(trained)
    check(release, (str(trained),))
    assert (release / "onnx" / "rs_tower.onnx").is_file() and (release / "sv_tower" / "config.json").is_file()
    assert not (release / "torch_export").exists()
    text = (release / "README.md").read_text(encoding="utf-8")
    assert "`onnx/` holds the three towers" in text and "`sv_tower/` holds the photos' tower" in text


def test_rows_of_the_model_alone_go_along_under_its_new_name(trained, tmp_path):
    from training.benchmarks.results.table import COLUMNS

    def row(model):
        return ",".join(model if column == "model_name" else "1" for column in COLUMNS)

    table = tmp_path / "results.csv"
    table.write_text("\n".join([",".join(COLUMNS), row(str(trained)), row("baselines")]) + "\n")
    release = gathered(trained, "--results", str(table))
    lines = (release / "results.csv").read_text().splitlines()
    assert lines == [",".join(COLUMNS), row("org/gair")]
    check(release, (str(tmp_path),))


# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("optimizer.bin", b"", "'optimizer.bin' does not belong into a release"),
        ("example/more.pkl", b"", "'example/more.pkl' does not belong"),
        ("onnx/rs.onnx", b"\x08\x00PLACE/model.py", "'onnx/rs.onnx' names the local path"),
        ("metrics.json", b'{"data": "/srv/photos/pairs.csv"}', "names the local path '/srv/photos/pairs.csv'"),
        ("README.md", b"trained on C:\\data\\pairs.csv", "names the local path 'C:\\\\data\\\\pairs.csv'"),
        ("config.json", b'{"_name_or_path": "~/models/gair"}', "names the local path '~/models/gair'"),
    ],
)
def test_what_does_not_belong_into_a_release_is_named(whole_release, release, name, content, message):
    trained, _ = whole_release
    path = release / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.replace(b"PLACE", str(trained).encode()))
    with pytest.raises(ValueError, match=re.escape(message)):
        check(release, (str(trained),))


@pytest.mark.parametrize("name", ["raster_gair.py", "LICENSE", "model.safetensors"])
def test_what_is_missing_is_named(release, name):
    (release / name).unlink()
    with pytest.raises(ValueError, match=f"^{name} is missing in the release"):
        check(release, ())


def test_addresses_and_code_are_no_local_paths(release):
    (release / "README.md").write_text(
        "https://hf.co/org/gair, 10 km/h, and/or, </b>/x, org/gair/resolve, a / b / c, ~96 px"
    )
    check(release, ())


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--repo", "gair"], "--repo is 'gair', expected ORG/NAME"),
        (["--repo", "a/b/c"], "a/b/c"),
        (["--repo", "a/b", "--branch", "x", "--pull_request"], "--branch and --pull_request came together"),
    ],
)
def test_flags_that_make_no_sense_are_refused(flags, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        parse(["--model", "DIR", *flags])


def test_a_directory_that_is_no_whole_model_is_refused(trained, tmp_path):
    flags = ["--repo", "org/gair", "--dry_run", "--model"]
    with pytest.raises(ValueError, match=r"is no directory with a config\.json"):
        main([*flags, str(tmp_path)])
    weights = trained / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="holds no whole model"):
        main([*flags, str(trained)])
    weights.unlink()
    with pytest.raises(ValueError, match="holds no whole model"):
        main([*flags, str(trained)])


def test_results_without_rows_of_the_model_are_refused(trained, tmp_path):
    with pytest.raises(ValueError, match=r"expected results.csv of training/evaluate.py"):
        gathered(trained, "--results", str(tmp_path / "none.csv"))


def test_a_dry_run_prints_the_files_and_sends_nothing(trained, capsys, monkeypatch):
    monkeypatch.setattr("training.hub.release.push", lambda *_: pytest.fail("something was sent"))
    main(["--model", str(trained), "--repo", "org/gair", "--branch", "next", "--dry_run"])
    told = capsys.readouterr().out
    assert "modeling_gair.py" in told and "bytes in 17 files" in told
    assert "This would go to org/gair, branch next. Nothing was sent." in told
