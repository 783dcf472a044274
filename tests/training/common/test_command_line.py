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
"""Command lines: values, files, help and errors."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml

pytest.importorskip("jsonargparse", reason="the extra train is not installed")
from training.common.command_line import parse_options


@dataclass
class Planet:
    """
    A planet.

    Attributes:
        seed (`int`): of all that is drawn.
        radius_km (`float`): mean radius, kilometres.
    """

    seed: int = 0
    radius_km: float = 6371.0


@dataclass
class Options:
    """
    Options of a program.

    Attributes:
        rate (`float`): learning rate.
        planet (`Planet`): where it happens.
        model (`str` or `dict`): a preset, or the fields that differ from it.
        extra (`dict`): further settings.
        names (`list[str]`): names.
        seeds (`list[int]`): seeds.
        output (`Path`): folder to write.
        mode (`str`): how.
        dry_run (`bool`): print and stop.
    """

    rate: float = 2e-3
    planet: Planet = field(default_factory=Planet)
    model: str | dict[str, Any] = "tiny"
    extra: dict[str, Any] = field(default_factory=dict)
    names: list[str] | None = None
    seeds: list[int] = field(default_factory=lambda: [0, 1])
    output: Path | None = None
    mode: Literal["auto", "none"] = "auto"
    dry_run: bool = False


def parse(*arguments: str, config_file: Path | None = None) -> Options:
    return parse_options(Options, arguments, "program.py", "Does things.", config_file, presets={"model": "preset"})


def test_without_arguments_options_have_their_defaults():
    assert parse() == Options()


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        ("--rate 1e-3", "rate", 0.001),
        ("--rate=1", "rate", 1.0),
        ("--planet.seed 3", "planet", Planet(seed=3)),
        ("--dry_run", "dry_run", True),
        ("--dry_run false", "dry_run", False),
        ("--names a 007", "names", ["a", "007"]),
        ("--names [a,b]", "names", ["a", "b"]),
        ("--seeds 4", "seeds", [4]),
        ("--output some/folder", "output", Path("some/folder")),
        ("--extra.size 64 --extra.range [0.1,1e-2]", "extra", {"size": 64, "range": [0.1, 0.01]}),
        ("--model base", "model", "base"),
        ("--model.temperature 0.1", "model", {"preset": "tiny", "temperature": 0.1}),
        ("--model base --model.rs.layers 4 --model.rs.rate 1e-3", "model", {"preset": "base", "rs": {"layers": 4, "rate": 1e-3}}),
    ],
)  # fmt: skip
def test_values_are_parsed_by_type(arguments, name, value):
    assert getattr(parse(*arguments.split()), name) == value


def test_flags_override_files_and_files_override_defaults(tmp_path):
    default, own = tmp_path / "default.yaml", tmp_path / "own.yaml"
    default.write_text("rate: 1\nplanet: {seed: 5}\nmodel: {preset: base, rs: {layers: 2, width: 8}}\n")
    own.write_text("rate: 2\n")
    options = parse("--planet.radius_km", "10", "--model.rs.layers", "3", config_file=default)
    assert (options.rate, options.planet) == (1, Planet(5, 10.0))
    assert options.model == {"preset": "base", "rs": {"layers": 3, "width": 8}}
    assert parse("--config", str(own), config_file=default).rate == 2
    assert parse("--config", str(own), "--rate", "3").rate == 3


def test_the_printed_configuration_can_be_read_again(tmp_path, capsys):
    arguments = ["--model.rs.layers", "4", "--planet.seed", "2", "--names", "007"]
    with pytest.raises(SystemExit):
        parse(*arguments, "--print_config")
    printed = tmp_path / "printed.yaml"
    printed.write_text(capsys.readouterr().out)
    assert yaml.safe_load(printed.read_text())["model"] == {"preset": "tiny", "rs": {"layers": 4}}
    assert parse("--config", str(printed)) == parse(*arguments)


def test_help_shows_descriptions_defaults_and_units(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    text = " ".join(capsys.readouterr().out.split())
    assert "mean radius, kilometres. (type: float, default: 6371.0)" in text and "Does things." in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--rat 1", "The command line: unknown setting 'rat'; did you mean 'rate'?"),
        ("--planet.sed 1", "--planet: unknown setting 'sed'; did you mean 'seed'?"),
        ("--rate x", "rate is 'x'; expected a value of type float."),
        ("--planet 9", "planet is '9'; expected its settings one by one, as --planet.KEY VALUE."),
        ("--mode maybe", "mode is 'maybe'; expected 'auto' or 'none'."),
        ("--seeds 1 b", "seeds"),
        ("--rate", "--rate has no value; give it as --rate VALUE."),
        ("--rate 1 2", "--rate takes one value, but 2 are given (1 2)"),
        ("--rate 1 --rate 2", "--rate is given twice; give it once."),
        ("rate", "'rate' is not an option; options are given as --name value."),
        ("--config nowhere.yaml", "File not found: 'nowhere.yaml'; pass a YAML file as --config."),
        ("--extra.a 1 --extra.a.b 2", "--extra.a.b sets a key of a, which is 1 and has no keys; set a itself."),
    ],
)
def test_invalid_arguments_are_rejected_in_one_sentence(arguments, message):
    with pytest.raises(ValueError) as raised:
        parse(*arguments.split())
    assert str(raised.value).startswith(message) and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rat: 1", ": unknown setting 'rat'"),
        ("planet: {sed: 1}", "planet: unknown setting 'sed'"),
        ("rate: [", "is not valid YAML"),
        ("- rate", "contains a list"),
        ("rate: x", "rate is 'x'; expected a value of type float."),
    ],
)
def test_invalid_files_are_rejected_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "options.yaml"
    path.write_text(content)
    with pytest.raises(ValueError) as raised:
        parse("--config", str(path))
    assert message in str(raised.value) and "\n" not in str(raised.value)
