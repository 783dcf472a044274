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
import pytest

pytest.importorskip("rasterio", reason="the extra train is not installed")

from training.world.rows import SAMPLE_FEATURES


def test_the_card_has_the_command_and_all_columns(folder):
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "Contains modified Copernicus Climate Change Service information" in " ".join(card.split())
    assert (
        "--output DIR --seed 0 --version 2 --tiles 6 --photos 2 --held_out_tiles 3 --held_out_photos 4 --files\n"
        in card
    )
    assert all(f"`{column}`" in card for column in SAMPLE_FEATURES)
