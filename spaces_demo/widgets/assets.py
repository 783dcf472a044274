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
"""The scripts, styles and outlines that the page loads, each at an address that changes with its content."""

from functools import cache
from hashlib import sha256
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from serving.picture_route import FOR_GOOD

_FOLDER = Path(__file__).parent
_GEOGRAPHY = _FOLDER.parent / "geography"
_SCRIPTS = [_FOLDER / "vendor" / "leaflet" / "leaflet.js"] + [
    _FOLDER / f"{name}.js"
    for name in (
        "shared",
        "requests",
        "messages",
        "address",
        "geography",
        "search",
        "asked",
        "map_picture",
        "map_legend",
        "map",
        "tile",
        "coloured",
        "results",
        "radios",
    )
]
_STYLES = [_FOLDER / "vendor" / "leaflet" / "leaflet.css"]
_FILES = {path.name: path for path in [*_SCRIPTS, *_STYLES, _GEOGRAPHY / "land.json", _GEOGRAPHY / "places.json"]}


def read_asset(name: str) -> str:
    """The text of a file in this folder."""
    return (_FOLDER / name).read_text(encoding="utf-8")


@cache
def _version() -> str:
    """Changes with any of the files, so that browsers may keep them for good."""
    digest = sha256()
    for path in _FILES.values():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _address(path: Path) -> str:
    """The address of a file, relative to the page's, so that it holds behind any proxy."""
    return f"files/{_version()}/{path.name}"


def _send(request: Request) -> Response:
    path = _FILES.get(request.path_params["name"])
    # A page of an earlier version asks for files that are no more.
    if path is None or request.path_params["version"] != _version():
        return Response(status_code=404)
    return FileResponse(path, headers=FOR_GOOD)


ROUTES = [Route("/files/{version}/{name}", _send)]
# The `head` of each component that needs the scripts: Gradio loads them once, before the component's own script runs. It
# does not wait for scripts in the head of the page.
HEAD = "\n".join(
    [f'<link rel="stylesheet" href="{_address(path)}">' for path in _STYLES]
    + [f'<script src="{_address(path)}"></script>' for path in _SCRIPTS]
)
CSS_PATHS = [_FOLDER / "map.css", _FOLDER / "page.css"]
