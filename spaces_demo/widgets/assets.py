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
"""The scripts, styles and outlines that the page loads, served as files of this folder."""

from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import gradio as gr

_FOLDER = Path(__file__).parent
_GEOGRAPHY = _FOLDER.parent / "geography"
_SCRIPTS = [_FOLDER / "vendor" / "leaflet" / "leaflet.js"] + [
    _FOLDER / f"{name}.js"
    for name in ("shared", "address", "geography", "search", "asked", "map_picture", "map_legend", "map", "tile")
]
_STYLES = [_FOLDER / "vendor" / "leaflet" / "leaflet.css"]
_DATA = [_GEOGRAPHY / "land.json", _GEOGRAPHY / "places.json"]


def read_asset(name: str) -> str:
    """The text of a file in this folder."""
    return (_FOLDER / name).read_text(encoding="utf-8")


@lru_cache
def _version() -> str:
    """Changes with any of the files, so that browsers may keep them."""
    digest = sha256()
    for path in _SCRIPTS + _STYLES + _DATA:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _address(path: Path) -> str:
    """The address of a file, relative to the page, so that it holds behind any proxy."""
    return f"gradio_api/file={path.as_posix()}?v={_version()}"


gr.set_static_paths([*_SCRIPTS, *_STYLES, *_DATA])
# The `head` of each component that needs the scripts: Gradio loads them once, before the component's own script runs. It
# does not wait for scripts in the head of the page.
HEAD = "\n".join(
    [f'<link rel="stylesheet" href="{_address(path)}">' for path in _STYLES]
    + [f'<script src="{_address(path)}"></script>' for path in _SCRIPTS]
)
CSS_PATHS = [_FOLDER / "map.css", _FOLDER / "page.css"]
