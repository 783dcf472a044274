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
"""Loading a GAIR model from a directory or the Hub."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoModel, AutoProcessor, dynamic_module_utils

from modeling_gair import GairModel, GairProcessor
from training.common.errors import reason
from training.common.files import check_writable, temporary_directory
from training.common.tables import local_path

# Tags of every GAIR model on the Hub.
MODEL_TAGS = ("geospatial", "remote-sensing", "street-view", "sentinel-2", "location-encoder")
# Folders that live as long as the process.
_modules: list[TemporaryDirectory] = []


def load_gair(name: str, device: torch.device | str = "cpu") -> tuple[GairModel, GairProcessor]:
    """
    Load a model, in evaluation mode, and its processor through the Auto classes.

    Args:
        name (`str`): a local directory or the id of a Hub repository.
        device (`torch.device` or `str`): device of the model.

    Raises:
        ValueError: the model is not found or cannot be loaded.
    """
    use_writable_modules_cache()
    name = str(local_path(name))
    try:
        model: Any = AutoModel.from_pretrained(name, trust_remote_code=True)
        processor = AutoProcessor.from_pretrained(name, trust_remote_code=True)
    # Damaged files raise errors of many kinds.
    except Exception as error:
        if (Path(name) / "config.json").is_file():
            raise ValueError(
                f"The model in {name!r} cannot be loaded ({reason(error)}); save or download it again."
            ) from error
        raise ValueError(
            f"Model {name!r} not found ({reason(error)}); train one with training/pretrain.py, or pass a directory or a Hub "
            "repository as --model."
        ) from error
    return model.to(device).eval(), processor


def use_writable_modules_cache() -> None:
    """
    Makes sure that transformers can import the code beside weights, which it first copies to `$HF_MODULES_CACHE`. If nothing
    can be written there, a temporary folder takes its place.

    Raises:
        ValueError: there is no temporary folder either.
    """
    folder = Path(dynamic_module_utils.HF_MODULES_CACHE)
    try:
        check_writable(folder, "a temporary folder takes its place")
    except ValueError:
        _modules.append(temporary_directory("gair-modules-"))
        dynamic_module_utils.HF_MODULES_CACHE = _modules[-1].name
