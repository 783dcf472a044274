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
"""What ends the making of one photo or tile, but not of the others."""

from training.street_pairs.units import Failure


class Unusable(Exception):
    """
    An answer of a service, a photo or a scene cannot be used.

    Args:
        kind (`str`): a short name to count by, such as `"gone"` or `"cloudy"`.
        message (`str`): one sentence for readers, without tokens.
        permanent (`bool`): whether another try would end the same. If not, no other scene may take the place of one: the data set would
            depend on what failed in passing.
    """

    def __init__(self, kind: str, message: str, permanent: bool = True):
        super().__init__(message)
        self.kind, self.permanent = kind, permanent

    def failure(self, name: str) -> Failure:
        """What is noted of the photo, query or tile of that name."""
        return Failure(name, self.kind, self.permanent, str(self))


class UnusableScene(Unusable):
    """A scene is of no use for any tile."""
