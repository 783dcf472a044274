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
"""HTML that the legends of both kinds of map share."""

RAMP = (
    '<div class="gair-map-ramp"><canvas data-part="ramp" width="255" height="1" aria-hidden="true"></canvas>'
    '<div data-part="ticks"></div></div>'
)
UNIT = "<b>cosine similarity</b> (no unit; 1 = same direction)"
PALETTES = (
    '<label>Colours <select data-part="palette"><option value="cividis">cividis</option>'
    '<option value="viridis">viridis</option><option value="PuOr">purple–orange (only −1 to 1)</option></select></label>'
)
