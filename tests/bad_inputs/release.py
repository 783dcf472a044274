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
"""`training/release.py`: model directories, options and data."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bad_inputs.case import MODEL, Case, Program
from tests.helpers.models import drop_pixels, drop_weight, spoil_weight

_DATA = ("model.safetensors", "config.json", "processor_config.json")


def _model(change: Callable[[Path], object] = lambda model: None, *more: str) -> Callable[[Path], Sequence[str]]:
    """The command line of a dry run, with a copy of the bundled model after a change."""

    def arguments(folder: Path) -> Sequence[str]:
        model = folder / "model"
        model.mkdir()
        for name in _DATA:
            shutil.copy(MODEL / name, model / name)
        change(model)
        given = {"--repo": "org/name", "--license": "apache-2.0"} if "--repo" not in more else {}
        flags = [part for flag, value in given.items() if flag not in more for part in (flag, value)]
        return ["--model", str(model), *flags, "--dry_run", *more]

    return arguments


def _options(*arguments: str) -> Callable[[Path], Sequence[str]]:
    return lambda folder: list(arguments)


def _write(name: str, content: str | bytes) -> Callable[[Path], object]:
    return lambda model: (model / name).write_bytes(content.encode() if isinstance(content, str) else content)


def _truncated(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])


def _without(key: str) -> Callable[[Path], None]:
    def change(model: Path) -> None:
        config = json.loads((model / "config.json").read_text())
        del config[key]
        (model / "config.json").write_text(json.dumps(config))

    return change


def _case(name: str, arguments: Callable[[Path], Sequence[str]], says: str, status: int = 1, **more: bool) -> Program:
    return Program(f"release: {name}", "training.release", arguments, says, status, **more)


CASES: list[Case] = [
    _case("no model", _options("--repo", "org/name"), "--model is missing"),
    _case("no repository", _options("--model", str(MODEL)), "--repo ORG/NAME", launched=True),
    _case("a repository without owner", _options("--model", "m", "--repo", "name"), "add the owner"),
    _case("a repository with a bad name", _options("--model", "m", "--repo", "org/na me"), "org/na me"),
    _case(
        "a misspelt option",
        _options("--model", "m", "--repo", "org/name", "--dryrun"),
        "did you mean 'dry_run'",
        launched=True,
    ),
    _case("a Space with data", _options("--space", "org/name", "--data", "d"), "drop --data", launched=True),
    _case(
        "a directory that does not exist", _options("--model", "none", "--repo", "org/name"), "is not a directory with"
    ),
    _case(
        "a directory without a model", _model(lambda model: (model / "config.json").unlink()), "is not a directory with"
    ),
    _case("a truncated config", _model(_write("config.json", '{"model_type": ')), "incomplete"),
    _case("a config that is a list", _model(_write("config.json", "[]")), "incomplete"),
    _case("truncated weights", _model(_truncated), "incomplete"),
    _case("a weight is missing", _model(drop_weight), "do not match its config, first nili.affine.bias"),
    _case("weights of the pixels are missing", _model(drop_pixels), "do not match its config, first pixel_query"),
    _case("weights that are not finite", _model(spoil_weight), "are not finite, first nili.affine.bias"),
    _case("empty weights", _model(_write("model.safetensors", b"")), "incomplete"),
    _case("no weights", _model(lambda model: (model / "model.safetensors").unlink()), "incomplete"),
    _case("no processor", _model(lambda model: (model / "processor_config.json").unlink()), "incomplete"),
    _case("metrics that are no JSON", _model(_write("metrics.json", "{")), "not valid JSON"),
    _case("an unknown licence", lambda folder: [*_model()(folder)[:4], "--dry_run"], "pass --license"),
    _case("results that do not exist", _model(_write("x", ""), "--results", "none.csv"), "--results: file not found"),
    _case("data that do not exist", _model(_without("similarity_ranges"), "--data", "none.csv"), "File not found"),
    _case(
        "no ranges", _model(_without("similarity_ranges")), "would be measured on held-out pairs of the sample world", 0
    ),
]
