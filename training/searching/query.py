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
"""A search from the command line: embeds the query, prints what is found, and writes it."""

from pathlib import Path

import pyarrow.compute as pc

from training.common.files import check_output_file
from training.common.wording import counted
from training.searching.hits import SearchHits
from training.searching.index import EmbeddingIndex, open_index
from training.searching.options import QueryOptions

_MAP = ".png"


def run_query(options: QueryOptions) -> None:
    """
    Searches, prints a table and writes the files.

    Raises:
        ValueError: the index, the query or the filter cannot be used, or a file cannot be written.
    """
    index = open_index(options.out, options.model)
    outputs = [Path(path).expanduser() for path in options.output]
    inputs = [Path(path).expanduser() for path in (options.photo, options.tile) if path is not None]
    for path in outputs:
        check_output_file(path, inputs, "pass another --output")
    if options.where is not None:
        index.check_where(options.where)
    hits = _search(index, options)
    print(_found_text(options, len(hits), len(index)))
    if len(hits):
        print(hits.to_text())
    for path in outputs:
        if path.suffix.lower() == _MAP:
            # Here, since matplotlib takes long to import.
            from training.searching.map_figure import draw_hits

            draw_hits(path, hits, f"Most similar to {_query_text(options)}", options.lon_lat)
        else:
            hits.write(path)
        print(f"Written: {path}")


def _search(index: EmbeddingIndex, options: QueryOptions) -> SearchHits:
    if options.like is None:
        vector = index.embed(options.photo, options.tile, options.lon_lat)
        return index.search(vector, options.top, options.box, options.where)
    # The row itself is no answer.
    hits = index.search(index.vector_of(options.like), options.top + 1, options.box, options.where)
    others = hits.table.filter(pc.not_equal(hits.table.column("id"), options.like))
    return SearchHits(others.slice(0, options.top))


def _found_text(options: QueryOptions, found: int, rows: int) -> str:
    if not found:
        return f"None of {counted(rows, 'row')} is found{_filter_text(options)}."
    return f"The {found:,} most similar of {counted(rows, 'row')} to {_query_text(options)}{_filter_text(options)}:"


def _query_text(options: QueryOptions) -> str:
    parts = [
        options.photo and f"the photo {Path(options.photo).name}",
        options.tile and f"the tile {Path(options.tile).name}",
        options.place and f"the place {options.place}",
        options.like and f"the row {options.like}",
    ]
    return " at ".join(part for part in parts if part)


def _filter_text(options: QueryOptions) -> str:
    filters = [options.bbox and f"in {options.bbox}", options.where and f"where {options.where}"]
    return "".join(f", {part}" for part in filters if part)
