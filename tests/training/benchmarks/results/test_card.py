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
"""Results in a model card."""

import pytest
from huggingface_hub import ModelCard

from tests.helpers.result_rows import AIR, table_of_two_models
from training.benchmarks.results.card import update_card
from training.benchmarks.results.table import ResultsTable


@pytest.fixture
def table(tmp_path) -> ResultsTable:
    return table_of_two_models(tmp_path)


def test_a_card_keeps_its_content_and_receives_the_results(table, tmp_path):
    path = tmp_path / "README.md"
    path.write_text("---\nlicense: apache-2.0\ntags: [geospatial]\n---\n# Own\n\nText.\n", encoding="utf-8")
    own = [row for row in table.rows if row["model_name"] == "outputs/own"]
    for _ in range(2):
        update_card(path, "own", [AIR], own, "## Evaluation\n\nTables.")
    card = ModelCard.load(path)
    assert card.data.license == "apache-2.0" and card.data.tags == ["geospatial"] and "# Own\n\nText." in card.text
    assert card.text.count("## Evaluation") == 1
    results = {result.dataset_config: result for result in card.data.eval_results}
    assert set(results) == {"air_temp-random-ridge", "air_temp-spatial10-ridge"} and len(card.data.eval_results) == 2
    random = results["air_temp-random-ridge"]
    assert (random.metric_type, random.metric_value, random.dataset_revision) == ("r2", 0.8, "f00")
    assert random.dataset_type == "taylor-geospatial/coordbench"
    # A later run replaces its own figures and leaves the others.
    update_card(path, "own", [AIR], [own[0] | {"metric_value": "0.9"}], "## Evaluation\n\nNew.")
    values = {result.dataset_config: result.metric_value for result in ModelCard.load(path).data.eval_results}
    assert values == {"air_temp-random-ridge": 0.9, "air_temp-spatial10-ridge": 0.6}


def test_a_missing_card_is_created(table, tmp_path):
    update_card(tmp_path / "new.md", "own", [AIR], table.rows[:1], "Tables.")
    assert ModelCard.load(tmp_path / "new.md").data.eval_results[0].metric_value == 0.8
