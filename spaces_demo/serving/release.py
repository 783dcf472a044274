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
"""
Embeds the land of the world and the photos of the bundled gallery by a model, and writes both beside its weights, so that a Space that
shows the model need not compute them:

    python -m serving.release MODEL
"""

import sys
from pathlib import Path

from serving.gallery import bundled_photos
from serving.model import load_model
from serving.released_photos import write_photos


def main(folder: str) -> None:
    """Embeds them and writes them into the folder of the model."""
    served = load_model(folder)
    served.grids.release(Path(folder))
    write_photos(Path(folder), served.fingerprint, bundled_photos(), served.photo)


if __name__ == "__main__":
    main(*sys.argv[1:])
