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
"""Optional packages, versions and interpreters that some tests need."""

import importlib.util
import os
import sys

import pytest
import torch
import transformers
from packaging.version import Version

# This interpreter and those that `GAIR_OTHER_PYTHONS` names.
PYTHONS = [sys.executable, *filter(None, os.environ.get("GAIR_OTHER_PYTHONS", "").split(":"))]

needs_timm = pytest.mark.skipif(importlib.util.find_spec("timm") is None, reason="timm is not installed")
# `capture_outputs` of older releases can't be traced, in the library's own models either.
needs_traceable_library = pytest.mark.skipif(
    Version(transformers.__version__) < Version("5.17") or Version(torch.__version__) < Version("2.8"),
    reason="torch.compile(fullgraph=True) fails with transformers 5.4 and torch 2.6; versions between are untried",
)


def enable_gradient_checkpointing(model) -> None:
    """Enables it by the name that the installed transformers does not deprecate."""
    getattr(model, "activation_checkpointing_enable", model.gradient_checkpointing_enable)()
