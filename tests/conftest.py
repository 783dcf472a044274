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
"""Fixtures that several test files share."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each worker has a core. The libraries read this when they are first imported, as do the programs that tests start.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants

from modeling_gair import GairModel
from tests.helpers.hub_server import TOKEN, HubServer
from tests.helpers.models import pixel_model
from tests.helpers.shared import made_once, train_small_model, write_small_world

# Fixtures that are expensive to make and not shared between workers: the tests that use one run in the same worker.
_ONE_WORKER = ("two_processes", "published")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in _ONE_WORKER:
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(pytest.mark.xdist_group(name))


def _folder(variable: str, what: str) -> Path:
    folder = os.environ.get(variable)
    if not folder:
        pytest.skip(f"{variable} is not set: it names the folder with {what}")
    return Path(folder)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The small real data: two pairs, three unnamed UTM patches."""
    return _folder("GAIR_DATA_DIR", "real tiles and photos")


@pytest.fixture(scope="session")
def reference_dir() -> Path:
    """Inputs and outputs of the published implementation."""
    return _folder("GAIR_REFERENCE_DIR", "outputs of the published implementation")


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    """An empty Hub on the loopback, for processes started with its `environment`."""
    with HubServer() as server:
        yield server


@pytest.fixture
def here(hub, monkeypatch) -> None:
    """Makes this process use the loopback Hub, with its token."""
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@pytest.fixture(scope="session")
def small_world(tmp_path_factory) -> Path:
    """The folder of a small sample world, 48 + 16 tiles; made once a session."""
    return made_once(tmp_path_factory, "small-world", write_small_world)


@pytest.fixture(scope="session")
def trained_model(tmp_path_factory, small_world) -> Path:
    """The directory that a short run of `training/pretrain.py` on the small world left; made once a session."""
    return made_once(tmp_path_factory, "trained-model", lambda folder: train_small_model(folder, small_world))


@pytest.fixture(scope="session")
def two_processes(tmp_path_factory) -> Iterator[Any]:
    """A [`~tests.helpers.two_processes.TwoProcesses`]."""
    from tests.helpers.two_processes import TwoProcesses

    pool = TwoProcesses(tmp_path_factory.mktemp("two_processes"))
    yield pool
    pool.close()


@pytest.fixture(scope="session")
def tiny_model() -> GairModel:
    """
    A tiny model in evaluation mode; tests must not change it. NILI is drawn, so that it differs from bilinear, and so is what
    the pixels add.
    """
    return pixel_model()


@pytest.fixture(scope="session")
def served_model():
    """The model that the Space bundles, as its page loads it."""
    from serving.model import BUNDLED_MODEL, load_model

    return load_model(str(BUNDLED_MODEL))


def made_tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The deterministic weight that the reference outputs were computed with, by the tensor's published name."""
    generator = np.random.RandomState(zlib.crc32(name.encode()))
    drawn = torch.from_numpy(generator.standard_normal(int(np.prod(shape))).astype(np.float32)).reshape(shape)
    if name == "queue_ptr_location":
        return torch.zeros(shape, dtype=torch.int64)
    if name == "queue_for_location":
        return drawn
    if name == "logit_scale":
        return torch.tensor(1 / 0.07).log()
    if name.endswith(("norm.weight", "norm_out.weight")) or ("layernorm" in name and name.endswith("weight")):
        return 1 + 0.1 * drawn
    if name.endswith(".b"):
        return {"LocEnc0": 1, "LocEnc1": 16, "LocEnc2": 256}[name.split(".")[1]] * drawn
    if name.endswith(("bias", "cls_token", "position_embeddings", "query_feature")):
        return 0.02 * drawn
    return drawn / float(np.sqrt(np.prod(shape[1:])))
