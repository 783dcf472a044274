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
"""Why a scene cannot be used for a tile."""


class Unusable(Exception):
    """
    A scene cannot be used.

    Args:
        kind (`str`): a short name to count by, such as `"cloudy"`.
        message (`str`): one sentence.
        permanent (`bool`): whether another try would end the same. If not, no other scene may take its place: the data set would
            depend on what failed in passing.
        whole_scene (`bool`): whether it is of no use for any tile.
    """

    def __init__(self, kind: str, message: str, permanent: bool = True, whole_scene: bool = False):
        super().__init__(message)
        self.kind, self.permanent, self.whole_scene = kind, permanent, whole_scene
