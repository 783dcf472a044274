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
Remakes the picture of docs/query.md, readings of the same tiles, from a run of `training/pretrain.py` on the sample world:

    python -m tests.end_to_end.query_picture outputs/pretrain query.png
"""

import sys
from pathlib import Path

from transformers import AutoModel, AutoProcessor

from training.measuring.embeddings import draw_readings, evaluation_pairs
from training.pairs.sources import open_source
from training.world.settings import WorldSettings
from training.world.writer import ensure_sample_dataset

# What stands above the maps, and how the tile is read there.
READINGS = {
    "Tokens, interpolated\n(bilinear)": ("bilinear", False),
    "Tokens, by NILI": ("nili", False),
    "NILI and 5 × 5 pixels": ("nili", True),
}
_TILES = 3


def main(run: Path, path: Path) -> None:
    """Draws the first held-out tiles of the sample world with the first photo of each, so that none is picked for its looks."""
    model = AutoModel.from_pretrained(run, trust_remote_code=True).eval()
    processor = AutoProcessor.from_pretrained(run, trust_remote_code=True)
    window = model.config.pixel_window
    if window != 5 or model.config.query_mode != "nili":
        raise ValueError(
            f"{str(run)!r} reads {window} × {window} pixels beside {model.config.query_mode!r}; expected the main job."
        )
    world = ensure_sample_dataset(WorldSettings())
    _, pairs = evaluation_pairs([open_source(str(world), 0.0)], processor, _TILES, _TILES)
    title = f"The first {_TILES} held-out tiles, read by one model in three ways"
    draw_readings(model, processor, next(iter(pairs)), path, title, READINGS)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
