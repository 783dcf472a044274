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
"""Running the code of the documentation's pages."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^(<!-- not run: [^\n]+ -->\n)?```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
# What code of a page may name, so that its folder looks like a clone.
_PARTS_OF_A_CLONE = ("training", "modeling_gair", "spaces_demo", "LICENSE", "model_card.md")


def blocks_of(page: Path) -> list[tuple[bool, str, str]]:
    """For each block of code: whether it is run, its language and its text."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(not excuse, language, text) for excuse, language, text in found if language != "text"]


def runnable(page: Path) -> list[tuple[str, str]]:
    return [(language, text) for run, language, text in blocks_of(page) if run]


def make_like_a_clone(folder: Path) -> None:
    """Links the parts of the repository that pages name into a folder."""
    for name in _PARTS_OF_A_CLONE:
        (folder / name).symlink_to(ROOT / name)


def run_blocks(blocks: list[tuple[str, str]], folder: Path, caches: Path) -> None:
    """
    Runs the Python of a page in this process, in one namespace, and its commands in turn, without a network. The working
    directory must be `folder`.
    """
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HF_HOME": str(caches),
        "HF_HUB_OFFLINE": "1",
        "MPLBACKEND": "Agg",
    }
    namespace: dict = {"__name__": "page"}
    for number, (language, text) in enumerate(blocks):
        if language == "python":
            exec(compile(text, f"block {number}", "exec"), namespace)
            continue
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"Block {number} ended with {done.returncode}:\n{done.stdout[-6000:]}"
