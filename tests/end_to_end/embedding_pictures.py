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
Remakes the pictures of docs/embedding.md with the model that the Space bundles, and prints the shares that the page states:

    python -m tests.end_to_end.embedding_pictures
"""

from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from PIL import Image

from tests.helpers.pages import ROOT, make_like_a_clone, run_blocks, runnable
from training.search import main as search
from training.world.earth.koppen import CLIMATE_ZONES
from training.world.sample_world import SampleWorld

IMAGES = ROOT / "docs" / "images"
_MODEL = ROOT / "spaces_demo" / "model"
_BERLIN, _SIMILAR = "13.4132,52.5219", 300
_LABELS_A_CLIMATE = 10
_WIDTH = 900


def main() -> None:
    """Draws all in a folder of its own."""
    # The page's code runs in the folder that it writes to.
    with TemporaryDirectory() as scratch, chdir(scratch):
        folder = Path(scratch)
        make_like_a_clone(folder)
        land_pictures(folder)
        scene_picture(folder)


def land_pictures(folder: Path) -> None:
    """The land in cells of 100 km: its colours, what is like Berlin, and climates from fifty labels."""
    land = _embedded(folder, "land", "--input", "grid:100km")
    _drawing(land / "preview.png", "embedded_land.png")
    search(["index", str(land)])
    hits = folder / "hits.png"
    search(["query", str(land), "--place", _BERLIN, "--top", str(_SIMILAR), "--output", str(hits)])
    _drawing(hits, "search_hits.png")
    cells = pq.read_table(land / "embeddings", columns=["id", "lon", "lat"]).to_pandas()
    cells["climate"] = np.array(CLIMATE_ZONES)[SampleWorld().labels(cells.lon, cells.lat)["climate_zone"]]
    labels = cells.groupby("climate").sample(_LABELS_A_CLIMATE, random_state=0)
    labels.to_csv(folder / "labels.csv", index=False)
    output = folder / "climates.parquet"
    search(
        [
            "classify",
            str(land),
            "--labels",
            str(folder / "labels.csv"),
            "--class_column",
            "climate",
            "--output",
            str(output),
        ]
    )
    _drawing(output.with_suffix(".png"), "classified_climates.png")
    found = pd.read_parquet(output, columns=["id", "predicted_class"]).merge(cells, on="id")
    print(f"Of all {len(found):,} cells, {(found.predicted_class == found.climate).mean():.0%} are right.")


def scene_picture(folder: Path) -> None:
    """The scene that the page makes, as a dense map."""
    made = [block for block in runnable(ROOT / "docs" / "embedding.md") if "raster.write(scene)" in block[1]]
    run_blocks(made, folder, folder / "caches")
    scene = _embedded(folder, "map", "--input", str(folder / "scene.tif"), "--what", "pixels", "--resolution_m", "40")
    with Image.open(scene / "preview.png") as picture:
        picture = picture.convert("RGB")
        picture.thumbnail((_WIDTH, _WIDTH))
        picture.save(IMAGES / "embedded_scene.jpg", optimize=True, quality=82)


def _embedded(folder: Path, name: str, *flags: str) -> Path:
    from training.embed import main as embed

    output = folder / name
    embed(["--model", str(_MODEL), *flags, "--output", str(output)])
    return output


def _drawing(source: Path, name: str) -> None:
    """Copies a drawing; in fewer colours, land and sea would look alike."""
    with Image.open(source) as picture:
        picture.convert("RGB").save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()
