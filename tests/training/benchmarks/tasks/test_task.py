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

from pathlib import Path

import pytest

from training.benchmarks.kinds.registry import KINDS
from training.benchmarks.selection import table_task, task_list
from training.benchmarks.tasks.task import GROUPS, Task, choose, load_tasks, relocated

TASKS = load_tasks()


def test_every_task_is_complete():
    assert len(TASKS) > 90
    for task in TASKS.values():
        assert task.kind in KINDS and task.needs and task.licence and task.citation and task.title
        # Tasks on the user's own data explain how to pass them.
        assert task.source or "--data" in task.access
    assert {task.group for task in TASKS.values()} == set(GROUPS)
    assert {task.kind for task in TASKS.values() if task.group == "sample"} == set(KINDS) - {"location_prior"}


def test_names_groups_and_globs_select_each_task_once():
    assert [task.name for task in choose(TASKS, ["air_temp"])] == ["air_temp"]
    found = [task.name for task in choose(TASKS, ["dm-lcmap*", "dm-*"])]
    assert found[0].startswith("dm-lcmap") and len(found) == len(set(found)) == 15
    assert {task.group for task in choose(TASKS, ["rs", "sv"])} == {"rs", "sv"}
    everything = choose(TASKS, ["all"])
    assert len(everything) == sum(task.group != "sample" for task in TASKS.values())


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(ValueError, match="--tasks is 'air_tmp'; did you mean 'air_temp'"):
        choose(TASKS, ["air_tmp"])
    with pytest.raises(ValueError, match="--data is 'air_tmp'; did you mean 'air_temp'"):
        relocated(choose(TASKS, ["air_temp"]), {"air_tmp": "."})
    with pytest.raises(ValueError, match="Path not found: 'nowhere', given for task 'air_temp'"):
        relocated(choose(TASKS, ["air_temp"]), {"air_temp": "nowhere"})


def test_a_local_copy_is_a_file_or_a_folder(tmp_path):
    (tmp_path / "own.csv").write_text("lon,lat,meanT\n", encoding="utf-8")
    (file,) = relocated([TASKS["air_temp"]], {"air_temp": str(tmp_path / "own.csv")})
    assert (file.source, file.data_files) == (str(tmp_path), "own.csv")
    assert file.published_source == TASKS["air_temp"].source == "taylor-geospatial/coordbench"
    (folder,) = relocated([TASKS["air_temp"]], {"air_temp": str(tmp_path)})
    assert (folder.source, folder.data_files) == (str(tmp_path), "data/air_temp/data.parquet")


def test_a_table_in_the_current_directory_is_read(tmp_path, monkeypatch):
    (tmp_path / "places.csv").write_text("lon,lat,warmth\n13,52,0.5\n2,48,0.6\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert table_task(Path("places.csv"), "warmth", None).target_type == "regression"


def test_the_listing_names_every_task_and_its_licence():
    text = task_list(list(TASKS.values()))
    assert all(f"| {name} " in text for name in TASKS)
    assert "non-commercial" in text


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{name: own, group: locaton}", "group of task 'own' is 'locaton'; did you mean 'location'"),
        (
            "{name: own, group: rs, target_tipe: x}",
            "task 'own': unknown setting 'target_tipe'.*did you mean 'target_type'",
        ),
        (
            "{name: own, group: rs, label_rule: {lok1p: true}}",
            "label_rule of task 'own' is 'lok1p'; did you mean 'log1p'",
        ),
    ],
)
def test_a_wrong_task_is_refused(tmp_path, entry, message):
    defaults = (
        "{kind: location, title: t, needs: [location], target_type: regression, source: s, licence: l, citation: c}"
    )
    (tmp_path / "own.yaml").write_text(f"defaults: {defaults}\ntasks:\n  - {entry}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_tasks(tmp_path)


def test_duplicate_names_are_refused(tmp_path):
    defaults = "{kind: location, title: t, group: rs, needs: [location], target_type: regression, source: s, licence: l, citation: c}"
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(f"defaults: {defaults}\ntasks:\n  - {{name: same}}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"'b.yaml' repeats the task name 'same'"):
        load_tasks(tmp_path)
    assert isinstance(TASKS["air_temp"], Task)
