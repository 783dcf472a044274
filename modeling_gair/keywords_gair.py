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
"""Keyword arguments: unknown ones are refused with the nearest known name, since they would have no effect."""

import difflib
import inspect
from collections.abc import Callable, Collection, Iterable
from typing import Any

# What transformers and its pipelines pass on when a processor is loaded. Names that start with _ are transformers' own too.
LOADING_KEYWORDS = frozenset(
    [
        "adapter_kwargs",
        "backend",
        "cache_dir",
        "code_revision",
        "config",
        "device_map",
        "dtype",
        "force_download",
        "image_processor_filename",
        "local_files_only",
        "proxies",
        "resume_download",
        "return_unused_kwargs",
        "revision",
        "subfolder",
        "token",
        "torch_dtype",
        "trust_remote_code",
        "use_auth_token",
        "use_fast",
        "user_agent",
    ]
)
# What transformers stores beside a processor's settings.
SAVED_KEYWORDS = frozenset(
    ["auto_map", "feature_extractor_type", "image_processor_type", "processor_class", "transformers_version"]
)
# Switches of transformers' outputs, and what its Trainer passes to the forward method.
FORWARD_KEYWORDS = frozenset(["num_items_in_batch", "output_attentions", "output_hidden_states", "return_dict"])


def refuse_unknown(
    given: Iterable[str], known: Collection[str], owner: str, also: Collection[str] = frozenset()
) -> None:
    """
    Refuses unknown keyword arguments; names that start with _ are left to transformers.

    Args:
        given (`Iterable[str]`): names that were passed.
        known (`Collection[str]`): names that are taken.
        owner (`str`): what takes the arguments, for the message.
        also (`Collection[str]`): names that transformers may pass, which are taken but not suggested.

    Raises:
        ValueError: a name is unknown; the message suggests the nearest known one.
    """
    for name in given:
        if name not in known and name not in also and not name.startswith("_"):
            near = nearest(name, known, 0.7)
            hint = f"did you mean {near!r}?" if near else f"expected {', '.join(sorted(known)) or 'none'}."
            raise ValueError(f"{owner} takes no argument {name!r}, which would have no effect: {hint}")


def refuse_misspelt(given: Iterable[str], known: Collection[str], owner: str) -> None:
    """
    Refuses names that are nearly, but not quite, known ones. Others pass: they may be settings of another version, or what
    transformers stores in every config.

    Args:
        given (`Iterable[str]`): names that were passed, without known ones.
        known (`Collection[str]`): names that are taken.
        owner (`str`): what takes the settings, for the message.

    Raises:
        ValueError: a name resembles a known one.
    """
    for name in given:
        near = nearest(name, known, 0.8)
        if near is not None:
            raise ValueError(f"{owner} has no setting {name!r}, which would have no effect: did you mean {near!r}?")


def names_of(function: Callable) -> frozenset[str]:
    """Names of a function's arguments, without `self`, `*args` and `**kwargs`."""
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(function).parameters
    return frozenset(name for name, parameter in parameters.items() if parameter.kind not in kinds) - {"self"}


def nearest(name: str, known: Collection[str], similarity: float) -> str | None:
    """The known name that resembles `name` most, or None if none is as similar as `similarity` (0 to 1)."""
    return next(iter(difflib.get_close_matches(name, sorted(known), n=1, cutoff=similarity)), None)


def not_none(arguments: dict[str, Any]) -> list[str]:
    """Names of the arguments that are not None: wrappers such as PEFT's pass None for all that a model might take."""
    return [name for name, value in arguments.items() if value is not None]


__all__ = ["refuse_misspelt", "refuse_unknown"]
