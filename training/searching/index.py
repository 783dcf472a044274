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
Search in embeddings, from Python:

    from training.searching.index import open_index

    index = open_index("OUT")
    hits = index.search(index.embed(photo="street.jpg"), top=5, bbox=(5, 45, 16, 55), where="modality = 'tile'")
    hits.table.to_pandas()
"""

import json
import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from training.common.boxes import check_box
from training.common.wording import counted
from training.embedding.job import recorded_path
from training.searching.build import INDEX_FOLDER
from training.searching.collection import Collection, is_unchanged, open_collection
from training.searching.hits import SearchHits
from training.searching.parts import INDEX, LAYOUT, ROW_NUMBER, Part, covered, keep_best, read_part_info

_Paths = str | os.PathLike | Sequence[str | os.PathLike]


def open_index(path: _Paths, model: str | None = None) -> "EmbeddingIndex":
    """
    Opens the index of one or several folders of embeddings.

    Args:
        path (`str`, `Path`, or a sequence of them): folders written by `training/embed.py` and indexed by
            `training/search.py index`, all by the same model.
        model (`str`, *optional*): directory or Hub repository of that model, if it is elsewhere now.

    Returns:
        [`EmbeddingIndex`]

    Raises:
        ValueError: there is no index, it is older than the embeddings, a folder is given twice, or the folders were embedded by
            different models.
    """
    paths = [path] if isinstance(path, (str, os.PathLike)) else list(path)
    if not paths:
        raise ValueError("No folder of embeddings is given, expected one or more; pass their paths.")
    folders = [Path(one).expanduser() for one in paths]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise ValueError(
            "A folder of embeddings is given twice, so that its rows would be found twice; name each folder once."
        )
    collections = [open_collection(folder) for folder in folders]
    first = collections[0]
    for other in collections[1:]:
        if other.fingerprint != first.fingerprint:
            raise ValueError(
                f"{str(first.folder)!r} was embedded by {first.model!r} ({first.fingerprint}) and {str(other.folder)!r} by "
                f"{other.model!r} ({other.fingerprint}), whose embeddings cannot be compared; search them one at a time."
            )
    parts = [part for collection in collections for part in _parts(collection)]
    return EmbeddingIndex(collections, parts, model or recorded_path(first.folder, "model") or first.model)


class EmbeddingIndex:
    """
    An open index, made by [`open_index`].

    Attributes:
        fingerprint (`str`): of the model whose embeddings it holds.
        dimension (`int`): D, the width of the embeddings.
        model (`str`): where the model is.
        columns (`list[str]`): columns of the rows, which `where` may name.
    """

    def __init__(self, collections: Sequence[Collection], parts: Sequence[Part], model: str):
        self.model, self.fingerprint, self.dimension = model, collections[0].fingerprint, collections[0].dimension
        self.columns = [name for name in parts[0].rows.column_names if name != ROW_NUMBER]
        self._folders = [str(collection.folder) for collection in collections]
        self._precision = collections[0].precision
        self._parts = parts

    def __len__(self) -> int:
        return sum(part.info.rows for part in self._parts)

    def search(
        self,
        vectors: Any,
        top: int = 10,
        bbox: Sequence[float] | None = None,
        where: str | None = None,
    ) -> SearchHits:
        """
        Finds the rows whose embeddings are most similar to one or several vectors.

        A filter decides first, and the rows that pass are compared exactly. Without one, parts of up to 200,000 rows are compared
        exactly, and larger ones by their FAISS index, whose candidates are compared again with their float16 vectors.

        Args:
            vectors (`np.ndarray` or `torch.Tensor` of shape `(D,)` or `(Q, D)`): of any length but zero.
            top (`int`): how many rows to find for each vector; fewer are found only if fewer pass the filter.
            bbox (west, south, east, north, *optional*): degrees; only rows whose lon, lat lies in the box.
            where (`str`, *optional*): only rows that meet this condition in SQL on their columns.

        Returns:
            [`SearchHits`]

        Raises:
            ValueError: the vectors have another width or no direction, or the filter cannot be used.
        """
        queries = _unit_queries(vectors, self.dimension)
        if isinstance(top, bool) or not isinstance(top, int) or top < 1:
            raise ValueError(f"top is {top!r}; expected a whole number of at least 1.")
        box = None if bbox is None else check_box(bbox)
        best = np.empty((len(queries), 0), np.float32)
        found = np.empty((len(queries), 0), np.int64)
        for part, first in zip(self._parts, self._firsts):
            rows = None if box is None and where is None else part.filter.selected(box, where)
            similarities, numbers = part.nearest(queries, top, rows)
            best, found = keep_best(
                np.concatenate([best, similarities], axis=1), np.concatenate([found, numbers + first], axis=1), top
            )
        return self._hits(best, found)

    def embed(
        self,
        photo: Any = None,
        tile: Any = None,
        place: Sequence[float] | None = None,
    ) -> np.ndarray:
        """
        The embedding `(D,)` of a photo, a tile, a place (lon, lat in degrees), or of a place in a tile, by the index's model.

        Raises:
            ValueError: the model is not the one that embedded the rows, or its processor refuses the input.
        """
        return self._encoder.embed(photo, tile, place)

    def vector_of(self, name: str) -> np.ndarray:
        """
        The direction `(D,)` of the row with an id.

        Raises:
            ValueError: no row has it, or several do.
        """
        found = [
            part.vectors[number].astype(np.float32)
            for part in self._parts
            for number in np.flatnonzero(pc.equal(part.rows.column("id"), name).to_numpy())
        ]
        if not found:
            raise ValueError(
                f"No row has the id {name!r} in {', '.join(self._folders)}; pass one of the column id, whole and with its case."
            )
        if len(found) > 1:
            raise ValueError(
                f"{len(found)} rows have the id {name!r} in {', '.join(self._folders)}, expected one; search one folder at a time, or by "
                "the place or the file of the row."
            )
        return found[0]

    def check_where(self, where: str) -> None:
        """
        Checks a condition for `search`.

        Raises:
            ValueError: it is no SQL, or names a column that a folder does not have.
        """
        for part in self._parts:
            part.filter.check(where)

    @cached_property
    def _encoder(self) -> Any:
        # Rows can be searched without PyTorch.
        from training.searching.queries import QueryEncoder

        return QueryEncoder(self.model, self.fingerprint, self._precision, self._folders[0])

    @cached_property
    def _firsts(self) -> np.ndarray:
        """The number of each part's first row among those of all parts."""
        return np.concatenate([[0], np.cumsum([part.info.rows for part in self._parts])[:-1]])

    def _hits(self, best: np.ndarray, found: np.ndarray) -> SearchHits:
        tables = []
        owners = np.searchsorted(self._firsts, found.ravel(), side="right") - 1
        positions = np.arange(found.size)
        order = []
        for number, part in enumerate(self._parts):
            own = positions[owners == number]
            if len(own):
                rows = found.ravel()[own] - self._firsts[number]
                tables.append(part.rows_at(rows))
                order.append(own)
        if not tables:
            tables, order = [self._parts[0].rows.slice(0, 0).drop_columns([ROW_NUMBER])], [positions]
        table = pa.concat_tables(tables, promote_options="permissive")
        if len(tables) > 1:
            table = table.take(pa.array(np.argsort(np.concatenate(order))))
        queries = np.repeat(np.arange(len(found), dtype=np.int32), found.shape[1])
        table = table.add_column(0, "similarity", pa.array(best.ravel(), pa.float32()))
        return SearchHits(table.add_column(0, "query", pa.array(queries)))


def _unit_queries(vectors: Any, dimension: int) -> np.ndarray:
    """Vectors as float32 rows of length 1."""
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().cpu().float().numpy()
    queries = np.atleast_2d(np.asarray(vectors, np.float32))
    if queries.ndim != 2 or queries.shape[1] != dimension or not len(queries):
        raise ValueError(
            f"The vectors have shape {np.shape(vectors)}, expected ({dimension},) or (Q, {dimension}); embed them with the index's model."
        )
    lengths = np.linalg.norm(queries, axis=1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise ValueError("A vector is zero or not finite, so it has no direction; pass an embedding.")
    return queries / lengths


def _parts(collection: Collection) -> list[Part]:
    """
    The parts of a folder's index, of the files as they are now.

    Raises:
        ValueError: there is no index, or it is older than the embeddings.
    """
    folder = collection.folder / INDEX_FOLDER
    command = f"run training/search.py index {collection.folder}"
    try:
        about = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        layout, fingerprint, names = (about[key] for key in ("layout", "fingerprint", "parts"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(collection.folder)!r} has no index; {command}.") from error
    infos = [read_part_info(folder / name) for name in names]
    known = [info for info in infos if info is not None]
    if layout != LAYOUT or len(known) < len(infos):
        raise ValueError(f"The index of {str(collection.folder)!r} is of another version or incomplete; {command}.")
    states = covered(known)
    changed = [path.name for path in collection.files if not is_unchanged(path, states.pop(path.name, {"bytes": -1}))]
    changed += states
    if changed or fingerprint != collection.fingerprint:
        raise ValueError(
            f"The index of {str(collection.folder)!r} is older than its embeddings, or of others (of {counted(len(changed), 'file')} that differ "
            f"the first is {changed[0] if changed else 'job.json'}); {command}."
        )
    return [Part(folder / name, info) for name, info in zip(names, known)]
