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
"""Maps of classes from a few labelled places: probabilities for all rows, written as they are computed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from training.common.files import check_output_file, written_whole
from training.common.tables import local_path
from training.common.wording import counted
from training.embedding.outputs.rows import read_vectors
from training.searching.collection import VECTOR_COLUMNS, Collection, batches, open_collection, opened
from training.searching.dense_map import DenseMap
from training.searching.labels import Labels, read_labels
from training.searching.matching import Matches, match_rows
from training.searching.options import ClassifyOptions
from training.searching.regression import Classifier, fit_scaler

# Columns that describe the rows of the output; all others can be joined by id.
_KEPT = ("id", "geometry", "bbox", "lon", "lat", "datetime", "modality", "source")
_RASTER = ".tif"
# Rows of the picture.
_DRAWN = 50_000


def classify(options: ClassifyOptions) -> None:
    """
    Fits a regression to the labels, prints its held-out accuracy, and writes a map with a picture beside it.

    Raises:
        ValueError: the labels cannot be used, or there are no embeddings.
    """
    output = Path(options.output or "").expanduser()
    picture = output.with_suffix(".png")
    for path in (output, picture):
        check_output_file(path, [local_path(str(options.labels))], "pass another --output")
    labels = read_labels(str(options.labels), str(options.class_column))
    if output.suffix.lower() == _RASTER:
        _classify_cells(options.folder, output, picture, labels)
    else:
        _classify_rows(open_collection(options.folder), output, picture, labels, options.within_m)
    print(f"Written: {output}, {picture}")


def _classify_cells(folder: Path, output: Path, picture: Path, labels: Labels) -> None:
    # Here, since rows can be classified without rasterio and zarr.
    from training.searching.class_raster import draw_class_raster, fit_to_map, write_class_raster

    dense = DenseMap(folder)
    classifier = fit_to_map(dense, labels)
    print(accuracy_text(classifier, labels))
    write_class_raster(output, dense, classifier, labels.names)
    draw_class_raster(picture, output, labels)


def _classify_rows(collection: Collection, output: Path, picture: Path, labels: Labels, within_m: float) -> None:
    matches = match_rows(labels, _all_rows(collection, "Finding labels"), collection.dimension, within_m)
    _print_matches(labels, matches)
    scaler = fit_scaler(read_vectors(table) for table in _all_rows(collection, "Standardising", VECTOR_COLUMNS))
    classifier = Classifier(scaler, matches.vectors, labels)
    print(accuracy_text(classifier, labels))
    drawn, classes = _write_rows(output, collection, classifier, labels)
    from training.searching.map_figure import draw_classes

    draw_classes(picture, drawn, classes, labels.names, (labels.lon_lat, labels.classes))


def accuracy_text(classifier: Classifier, labels: Labels) -> str:
    """The number of labels and the spatially held-out accuracy of each class, as a table."""
    held_out = classifier.held_out
    counts = np.bincount(labels.classes)
    lines = [f"{'class':<24}{'labels':>8}{'held-out recall':>18}"]
    for number, name in enumerate(labels.names):
        recall = f"{held_out.recall(labels.classes, number):.0%}" if held_out else "-"
        lines.append(f"{name[:23]:<24}{counts[number]:>8}{recall:>18}")
    if held_out is None:
        lines.append(
            "Accuracy is not measured: the labels are too few, or lie too close together, to hold out places of each class; add labels, and "
            "spread them."
        )
    else:
        most = counts.max() / counts.sum()
        lines.append(
            f"Accuracy {held_out.accuracy(labels.classes):.0%} (always the commonest class: {most:.0%}), on {len(labels)} labels in "
            f"{held_out.blocks} blocks of {held_out.side_km:g} km, each predicted from labels in other blocks."
        )
    return "\n".join(lines)


def _all_rows(collection: Collection, title: str, columns: tuple[str, ...] = ()) -> Iterator[pa.Table]:
    """All rows, some at a time, with a progress bar; by default the columns that labels are matched by."""
    wanted = columns or ("id", "geometry", "lon", "lat", *VECTOR_COLUMNS)
    names = [name for name in wanted if name in collection.schema.names]
    with tqdm(total=_count(collection), desc=title, unit=" rows") as progress:
        for table in batches(collection, collection.files, names):
            if len(table):
                yield table
            progress.update(len(table))


def _count(collection: Collection) -> int:
    total = 0
    for path in collection.files:
        with opened(path) as file:
            total += file.metadata.num_rows
    return total


def _print_matches(labels: Labels, matches: Matches) -> None:
    print(
        f"{len(labels)} labels of {len(labels.names)} classes, in the footprint of their row or at most {matches.distance_m.max():,.0f} m from "
        "its place."
    )
    owners: dict[str, set[int]] = {}
    for name, own in zip(matches.ids.tolist(), labels.classes.tolist()):
        owners.setdefault(name, set()).add(own)
    mixed = [name for name, own in owners.items() if len(own) > 1]
    if mixed:
        print(
            f"Labels of several classes belong to {counted(len(mixed), 'row')}, first {mixed[0]!r}; each is used for its class."
        )


def _write_rows(
    output: Path, collection: Collection, classifier: Classifier, labels: Labels
) -> tuple[np.ndarray, np.ndarray]:
    """Writes the probabilities of all rows; returns lon, lat and the class of some of them for the picture."""
    kept = [field for field in collection.schema if field.name in _KEPT]
    names = [f"probability_{name}" for name in labels.names]
    found = [pa.field("predicted_class", pa.string()), pa.field("probability", pa.float32())]
    schema = pa.schema([*kept, *found, *(pa.field(name, pa.float32()) for name in names)])
    schema = schema.with_metadata(
        {"geo": json.dumps(_geo(collection)), "classification": json.dumps(_about(classifier, labels))}
    )
    columns = tuple(dict.fromkeys([*(field.name for field in kept), *VECTOR_COLUMNS]))
    step = max(_count(collection) // _DRAWN, 1)
    drawn: list[np.ndarray] = []
    classes: list[np.ndarray] = []
    with written_whole(output) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as writer:
        for table in _all_rows(collection, "Classifying", columns):
            probabilities = classifier.probabilities(read_vectors(table))
            best = probabilities.argmax(axis=1)
            predicted = pa.DictionaryArray.from_arrays(pa.array(best), pa.array(labels.names)).cast(pa.string())
            values = [predicted, probabilities.max(axis=1), *probabilities.T]
            arrays = [*(table.column(field.name) for field in kept), *map(pa.array, values)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            lon_lat = np.stack([table.column(axis).to_numpy() for axis in ("lon", "lat")], axis=1)
            drawn.append(lon_lat[::step])
            classes.append(best[::step])
    return np.concatenate(drawn), np.concatenate(classes)


def _geo(collection: Collection) -> dict[str, Any]:
    """GeoParquet's metadata, without the bounds of the single file that it is from."""
    geometry = {key: value for key, value in collection.geo["columns"]["geometry"].items() if key != "bbox"}
    # Other files may hold other kinds, which an empty list allows.
    return {**collection.geo, "columns": {"geometry": {**geometry, "geometry_types": []}}}


def _about(classifier: Classifier, labels: Labels) -> dict[str, Any]:
    """What the probabilities come from, for the footer."""
    held_out = classifier.held_out
    return {
        "method": "logistic regression on standardised embeddings",
        "classes": labels.names,
        "labels": np.bincount(labels.classes).tolist(),
        "strength": classifier.strength,
        "held_out_accuracy": held_out and held_out.accuracy(labels.classes),
        "held_out_blocks_km": held_out and held_out.side_km,
    }
