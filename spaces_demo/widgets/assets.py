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
"""The JavaScript and CSS files beside the widgets."""

from pathlib import Path

_FOLDER = Path(__file__).parent


def read_asset(name: str) -> str:
    """The text of a file in this folder."""
    return (_FOLDER / name).read_text(encoding="utf-8")


# Loaded once with the page, before any widget.
HEAD = f"<script>const GAIR_LAND = {read_asset('land.json')};</script>\n" + "\n".join(
    f"<script>{read_asset(name)}</script>" for name in ("shared.js", "map.js", "tile.js")
)
CSS_PATHS = [_FOLDER / "map.css"]
