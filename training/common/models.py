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

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import AutoModel, AutoProcessor, dynamic_module_utils
from transformers.utils import logging

from modeling_gair import GairModel, GairProcessor
from training.common.errors import reason
from training.common.files import check_writable, temporary_directory
from training.common.precision import Precision, compute_in
from training.common.tables import local_path

# Tags of every GAIR model on the Hub.
MODEL_TAGS = ("geospatial", "remote-sensing", "street-view", "sentinel-2", "location-encoder")
# Folders that live as long as the process.
_modules: list[TemporaryDirectory] = []


def load_gair(
    name: str, device: torch.device | str = "cpu", precision: Precision = "float32"
) -> tuple[GairModel, GairProcessor]:
    """
    Load a model, in evaluation mode, and its processor through the Auto classes.

    Args:
        name (`str`): a local directory or the id of a Hub repository.
        device (`torch.device` or `str`): device of the model.
        precision (`str`): in which its towers multiply; see [`compute_in`].

    Raises:
        ValueError: the model is not found or cannot be loaded, or some of its weights are missing or not finite.
    """
    use_writable_modules_cache()
    name = str(local_path(name))
    try:
        with _quietly():
            loaded: Any = AutoModel.from_pretrained(name, trust_remote_code=True, output_loading_info=True)
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
    model, found = loaded
    check_weights(model, found, name)
    compute_in(model, precision)
    return model.to(device).eval(), processor


@contextmanager
def _quietly() -> Iterator[None]:
    """Without transformers' bar and remarks: what could be wrong with the weights is checked, and nothing else concerns users."""
    verbosity, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if has_bars:
            logging.enable_progress_bar()


def check_weights(model: torch.nn.Module, found: Mapping[str, Any], name: str) -> None:
    """
    Checks that a model has all its weights, since transformers would take random ones for those that are missing.

    Args:
        model (`torch.nn.Module`): the model.
        found (`Mapping`): transformers' loading info.
        name (`str`): the model, for messages.

    Raises:
        ValueError: the weights in the files are not those of the config, or not finite.
    """
    problems = [*found["missing_keys"], *found["unexpected_keys"], *found["mismatched_keys"]]
    if problems:
        raise ValueError(f"The weights in {name!r} do not match its config, first {problems[0]}; save the model again.")
    for weight, values in model.state_dict().items():
        if values.is_floating_point() and not torch.isfinite(values).all():
            raise ValueError(
                f"The weights in {name!r} are not finite, first {weight}; train or download the model again."
            )


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
