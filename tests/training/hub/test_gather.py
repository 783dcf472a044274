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
"""The files of a release: weights, code, example, exports, results and similarity ranges; incomplete models are errors."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("datasets", reason="the extra train is not installed")
from modeling_gair.convert_gair_checkpoint import weights_digest
from tests.helpers.pairs import write_pairs
from tests.helpers.release import RANGES, gathered
from training.benchmarks.results.table import COLUMNS
from training.hub.verify import list_files, verify


def test_a_release_holds_what_users_need_and_nothing_else(whole_release):
    trained, release = whole_release
    verify(release, (str(trained),))
    names = {path.relative_to(release).as_posix() for path in release.rglob("*") if path.is_file()}
    import modeling_gair

    code = {path.name for path in Path(modeling_gair.__file__).parent.glob("*_gair*.py")} - {
        "convert_gair_checkpoint.py"
    }
    example = {"example/photo.jpg", "example/tile.tif", "example/tile.npz"}
    rest = {"README.md", "LICENSE", "metrics.json", "config.json", "processor_config.json", "model.safetensors"}
    assert names == code | example | rest
    assert all(name in list_files(release) for name in names)
    config = json.loads((release / "config.json").read_text())
    assert config["auto_map"] == {"AutoConfig": "configuration_gair.GairConfig", "AutoModel": "modeling_gair.GairModel"}
    assert config["similarity_ranges"] == RANGES
    processors = json.loads((release / "processor_config.json").read_text())
    assert processors["auto_map"]["AutoProcessor"] == "processing_gair.GairProcessor"


def test_the_provenance_of_converted_weights_is_published_while_it_is_true(trained, tiny_model):
    provenance = {"checkpoint": "gair.pth", "checkpoint_sha256": "12ab", "weights_sha256": weights_digest(tiny_model)}
    (trained / "provenance.json").write_text(json.dumps(provenance))
    release = gathered(trained)
    verify(release, ())
    assert json.loads((release / "provenance.json").read_text()) == provenance
    (trained / "provenance.json").write_text(json.dumps({**provenance, "weights_sha256": "other"}))
    assert not (gathered(trained) / "provenance.json").exists()


def test_large_weights_are_sharded(trained):
    release = gathered(trained, shard_size="2MB")
    verify(release, ())
    index = json.loads((release / "model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) == len(list(release.glob("model-*.safetensors"))) > 1


def test_ranges_are_measured_if_the_config_has_none_or_data_are_given(trained, tmp_path, monkeypatch):
    pairs = write_pairs(tmp_path, 30)
    config = json.loads((trained / "config.json").read_text())
    measured = json.loads((gathered(trained, data=str(pairs)) / "config.json").read_text())["similarity_ranges"]
    assert measured != config.pop("similarity_ranges") == RANGES
    told = r"one photo of each of \d+ held-out tiles of `pairs\.csv` \(in blocks of 100 km, more than 2\.5 km from all .*\)"
    assert re.fullmatch(told, measured["measured_on"])
    (trained / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr("training.hub.gather.ensure_sample_dataset", lambda settings: pairs)
    default = json.loads((gathered(trained) / "config.json").read_text())["similarity_ranges"]
    assert default["pairs"] == measured["pairs"]
    assert "held-out tiles of the sample world" in default["measured_on"]


def test_exports_licence_and_results_of_this_model_alone_are_published(trained, tmp_path):
    def row(model):
        return ",".join(model if column == "model_name" else "1" for column in COLUMNS)

    (trained / "metrics.json").unlink()
    (trained / "log.jsonl").unlink()
    (trained / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# Converted\n")
    for name in ("onnx/rs_tower.onnx", "onnx/export.json", "sv_tower/config.json", "torch_export/rs_tower.pt2"):
        (trained / name).parent.mkdir(exist_ok=True)
        (trained / name).write_text("{}")
    table = tmp_path / "results.csv"
    table.write_text("\n".join([",".join(COLUMNS), row(str(trained)), row("baselines")]) + "\n")
    release = gathered(trained, results=str(table))
    assert (release / "results.csv").read_text().splitlines() == [",".join(COLUMNS), row("org/gair")]
    assert (release / "onnx" / "rs_tower.onnx").is_file() and (release / "sv_tower" / "config.json").is_file()
    assert not (release / "torch_export").exists() and not (release / "metrics.json").exists()
    card, licence = ((release / name).read_text(encoding="utf-8") for name in ("README.md", "LICENSE"))
    assert "license: cc-by-nc-4.0" in card and "`onnx/` holds" in card
    assert "CC BY-NC 4.0" in licence and "Apache License" in licence
    verify(release, (str(tmp_path), str(trained)))


def test_missing_results_are_an_error(trained, tmp_path):
    with pytest.raises(ValueError, match=r"--results: file not found: .*; pass results.csv of training/evaluate.py"):
        gathered(trained, results=str(tmp_path / "none.csv"))


def test_an_incomplete_model_is_an_error(trained, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"is not a directory with a config\.json"):
        gathered(tmp_path / "empty")
    weights = trained / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"The model in .* is incomplete"):
        gathered(trained)
    weights.unlink()
    with pytest.raises(ValueError, match=r"The model in .* is incomplete"):
        gathered(trained)
