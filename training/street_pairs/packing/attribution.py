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
"""How photos are credited, as the terms of their sources ask."""

_NAMES = {"mapillary": "Mapillary", "kartaview": "KartaView"}
# Photos are made smaller, which these licences ask to be said.
_CHANGED = "resized"


def attribution_of(source: str | None, licence: str | None, creator: str | None) -> str | None:
    """
    The credit of a photo, such as "Photo from Mapillary, CC BY-SA 4.0, by @anna, resized".

    Args:
        source (`str`, *optional*), licence (`str`, *optional*), creator (`str`, *optional*): of the photo, as far as they are known.
    """
    name = _NAMES.get((source or "").lower(), source)
    parts = [f"Photo from {name}" if name else "Photo"]
    if licence:
        parts.append(licence)
    if creator:
        parts.append(f"by {'@' if name in _NAMES.values() else ''}{creator}")
    return ", ".join([*parts, _CHANGED]) if licence or creator else None
