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
"""
Takes a trained or converted model to a Hub repository that works for a stranger:

    python training/release.py --model DIR --repo ORG/NAME

Pushes, in one commit: weights as safetensors, config and processors, all code files, the card (model_card.md, filled), the
licence, what was measured, and an example. `--dry_run` prints what would go. Before anything is sent, the files are
checked, loaded as a stranger would, and compared with the directory.

    python training/release.py --space ORG/NAME --model ORG/MODEL

Pushes the page of `spaces_demo` as a Space that shows a released model, without `--model` the one that is bundled.
"""

import argparse
import csv
import io
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from huggingface_hub import CommitInfo, HfApi

# The class that all failures of the Hub's client have in common, whichever HTTP library it is built on.
from huggingface_hub.errors import HfHubHTTPError, HTTPError, RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id
from safetensors import SafetensorError
from transformers import AutoModel, AutoProcessor

import modeling_gair
from modeling_gair import GairModel, GairProcessor
from training.benchmarks.results.table import COLUMNS, ResultsTable
from training.common.errors import first_line
from training.common.files import write_atomically
from training.hub.card import PUBLISHED_LICENCE, Origin, licence_of, make_card
from training.hub.example import LAT, LON, write_example
from training.measuring.similarity_ranges import measure_ranges
from training.pretraining.settings import SAMPLE_WORLD
from training.world.writer import WorldSettings, ensure_sample_dataset

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "spaces_demo"
# Larger weights are divided; so much can be sent again after a broken connection.
SHARD_SIZE = "2GB"
# What `training/export.py` puts beside a model, pushed where it is there.
EXPORTS = ("onnx", "sv_tower")
_EXAMPLE = "example"
# Nothing else is pushed.
_ALLOWED = re.compile(
    r"model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json|config\.json|processor_config\.json|\w+_gair\.py"
    r"|README\.md|LICENSE|metrics\.json|results\.csv|example/(photo\.jpg|tile\.tif|tile\.npz)"
    r"|onnx/[\w.-]+\.(onnx|onnx\.data|json)|sv_tower/[\w.-]+\.(safetensors|json)"
)
_CODE = {path.name for path in Path(modeling_gair.__file__).parent.glob("*_gair.py")} - {"convert_gair_checkpoint.py"}
_NEEDED = {"config.json", "processor_config.json", "README.md", "LICENSE", *_CODE}
# Of an earlier release, where this one does not replace them.
_STALE = ["*.safetensors", "*.safetensors.index.json", "*_gair.py", f"{_EXAMPLE}/*", *(f"{name}/*" for name in EXPORTS)]
_TEXTS = (".json", ".md", ".csv", ".py")
# An absolute path of two parts or more, on any system. What follows a letter, a dot or a slash is part of an address.
_LOCAL_PATH = re.compile(
    r"(?:file:/+|~/|\b[A-Za-z]:\\|(?<![\w.:/<>*})~-])/[A-Za-z][\w.-]*/)[\w.-][^\s\"'`,;)]*",
)
# Weights saved and loaded are the same bits; embeddings may differ by the order of sums.
_TOLERANCE = 1e-5


def main(arguments: Sequence[str]) -> None:
    """Gathers the files, checks them, and pushes them."""
    chosen = parse(arguments)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "release"
        local = [str(ROOT), str(Path(scratch).resolve()), sys.prefix]
        if chosen.space:
            shutil.copytree(SPACE, folder, ignore=shutil.ignore_patterns("__pycache__"))
            check_names_no_path(folder, local)
        else:
            gather(chosen, folder)
            check(folder, [str(Path(chosen.model).resolve()), *local])
        kind = "the Space " if chosen.space else ""
        target = f"{kind}{chosen.repo}, branch {chosen.branch or 'main'}{', as a pull request' * chosen.pull_request}"
        print(f"{listing(folder)}\n")
        if chosen.dry_run:
            print(f"This would go to {target}. Nothing was sent.")
            return
        pushed = push(chosen, folder)
        print(f"Pushed to {target}: {pushed.pr_url or pushed.commit_url}")
        if chosen.space:
            print(f"It shows {chosen.model or 'the bundled model'}.")
            return
        print(f'Load it with revision="{pushed.oid}", so that code that you have read is what runs.')


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """
    The command line.

    Raises:
        ValueError: flags that do not go together, or a repository's name that is none.
    """
    parser = argparse.ArgumentParser(prog="training/release.py", description="Releases a model to the Hub.")
    add = parser.add_argument
    add("--model", metavar="DIR", help="a directory of training/pretrain.py or of the converter; with --space, a model on"
        " the Hub")  # fmt: skip
    to = parser.add_mutually_exclusive_group(required=True)
    to.add_argument("--repo", metavar="ORG/NAME", help="the repository; made where there is none")
    to.add_argument(
        "--space", metavar="ORG/NAME", help="push spaces_demo to this Space instead; made where there is none"
    )
    add("--branch", metavar="NAME", help="push to this branch, made where there is none (default main)")
    add("--private", action="store_true", help="make a private repository")
    add("--pull_request", action="store_true", help="propose the files to an existing repository")
    add("--dry_run", action="store_true", help="print what would be pushed, and stop")
    add("--license", metavar="NAME", help="of the weights, as the Hub calls it; where the directory does not say")
    add("--data", metavar="NAME", help="held-out pairs to measure the ranges of similarities on: a CSV, a folder or a data"
        " set on the Hub (default: the ranges that the config holds, else the sample world)")  # fmt: skip
    add("--results", metavar="FILE", help="results.csv of training/evaluate.py, of which this model's rows are pushed")
    chosen = parser.parse_args(arguments)
    if chosen.space:
        _check_for_space(chosen)
        chosen.repo = chosen.space
    elif not chosen.model:
        parser.error("the following arguments are required: --model")
    validate_repo_id(chosen.repo)
    if "/" not in chosen.repo:
        raise ValueError(
            f"--{'space' if chosen.space else 'repo'} is {chosen.repo!r}, expected ORG/NAME or USER/NAME; put its owner before it."
        )
    if chosen.branch and chosen.pull_request:
        raise ValueError("--branch and --pull_request came together, expected one: pull requests go to main; drop one.")
    return chosen


def _check_for_space(chosen: argparse.Namespace) -> None:
    needless = [name for name in ("license", "data", "results") if getattr(chosen, name)]
    if needless:
        raise ValueError(
            f"--{needless[0]} came with --space, expected it with --repo: a Space has no weights of its own."
        )
    if chosen.model and (chosen.branch or chosen.pull_request):
        raise ValueError(
            "--model came with --branch or --pull_request, expected it without: the model that is shown is a setting of the "
            "whole Space; leave it out."
        )
    if chosen.model:
        validate_repo_id(chosen.model)
        if Path(chosen.model).exists() or "/" not in chosen.model:
            raise ValueError(
                f"--model is {chosen.model!r}, expected a repository that a Space can load; release it first."
            )


# Gathering -----------------------------------------------------------------------------------------------------------


def gather(chosen: argparse.Namespace, folder: Path, shard_size: str = SHARD_SIZE) -> None:
    """
    Writes all that is to be pushed into `folder`.

    Raises:
        ValueError: the directory holds no whole model, its licence is not known, or results or data are none.
    """
    model, processor = load(chosen.model)
    origin = Origin.of(Path(chosen.model))
    licence = licence_of(origin, chosen.license, chosen.model)
    if chosen.data or model.config.similarity_ranges is None:
        model.config.similarity_ranges = measure_ranges(model, processor, *_pairs(chosen.data))
    model.save_pretrained(folder, max_shard_size=shard_size)
    processor.save_pretrained(folder)
    write_example(folder / _EXAMPLE)
    check_embeds_alike(model, processor, folder)
    exports = [name for name in EXPORTS if (Path(chosen.model) / name).is_dir()]
    for name in exports:
        shutil.copytree(Path(chosen.model) / name, folder / name)
    card = make_card(chosen.repo, chosen.branch, model, processor, origin, licence, exports)
    card.save(folder / "README.md")
    (folder / "LICENSE").write_text(_licence_text(licence), encoding="utf-8")
    if origin.metrics is not None:
        shutil.copyfile(Path(chosen.model) / "metrics.json", folder / "metrics.json")
    if chosen.results:
        write_atomically(folder / "results.csv", _results(Path(chosen.results), chosen.model, chosen.repo).encode())


def load(name: str) -> tuple[GairModel, GairProcessor]:
    """
    The model, in evaluation mode and in the dtype it is saved in, and its processor.

    Raises:
        ValueError: no directory, or not all of a model's weights and settings.
    """
    if not (Path(name) / "config.json").is_file():
        raise ValueError(f"{name!r} is no directory with a config.json; pass what training or conversion wrote.")
    try:
        loaded: Any = GairModel.from_pretrained(name, dtype="auto", output_loading_info=True)
        processor = GairProcessor.from_pretrained(name)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"{name!r} holds no whole model: {first_line(error)}") from error
    model, info = loaded
    problems = [*info["missing_keys"], *info["unexpected_keys"], *info["mismatched_keys"]]
    if problems:
        raise ValueError(f"The weights in {name!r} do not fit its config, the first is {problems[0]}; save it again.")
    return model.eval(), processor


def _pairs(data: str | None) -> tuple[str, str]:
    """The data set that ranges are measured on, and what readers are told that it is."""
    if data in (None, SAMPLE_WORLD):
        return str(ensure_sample_dataset(WorldSettings())), "the sample world (procedural, not the Earth)"
    assert data is not None
    return data, f"`{Path(data).name if Path(data).exists() else data}`"


@torch.no_grad()
def check_embeds_alike(model: GairModel, processor: GairProcessor, folder: Path) -> None:
    """
    Loads what will be pushed as a stranger would, and embeds the example.

    Raises:
        ValueError: it does not embed as the model that it was made from.
    """
    released = AutoModel.from_pretrained(folder, dtype="auto", trust_remote_code=True).eval()
    read = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    example = np.load(folder / _EXAMPLE / "tile.npz", allow_pickle=False)
    embedded = []
    for network, prepare in ((model, processor), (released, read)):
        inputs = prepare(
            rs=example["pixels"],
            bands=example["bands"].tolist(),
            bounds=example["bounds"].tolist(),
            crs=str(example["crs"]),
            sv=str(folder / _EXAMPLE / "photo.jpg"),
            lon=LON,
            lat=LAT,
            return_tensors="pt",
        )
        embedded.append(network(**inputs))
    for name in ("rs_embeds", "localized_rs_embeds", "sv_embeds", "location_embeds"):
        if not torch.allclose(embedded[0][name], embedded[1][name], rtol=0, atol=_TOLERANCE):
            raise ValueError(f"{name} of what would be pushed differ from those of the model; nothing was sent.")


def _licence_text(licence: str) -> str:
    """What is under which licence, and the text of the code's."""
    weights = (
        "CC BY-NC 4.0, https://creativecommons.org/licenses/by-nc/4.0/" if licence == PUBLISHED_LICENCE else licence
    )
    head = f"The weights, and what is exported from them, are licensed under: {weights}\n"
    head += "The code (*.py) and the example are licensed under the Apache License 2.0:\n\n"
    return head + (ROOT / "LICENSE").read_text(encoding="utf-8")


def _results(path: Path, model: str, repo: str) -> str:
    """
    The rows of one model, under its name on the Hub.

    Raises:
        ValueError: no such file, or without rows of this model.
    """
    if not path.is_file():
        raise ValueError(f"--results is {str(path)!r}, expected results.csv of training/evaluate.py; check for a slip.")
    rows = [row | {"model_name": repo} for row in ResultsTable(path).rows if Path(row["model_name"]) == Path(model)]
    if not rows:
        raise ValueError(f"{str(path)!r} has no results of {model!r}; run training/evaluate.py --model {model} first.")
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


# Checking ------------------------------------------------------------------------------------------------------------


def check(folder: Path, local: Sequence[str]) -> None:
    """
    Whether exactly what belongs into a release is there, and nothing of the machine that it was made on.

    Args:
        folder (`Path`): the files.
        local (`Sequence[str]`): folders of this machine, which no file but the weights may name.

    Raises:
        ValueError: a file too many or too few, or one that names a local path.
    """
    files = _files(folder)
    for name in files:
        if not _ALLOWED.fullmatch(name):
            raise ValueError(f"{name!r} does not belong into a release; remove it from the model's directory.")
    missing = sorted(_NEEDED - set(files))
    if missing or not any(name.endswith(".safetensors") for name in files):
        raise ValueError(
            f"{', '.join(missing) or 'model.safetensors'} is missing in the release; save the model again."
        )
    check_names_no_path(folder, local)


def check_names_no_path(folder: Path, local: Sequence[str]) -> None:
    """A `ValueError` if a file, other than weights, names a path of this machine; `local` as in [`check`]."""
    for name, path in _files(folder).items():
        for found in _local_paths(path, local):
            raise ValueError(f"{name!r} names the local path {found!r}, expected none in a release; take it out.")


def _local_paths(path: Path, local: Sequence[str]) -> Iterator[str]:
    if path.suffix == ".safetensors":
        return
    content = path.read_bytes()
    yield from (place for place in local if place.encode() in content)
    if path.suffix in _TEXTS:
        yield from _LOCAL_PATH.findall(content.decode("utf-8"))


def listing(folder: Path) -> str:
    """The files with their sizes, and the sum."""
    sizes = {name: path.stat().st_size for name, path in _files(folder).items()}
    lines = [f"{size:>14,}  {name}" for name, size in sizes.items()]
    return "\n".join([*lines, f"{sum(sizes.values()):>14,}  bytes in {len(sizes)} files"])


def _files(folder: Path) -> dict[str, Path]:
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): path for path in paths}


# Pushing -------------------------------------------------------------------------------------------------------------


def push(chosen: argparse.Namespace, folder: Path) -> CommitInfo:
    """
    Sends all in one commit: it is there whole, or not at all. A Space keeps no file that `folder` lacks.

    Raises:
        ValueError: the Hub refuses, or can't be reached.
    """
    api, repo = HfApi(), chosen.repo
    kind, sdk, stale = ("space", "gradio", ["*"]) if chosen.space else ("model", None, _STALE)
    try:
        if not chosen.pull_request:
            api.create_repo(repo, repo_type=kind, space_sdk=sdk, private=chosen.private or None, exist_ok=True)
        if chosen.private and not api.repo_info(repo, repo_type=kind).private:
            raise ValueError(
                f"--private came, but {repo!r} exists and is public; make it private first, or leave it out."
            )
        if chosen.branch:
            api.create_branch(repo, branch=chosen.branch, repo_type=kind, exist_ok=True)
        if chosen.space and chosen.model:
            # Before the files, so that the page starts once, with its model.
            api.add_space_variable(repo, "GAIR_MODEL", chosen.model)
        return api.upload_folder(
            repo_id=repo,
            repo_type=kind,
            folder_path=folder,
            revision=chosen.branch,
            create_pr=chosen.pull_request,
            commit_message=f"Release by GAIR for Hugging Face {modeling_gair.__version__}",
            delete_patterns=stale,
        )
    except (HTTPError, OSError, RuntimeError) as error:
        # The client wraps what stopped the upload of a large file.
        cause = error.__cause__ if isinstance(error, RuntimeError) and error.__cause__ else error
        raise ValueError(f"{_refusal(cause, repo, api.endpoint)} Nothing was committed to {repo!r}.") from error


def _refusal(error: BaseException, repo: str, endpoint: str) -> str:
    status = error.response.status_code if isinstance(error, HfHubHTTPError) and error.response is not None else None
    if status in (401, 403) or isinstance(error, RepositoryNotFoundError):
        return (
            f"The Hub at {endpoint} does not let you write to {repo!r}, or there is none; run hf auth login, or set HF_TOKEN "
            "to a token that may."
        )
    if status is not None:
        return f"The Hub at {endpoint} refused the files: {first_line(error)}"
    return f"The connection to the Hub at {endpoint} failed ({first_line(error)}); run the same command again."
