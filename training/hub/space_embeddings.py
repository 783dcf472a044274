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
"""The land of the world as the Space maps it and the photos of its gallery, embedded once and published with the model."""

import os
import subprocess
import sys
from pathlib import Path

from training.hub.options import SPACE


def write_space_embeddings(folder: Path) -> None:
    """
    Writes `world-*.npy`, the embeddings of land on a grid of one degree, and `photos-*.npy`, those of the photos of the bundled gallery,
    into the folder of a model, in float16.

    The Space's own code computes them, in a process of its own: its modules import each other as a lone folder does.

    Args:
        folder (`Path`): a complete model with its code.

    Raises:
        ValueError: if the Space cannot load the model.
    """
    command = [sys.executable, "-m", "serving.release", str(folder.resolve())]
    # In whatever precision a Space computes, what it reads is exact.
    environment = os.environ | {"PYTHONPATH": str(SPACE), "GAIR_PRECISION": "float32"}
    ran = subprocess.run(command, cwd=SPACE, env=environment, stderr=subprocess.PIPE)
    if ran.returncode:
        said = ran.stderr.decode(errors="replace").strip().splitlines() or ["it stopped without a message"]
        raise ValueError(
            f"The Space cannot embed the world and its photos with this model ({said[-1]}); check the model."
        )
