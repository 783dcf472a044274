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
"""Gathers the files of a model's release in one folder."""

import csv
import io
import shutil
from pathlib import Path
from typing import Any

from modeling_gair import GairModel, GairProcessor
from modeling_gair.convert_gair_checkpoint import PROVENANCE
from training.benchmarks.results.table import COLUMNS, ResultsTable
from training.common.errors import reason
from training.common.files import write_atomically
from training.common.models import check_weights
from training.common.tables import local_path
from training.hub.card import make_card
from training.hub.example import EXAMPLE, write_example
from training.hub.options import ReleaseOptions
from training.hub.origin import PUBLISHED_LICENCE, Origin, licence_of
from training.hub.verify import check_same_embeddings
from training.measuring.similarity_ranges import measure_ranges, ranges_not_measured
from training.pairs.sources import HOLDOUT_FRACTION, open_source, public_name
from training.world.settings import SAMPLE_WORLD, WorldSettings
from training.world.writer import ensure_sample_dataset

ROOT = Path(__file__).parents[2]
# Larger weights are split into files of at most this size: what is sent again after a broken connection.
SHARD_SIZE = "2GB"
# Folders that `training/export.py` writes beside a model; published if they exist.
EXPORTS = ("onnx", "sv_tower")
SAMPLE_WORLD_NAME = "the sample world"


def gather(options: ReleaseOptions, folder: Path, shard_size: str = SHARD_SIZE) -> None:
    """
    Writes all files to publish into `folder`.

    Args:
        options ([`ReleaseOptions`]): of a model.
        folder (`Path`): is created.
        shard_size (`str`): largest weight file, such as `2GB`.

    Raises:
        ValueError: an incomplete model, an unknown licence, or invalid results or data.
    """
    assert options.model is not None
    directory = local_path(options.model)
    results = _results(Path(options.results), options.model, options.target) if options.results else None
    model, processor = load_strictly(str(directory))
    origin = Origin.of(directory, model)
    licence = licence_of(origin, options.license, options.model)
    if options.data or model.config.similarity_ranges is None:
        model.config.similarity_ranges = _similarity_ranges(model, processor, options)
    model.save_pretrained(folder, max_shard_size=shard_size)
    processor.save_pretrained(folder)
    write_example(folder / EXAMPLE)
    check_same_embeddings(model, processor, folder)
    exports = [name for name in EXPORTS if (directory / name).is_dir()]
    for name in exports:
        shutil.copytree(directory / name, folder / name)
    card = make_card(options.target, options.branch, model, processor, origin, licence, exports)
    card.save(folder / "README.md")
    (folder / "LICENSE").write_text(_licence_text(licence), encoding="utf-8")
    if origin.converted is not None:
        shutil.copyfile(directory / PROVENANCE, folder / PROVENANCE)
    if origin.metrics is not None:
        shutil.copyfile(directory / "metrics.json", folder / "metrics.json")
    if results is not None:
        write_atomically(folder / "results.csv", results.encode())


def load_strictly(name: str) -> tuple[GairModel, GairProcessor]:
    """
    Loads a model from a directory, strictly: in evaluation mode, in the dtype it was saved in, with its processor.

    Raises:
        ValueError: not a model directory, or some of its weights or settings are missing.
    """
    if not (Path(name) / "config.json").is_file():
        raise ValueError(
            f"{name!r} is not a directory with a config.json; pass a directory written by training/pretrain.py or by the "
            "converter."
        )
    try:
        loaded: Any = GairModel.from_pretrained(name, dtype="auto", output_loading_info=True)
        processor = GairProcessor.from_pretrained(name)
    # Damaged files raise errors of many kinds.
    except Exception as error:
        raise ValueError(
            f"The model in {name!r} is incomplete or damaged ({reason(error)}); save or download it again."
        ) from error
    model, info = loaded
    check_weights(model, info, name)
    return model.eval(), processor


def _similarity_ranges(model: GairModel, processor: GairProcessor, options: ReleaseOptions) -> dict[str, Any]:
    """The ranges for the config and the card, measured unless this is a dry run."""
    own = None if options.data in (None, SAMPLE_WORLD) else options.data
    called = SAMPLE_WORLD_NAME if own is None else f"`{public_name(own)}`"
    if not options.dry_run:
        return measure_ranges(model, processor, own or str(ensure_sample_dataset(WorldSettings())), called)
    if own is not None:
        # Finds what is wrong with the data, without reading pixels.
        open_source(own, HOLDOUT_FRACTION)
    print(f"Dry run: similarity ranges would be measured on held-out pairs of {called}; nothing is measured now.")
    return ranges_not_measured(called)


def _licence_text(licence: str) -> str:
    """The licences of the weights and the code, and the text of the latter."""
    weights = (
        "CC BY-NC 4.0, https://creativecommons.org/licenses/by-nc/4.0/" if licence == PUBLISHED_LICENCE else licence
    )
    head = f"The weights, and the files exported from them, are licensed under: {weights}\n"
    head += "The code (*.py) and the example are licensed under the Apache License 2.0:\n\n"
    return head + (ROOT / "LICENSE").read_text(encoding="utf-8")


def _results(path: Path, model: str, repo: str) -> str:
    """
    The results of one model as CSV, under its name on the Hub.

    Raises:
        ValueError: the file does not exist, or has no rows of this model.
    """
    if not path.is_file():
        raise ValueError(f"--results: file not found: {str(path)!r}; pass results.csv of training/evaluate.py.")
    rows = [row | {"model_name": repo} for row in ResultsTable(path).rows if Path(row["model_name"]) == Path(model)]
    if not rows:
        raise ValueError(f"{str(path)!r} has no results of {model!r}; run training/evaluate.py --model {model} first.")
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
