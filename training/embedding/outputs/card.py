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
"""The data card of embeddings, with the fields of the geo-embeddings conventions (geoembeddings.org)."""

from collections.abc import Sequence
from typing import Any

from huggingface_hub import DatasetCard, DatasetCardData

from training.common.wording import counted
from training.embedding.job import ERRORS, Job
from training.embedding.maps.plan import MapPlan
from training.embedding.outputs.extent import Extent
from training.embedding.outputs.map_values import cell_size_m
from training.embedding.outputs.stac import quantization_of

_TYPES = {
    "places": ["location"],
    "photos": ["street-level photo"],
    "tiles": ["image chip"],
    "points": ["point in a chip"],
    "chips": ["image chip"],
    "pixels": ["pixel"],
    "tiles+points": ["image chip", "point in a chip"],
}
_CONTEXTS = {
    "places": "longitude and latitude alone, no image",
    "photos": "one photo taken on the ground",
    "tiles": "chips of 0.5 to 5 km",
    "points": "a point in a chip of 0.5 to 5 km",
    "chips": "windows of a raster, side by side",
    "pixels": "a cell and the windows of a raster about it, overlapping by half and blended",
    "tiles+points": "chips of 0.5 to 5 km, and points in them",
}
_TEXT = """---
{{ card_data }}
---

# Embeddings of {{ job.input }}

{% if picture %}![Where the embeddings lie, coloured by their first three principal components](preview.png)

{% endif %}{{ rows }} ({{ types }}) of {{ job.dimension }} numbers, stored as {{ job.dtype }}, in {{ stored }}. They
are **raw, not normalised**: divide them by their length before comparing them, so that a dot product is a cosine.
{{ errors_text }}

| | |
|---|---|
| model | {{ model_text }} |
| revision | {{ job.revision or "none: the model was read from a folder" }} |
| fingerprint of model and processor | `{{ job.fingerprint }}` |
| products of matrices in | {{ job.precision }} |
| input | {{ job.input }}{% if job.what == "places" and "grid" in job.input %} (cells of an equal-area sinusoidal grid; rows name cell and spacing){% endif %} |
| fingerprint of the input | `{{ job.input_fingerprint }}` |
| made | {{ job.planned }}, by `training/embed.py` of GAIR for Hugging Face {{ version }} |

## Read them
{% if job.what == "pixels" %}
```python
{{ read_map }}
```

The grid is that of the raster, north up. {% if job.dtype == "int8" %}A cell without data is -128; embedding = int8 × scale.{% else %}A cell without data is NaN.{% endif %} A query must
be embedded by the same model: compare its fingerprint. `collection.json` and `items/` are a STAC catalogue.
{% else %}
```python
import geopandas

places = geopandas.read_parquet("embeddings/00000.parquet")  # also: bbox=(west, south, east, north)
```

Each row has an `id`, its `geometry` and `bbox` (lon, lat), the `embedding`{% if job.dtype == "int8" %} and `embedding_scale` (value = int8 × scale){% endif %},
`lon`, `lat`, `datetime` (UTC; null where it is not known), `modality`, `source`, and the columns of the input. A query must be embedded by the same
model: compare its fingerprint. `collection.json` and `items/` are a STAC catalogue.
{% endif %}"""
_READ_ZARR = """import xarray

data = xarray.open_zarr("map.zarr", consolidated=False)
embeddings = data.embeddings{scaled}  # (embedding, y, x)"""
_READ_COG = """import rasterio

with rasterio.open("map/{name}") as dataset:
    embeddings = dataset.read()  # (embedding, y, x)"""


def make_card(
    job: Job, extents: Sequence[Extent], rows: int, errors: int, licence: str | None, picture: bool
) -> DatasetCard:
    """
    Fills the card.

    Args:
        job ([`Job`]), extents (`Sequence[Extent]`): the job and what its files cover.
        rows (`int`), errors (`int`): numbers of embeddings, and of those that could not be made.
        licence (`str`, *optional*): by its name on the Hub.
        picture (`bool`): whether there is a `preview.png`.
    """
    import modeling_gair

    on_hub = "/" in job.model
    return DatasetCard.from_template(
        _metadata(job, rows, licence, dated=any(extent.start for extent in extents)),
        template_str=_TEXT,
        job=job,
        rows=counted(rows, "embedding"),
        types=", ".join(_TYPES[job.what]),
        stored=_stored(job),
        read_map=_read_map(job),
        picture=picture,
        errors_text=f"{counted(errors, 'embedding')} could not be made; `{ERRORS}` says why."
        if errors
        else "No input was bad.",
        model_text=f"[{job.model}](https://huggingface.co/{job.model})" if on_hub else f"`{job.model}`",
        version=modeling_gair.__version__,
    )


def _stored(job: Job) -> str:
    if job.what != "pixels":
        return f"{counted(job.tasks, 'file')} of GeoParquet"
    return "cloud-optimised GeoTIFFs" if job.options["map_format"] == "cog" else "one store of Zarr v3, `map.zarr`"


def _read_map(job: Job) -> str:
    if job.what != "pixels":
        return ""
    if job.options["map_format"] == "cog":
        return _READ_COG.format(name="000000_000000.tif")
    return _READ_ZARR.format(scaled=" * data.scales" if job.dtype == "int8" else "")


def _metadata(job: Job, rows: int, licence: str | None, dated: bool) -> DatasetCardData:
    fields: dict[str, Any] = {
        "embedding_dimension": job.dimension,
        "embedding_spatial_types": _TYPES[job.what],
        "embedding_spatial_context": _CONTEXTS[job.what],
        "embedding_temporal_type": ["single date" if dated else "none"],
        "embedding_temporal_context": "one acquisition" if dated else "none",
        "inference_datasets": [job.input],
        "model_name": job.model,
        "model_link": f"https://huggingface.co/{job.model}" if "/" in job.model else None,
        "postprocessing": "none: raw, not normalised",
        "quantization": (quantization_of(job) or {"method": "none"})["method"],
    }
    if "map" in job.details:
        fields["grid_spacing"] = f"{cell_size_m(MapPlan.from_json(job.details['map'])):.4g} m"
    if "grid_spacing_m" in job.details:
        fields["grid_spacing"] = f"{job.details['grid_spacing_m']:g} m"
    return DatasetCardData(
        license=licence,
        pretty_name=f"Embeddings of {job.input}",
        tags=["geo-embeddings", "geospatial", "embeddings"],
        size_categories=_size(rows),
        configs=None if job.what == "pixels" else [{"config_name": "default", "data_files": "embeddings/*.parquet"}],
        **fields,
    )


def _size(rows: int) -> str:
    names = ["n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B"]
    return names[min(max(len(str(rows)) - 3, 0), len(names) - 1)]
