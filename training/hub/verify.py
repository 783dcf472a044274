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
"""Checks the files of a release before anything is sent: complete, nothing else, no local paths, same embeddings."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModel, AutoProcessor

import modeling_gair
from modeling_gair import GairModel, GairProcessor
from training.common.models import use_writable_modules_cache
from training.hub.example import EXAMPLE, LAT, LON

# Only these files are pushed.
_ALLOWED = re.compile(
    r"model(-\d{5}-of-\d{5})?\.safetensors|model\.safetensors\.index\.json|config\.json|processor_config\.json|\w+_gair(_rs|_sv)?\.py"
    r"|README\.md|LICENSE|metrics\.json|provenance\.json|results\.csv|example/(photo\.jpg|tile\.tif|tile\.npz)"
    r"|(world|photos)-[0-9a-f]{8}\.npy"
    r"|onnx/[\w.-]+\.(onnx|onnx\.data|json)|sv_tower/[\w.-]+\.(safetensors|json)"
)
_CODE = {path.name for path in Path(modeling_gair.__file__).parent.glob("*_gair*.py")} - {"convert_gair_checkpoint.py"}
_REQUIRED = {"config.json", "processor_config.json", "README.md", "LICENSE", *_CODE}
_TEXT_SUFFIXES = (".json", ".md", ".csv", ".py")
# An absolute path of two components or more, on any system. After a letter, a dot or a slash it is part of a URL.
_LOCAL_PATH = re.compile(
    r"(?:file:/+|~/|\b[A-Za-z]:\\|(?<![\w.:/<>*})~-])/[A-Za-z][\w.-]*/)[\w.-][^\s\"'`,;)]*",
)
# Saved and loaded weights are bit-identical; embeddings may differ by the order of summation.
_TOLERANCE = 1e-5


def verify(folder: Path, local: Sequence[str]) -> None:
    """
    Checks that a folder holds exactly the files of a release, and that they name no local paths.

    Args:
        folder (`Path`): the files to publish.
        local (`Sequence[str]`): directories of this machine that no file except the weights may name.

    Raises:
        ValueError: an unexpected or missing file, or one that names a local path.
    """
    files = _files(folder)
    for name in files:
        if not _ALLOWED.fullmatch(name):
            raise ValueError(f"{name!r} is not part of a release; remove it from the model directory.")
    missing = sorted(_REQUIRED - set(files))
    if missing or not any(name.endswith(".safetensors") for name in files):
        raise ValueError(
            f"{', '.join(missing) or 'model.safetensors'} is missing from the release; save the model again."
        )
    check_no_local_paths(folder, local)


def check_no_local_paths(folder: Path, local: Sequence[str], leaving_out: Sequence[str] = ()) -> None:
    """
    Args:
        folder (`Path`), local (`Sequence[str]`): as in [`verify`].
        leaving_out (`Sequence[str]`): folders inside `folder` that are not published.

    Raises:
        ValueError: a file except the weights names a path of this machine.
    """
    for name, path in _files(folder).items():
        if name.split("/")[0] in leaving_out:
            continue
        for found in _local_paths(path, local):
            raise ValueError(f"{name!r} names the local path {found!r}; remove the path, then publish again.")


@torch.no_grad()
def check_same_embeddings(model: GairModel, processor: GairProcessor, folder: Path) -> None:
    """
    Loads the files to publish as users will, with the code beside the weights, and embeds the example.

    Args:
        model ([`GairModel`]), processor ([`GairProcessor`]): the originals.
        folder (`Path`): weights, code, processors and `example/`.

    Raises:
        ValueError: the embeddings differ from those of the original model.
    """
    use_writable_modules_cache()
    released = AutoModel.from_pretrained(folder, dtype="auto", trust_remote_code=True).eval()
    read = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    example = np.load(folder / EXAMPLE / "tile.npz", allow_pickle=False)
    embedded = []
    for network, prepare in ((model, processor), (released, read)):
        inputs = prepare(
            rs=example["pixels"],
            bands=example["bands"].tolist(),
            bounds=example["bounds"].tolist(),
            crs=str(example["crs"]),
            sv=str(folder / EXAMPLE / "photo.jpg"),
            lon=LON,
            lat=LAT,
            return_tensors="pt",
        )
        embedded.append(network(**inputs))
    for name in ("rs_embeds", "localized_rs_embeds", "sv_embeds", "location_embeds"):
        if not torch.allclose(embedded[0][name], embedded[1][name], rtol=0, atol=_TOLERANCE):
            raise ValueError(
                f"{name} of the files to publish differ from those of the model; nothing was pushed: save the model again."
            )


def list_files(folder: Path) -> str:
    """The files with their sizes in bytes, and the total, as text."""
    sizes = {name: path.stat().st_size for name, path in _files(folder).items()}
    lines = [f"{size:>14,}  {name}" for name, size in sizes.items()]
    return "\n".join([*lines, f"{sum(sizes.values()):>14,}  bytes in {len(sizes)} files"])


def _local_paths(path: Path, local: Sequence[str]) -> Iterator[str]:
    if path.suffix == ".safetensors":
        return
    content = path.read_bytes()
    yield from (place for place in local if place.encode() in content)
    if path.suffix in _TEXT_SUFFIXES:
        yield from _LOCAL_PATH.findall(content.decode("utf-8", errors="replace"))


def _files(folder: Path) -> dict[str, Path]:
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir())
    return {path.relative_to(folder).as_posix(): path for path in paths}
