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
"""The card of a published model: its metadata, and the source of every statement."""

import re
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

pytest.importorskip("datasets", reason="the extra train is not installed")
from modeling_gair import GairConfig, GairModel, GairProcessor
from tests.helpers.release import FACTS, METRICS, RANGES
from training.hub.card import make_card
from training.hub.origin import Origin
from training.objectives.settings import MaeSettings
from training.pretraining.finish import training_facts
from training.pretraining.settings import PretrainSettings


@pytest.fixture(scope="module")
def model() -> GairModel:
    return GairModel(GairConfig.tiny(similarity_ranges=RANGES))


@pytest.fixture(autouse=True)
def counted(monkeypatch):
    """Counting operations takes seconds, and has tests in test_costs.py. The objectives that were counted."""
    objectives: list = []

    def count(config, processor, photos_per_tile, objective):
        objectives.append(objective)
        return 0.7e9

    monkeypatch.setattr("training.hub.card.flops_per_pair", count)
    return objectives


def text_of(
    model, metrics=None, card=None, licence="apache-2.0", exports=(), folder=Path("DIR"), converted=None
) -> str:
    """The text of a card."""
    origin = Origin(folder, metrics, card, 20.0 if metrics else None, converted)
    processor = GairProcessor.for_config(model.config)
    return str(make_card("org/gair", None, model, processor, origin, licence, exports))


def test_the_card_states_metadata_results_and_origin(model):
    text = text_of(model, {**METRICS, "training": FACTS})
    data = yaml.safe_load(text.split("---")[1])
    assert (data["license"], data["library_name"], data["pipeline_tag"]) == (
        "apache-2.0",
        "transformers",
        "feature-extraction",
    )
    assert data["embedding_dimension"] == 96 and "geospatial" in data["tags"]
    (entry,) = data["model-index"][0]["results"]
    assert {metric["type"]: metric["value"] for metric in entry["metrics"]} == {"median_rank": 1.5, "R@1": 0.5}
    assert "made up" in entry["dataset"]["name"]
    for words in ("8 photos of 4 held-out tiles", "streets, fields, tiles and photos are made up", "never seen the Earth",
                  "1,108,992 parameters (", "Trained for 7 steps", "0.7 GFLOP\nper pair", "20 pairs/s", "Pre-trained on `sample_world`", "CoordBench",
                  "±180°", "patches of 8 × 8 pixels", "| `sv_localized` | 0.00, 0.30, 0.60 | -0.50, -0.20, 0.10 |"):  # fmt: skip
        assert words in text, words
    assert text.count("```python") == 5 and text.index("tile.npz") < text.index("photo.jpg") < text.index("tile.tif")


def test_the_headline_is_the_models_own_reading():
    """Its row for NILI, which was not trained, says nothing about it."""
    model = GairModel(GairConfig.tiny(similarity_ranges=RANGES, query_mode="bilinear"))
    nili = METRICS["across_tiles"]["SV → RS at the point (NILI)"]
    rows = {"SV → RS at the point (NILI)": nili | {"median_rank": 9.0}, "SV → RS at the point (bilinear)": nili}
    text = text_of(model, {**METRICS, "across_tiles": rows, "training": FACTS})
    (entry,) = yaml.safe_load(text.split("---")[1])["model-index"][0]["results"]
    assert [metric["value"] for metric in entry["metrics"]] == [1.5, 0.5]
    assert all("(bilinear)" in metric["name"] for metric in entry["metrics"])


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("nili", "NILI, a neural implicit function"),
        ("bilinear", "interpolated (bilinear)"),
        ("mean", "mean of its tokens"),
    ],
)
@pytest.mark.parametrize("window", [0, 3])
def test_the_card_says_how_points_are_read(mode, words, window):
    model = GairModel(GairConfig.tiny(similarity_ranges=RANGES, query_mode=mode, pixel_window=window))
    text = text_of(model, {**METRICS, "training": FACTS})
    described = " ".join(text.split("---")[2].split("([paper]")[0].split())
    assert words in described and f"to be read in one way, `{mode}`" in text
    for part in (described, text.split("---")[1]):
        assert ("3 × 3 pixels" in part) == bool(window)
    assert ('In the row "without pixels"' in text) == bool(window)


def test_the_template_leaves_no_gaps(model):
    for text in (
        text_of(model),
        text_of(model, {**METRICS, "training": FACTS}, exports=("onnx",)),
        text_of(model, card=ModelCard("---\nlicense: cc-by-nc-4.0\n---\n"), licence="cc-by-nc-4.0"),
    ):
        assert not re.search(r"\{\{|\{%|\(, |: ,|from_pretrained\(\"\"|None|Undefined", text)
        assert "\n\n\n" not in text


def test_benchmark_results_stay_in_the_card(model, tmp_path):
    card = ModelCard(
        "---\nlicense: mit\nmodel-index:\n- name: x\n  results:\n  - task: {type: feature-extraction}\n    dataset: {type: a/b, "
        "name: air}\n    metrics:\n    - {type: r2, value: 0.5}\n---\n# X\n<!-- evaluation: start -->\n"
        f"| model | R² |\n|---|---|\n| {tmp_path}   | 0.50 |\n| random weights of {tmp_path} | 0.10 |\n| 0.3 | a/b |\n"
        "<!-- evaluation: end -->\n"
    )
    text = text_of(model, {**METRICS, "training": FACTS}, card, "mit", folder=tmp_path)
    results = yaml.safe_load(text.split("---")[1])["model-index"][0]["results"]
    assert {metric["type"] for result in results for metric in result["metrics"]} == {"r2", "median_rank", "R@1"}
    assert "license: mit" in text and "| 0.3 | a/b |" in text and str(tmp_path) not in text
    assert re.search(r"\| org/gair +\| 0.50 \|\n\| random weights of org/gair \| 0.10 \|", text)


def test_figures_of_training_pairs_are_not_results(model):
    text = text_of(model, {**METRICS, "training": FACTS, "evaluated": "2 photos of 2 TRAINING tiles (…)"})
    assert "model-index" not in yaml.safe_load(text.split("---")[1]) and "2 TRAINING tiles" in text


NON_COMMERCIAL = ModelCard("---\nlicense: cc-by-nc-4.0\n---\n")


def test_converted_weights_are_described_by_what_was_converted(model):
    converted = {"checkpoint": "gair.pth", "checkpoint_sha256": "12ab"}
    text = text_of(model, card=NON_COMMERCIAL, licence="cc-by-nc-4.0", converted=converted)
    assert "license: cc-by-nc-4.0" in text and "**CC BY-NC 4.0, no commercial use**" in text
    assert "from `gair.pth` (SHA-256\n`12ab`)" in text and "its authors did not publish" in text
    assert "not the published" not in text and "No results have been recorded" in text


def test_a_licence_does_not_tell_where_weights_come_from(model):
    text = text_of(model, card=NON_COMMERCIAL, licence="cc-by-nc-4.0")
    assert "does not record where these weights come from" in text and "converted to safetensors" not in text
    assert "authors" not in text and "does not record its training data" in text
    trained = text_of(model, {**METRICS, "training": FACTS}, NON_COMMERCIAL, "cc-by-nc-4.0")
    assert "these are not the published GAIR weights" in trained


def test_flops_are_those_of_the_objective_that_was_trained(model, counted):
    settings = PretrainSettings(objective={"name": "mae", "mask_ratio": 0.6})
    text = text_of(model, {**METRICS, "training": training_facts(settings)})
    assert [type(objective) for objective in counted] == [MaeSettings] and counted[0].mask_ratio == 0.6
    assert "of the objective `mae` take 0.7 GFLOP" in text
    assert "do not share a space" in text and "aligned contrastively" not in text
    unknown = {name: value for name, value in FACTS.items() if name != "objective_settings"}
    text = text_of(model, {**METRICS, "training": unknown})
    assert len(counted) == 1 and "GFLOP" not in text and "Trained for 7 steps" in text


def test_published_figures_are_marked_as_not_measured(model):
    assert "as published with CoordBench and not measured again here:\n  GAIR 0.427" in text_of(model)


def test_initial_weights_are_not_called_scratch(model):
    facts = {**FACTS, "initial_weights": {"rs": "CROMA_base.pt", "sv": None}}
    assert "trained from scratch" in text_of(model, {**METRICS, "training": FACTS})
    assert "from scratch" not in text_of(model, {**METRICS, "training": facts})


def test_exported_parts_are_described(model):
    assert "Without torch" not in text_of(model)
    text = text_of(model, exports=("onnx", "sv_tower"))
    assert "`onnx/` holds the three towers" in text and "`sv_tower/` holds the photo tower" in text
