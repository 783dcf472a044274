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
Writes the land of the world, embedded by a model, beside its weights, so that a Space that shows the model need not compute it:

    python -m serving.release MODEL
"""

import sys
from pathlib import Path

from serving.model import load_model


def main(folder: str) -> None:
    """Embeds the land and writes it into the folder of the model."""
    load_model(folder).grids.release(Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
