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
The catalogue of a job: a STAC collection and an item for each file, with the embeddings extension, whose version is written in
one place, here, since it is a proposal still.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import modeling_gair
from training.common.files import write_atomically
from training.embedding.job import Job
from training.embedding.maps.plan import MapPlan
from training.embedding.outputs.extent import Extent
from training.embedding.outputs.map_values import cell_size_m

EXTENSION = "https://stac-extensions.github.io/embeddings/v0.0.1/schema.json"
_STAC_VERSION = "1.0.0"
_COLLECTION, ITEMS = "collection.json", "items"
_MEDIA_TYPES = {
    ".parquet": ("application/vnd.apache.parquet", "GeoParquet"),
    ".zarr": ("application/vnd.zarr; version=3", "Zarr"),
    ".tif": ("image/tiff; application=geotiff; profile=cloud-optimized", "cloud-optimised GeoTIFF"),
}
_WORLD = [-180.0, -90.0, 180.0, 90.0]
_ABOUT = {
    "places": "Embeddings of places by their longitude and latitude alone; geometries are points.",
    "photos": "Embeddings of street-level photos; geometries are points.",
    "tiles": "Embeddings of Sentinel-2 tiles; geometries are footprints.",
    "points": "Embeddings of points in Sentinel-2 tiles; geometries are points.",
    "chips": "Embeddings of windows of a Sentinel-2 raster; geometries are footprints.",
    "pixels": "A dense map of embeddings of a Sentinel-2 raster.",
    "tiles+points": "Embeddings of Sentinel-2 tiles, whose geometries are footprints, and of points in them.",
}


def footer_of(job: Job) -> dict[str, Any]:
    """The key `emb` of a file's footer: the extension's fields, and what a reader needs to embed queries alike."""
    fields: dict[str, Any] = {
        **_emb_fields(job),
        "model": job.model,
        "revision": job.revision,
        "fingerprint": job.fingerprint,
        "processor": job.processor,
        "precision": job.precision,
        "normalised": False,
    }
    quantization = quantization_of(job)
    return fields | ({"emb:quantization": quantization} if quantization else {})


def quantization_of(job: Job) -> dict[str, Any] | None:
    """The extension's `emb:quantization`; None for float32."""
    scales = "each cell in scales" if "map" in job.details else "each row in the column embedding_scale"
    methods = {"int8": f"linear, with a scale for {scales}: value = int8 x scale", "float16": "rounded"}
    if job.dtype not in methods:
        return None
    return {"method": methods[job.dtype], "original_dtype": "float32", "quantized_dtype": job.dtype}


def write_catalogue(
    output: Path, job: Job, extents: Sequence[Extent], files: Sequence[Path], licence: str | None
) -> None:
    """
    Writes `collection.json` and `items/*.json`.

    Args:
        output (`Path`): the folder of the job.
        job ([`Job`]): the job.
        extents (`Sequence[Extent]`), files (`Sequence[Path]`): what each file covers, and the files.
        licence (`str`, *optional*): of the embeddings.
    """
    (output / ITEMS).mkdir(exist_ok=True)
    filled = [(extent, path) for extent, path in zip(extents, files) if extent.rows]
    for extent, path in filled:
        write_atomically(output / ITEMS / f"{path.stem}.json", json.dumps(_item(job, extent, path, output), indent=2))
    boxes = [list(extent.bbox) for extent, _ in filled]
    whole = [f(side) for f, side in zip((min, min, max, max), zip(*boxes))] if boxes else _WORLD
    times = [when for extent, _ in filled for when in (extent.start, extent.end) if when is not None]
    interval = [_text(min(times)), _text(max(times))] if times else [job.planned, job.planned]
    collection = {
        "type": "Collection",
        "stac_version": _STAC_VERSION,
        "stac_extensions": [EXTENSION],
        "id": _id(output),
        "title": f"Embeddings of {job.input}",
        "description": f"{_ABOUT[job.what]} Made by {job.model}; raw, not normalised.",
        "license": licence or "proprietary",
        "extent": {"spatial": {"bbox": [whole]}, "temporal": {"interval": [interval]}},
        **_emb_fields(job),
        "links": [
            _link("root", "./collection.json"),
            *(_link("item", f"./{ITEMS}/{path.stem}.json", "application/geo+json") for _, path in filled),
            *_emb_links(job, "."),
        ],
    }
    write_atomically(output / _COLLECTION, json.dumps(collection, indent=2))


def _item(job: Job, extent: Extent, path: Path, output: Path) -> dict[str, Any]:
    west, south, east, north = extent.bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    quantization = quantization_of(job)
    known = extent.start is not None and extent.end is not None
    when: dict[str, Any] = {"datetime": job.planned}
    if known:
        when = {"datetime": None, "start_datetime": _text(extent.start), "end_datetime": _text(extent.end)}
    return {
        "type": "Feature",
        "stac_version": _STAC_VERSION,
        "stac_extensions": [EXTENSION],
        "id": path.stem,
        "collection": _id(output),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": list(extent.bbox),
        "properties": {
            **when,
            "processing:datetime": job.planned,
            "processing:version": modeling_gair.__version__,
            "emb:runtime_parameters": {**job.options, "rows": extent.rows, "model_fingerprint": job.fingerprint},
            **({"emb:quantization": quantization} if quantization else {}),
        },
        "links": [
            _link("root", "../collection.json"),
            _link("parent", "../collection.json"),
            _link("collection", "../collection.json"),
            *_emb_links(job, ".."),
        ],
        "assets": {
            "embeddings": {
                "href": f"../{path.relative_to(output).as_posix()}",
                "type": _MEDIA_TYPES[path.suffix][0],
                "title": f"Embeddings as {_MEDIA_TYPES[path.suffix][1]}",
                "roles": ["data"],
            }
        },
    }


def _emb_fields(job: Job) -> dict[str, Any]:
    # The extension knows pixels and chips only: points are chips whose geometry is a point.
    fields: dict[str, Any] = {"emb:type": "chip", "emb:dimensions": job.dimension, "data_type": job.dtype}
    if "chip_layout" in job.details:
        fields["emb:chip_layout"] = job.details["chip_layout"]
    if "map" in job.details:
        fields |= {"emb:type": "pixel", "gsd": cell_size_m(MapPlan.from_json(job.details["map"]))}
    return fields


def _emb_links(job: Job, root: str) -> list[dict[str, str]]:
    """Links to the model and the data, on the Hub where they are there, else to the data card that describes them."""
    model = f"https://huggingface.co/{job.model}" if "/" in job.model else f"{root}/README.md"
    data = f"https://huggingface.co/datasets/{job.input}" if _on_hub(job) else f"{root}/README.md"
    return [_link("emb:model", model, "text/html"), _link("emb:source-data", data, "text/html")]


def _on_hub(job: Job) -> bool:
    return not job.details["listed"] and "/" in job.input


def _link(relation: str, href: str, media_type: str = "application/json") -> dict[str, str]:
    return {"rel": relation, "href": href, "type": media_type}


def _id(output: Path) -> str:
    return output.resolve().name


def _text(when: datetime | None) -> str:
    return "" if when is None else when.strftime("%Y-%m-%dT%H:%M:%SZ")
