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
"""Tile view: where inside a tile it embeds like a point of it or like a photo, read by NILI beside bilinear and the mean."""

import base64
import csv
import html
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import rasterio
from rasterio import warp

from serving.encoded_tile import READINGS, SIDE, best_point
from serving.gallery import LAYERS, MAX_PICTURE_SIDE, Gallery, Tile, data_uri, jpeg_of, show
from serving.loaded import Loaded, on_gpu
from serving.uploads import read_photo, read_tile
from widgets.maps import numbers, warned
from widgets.picker import choice, chosen, photo_choices, picker, tile_choices

_HERE = Path(__file__).parents[1] / "widgets"
# `gairColours` is map.js's; what this one adds stands beside it.
_SCRIPT = f"<script>{(_HERE / 'tile.js').read_text(encoding='utf-8')}</script>"
_CSS = (_HERE / "tile.css").read_text(encoding="utf-8")
# What a visitor looks at is forgotten after so many seconds without use.
_SESSION_S = 1800
# Cosines travel as 16-bit numbers of this unit.
_COSINE_UNIT = 1e-4
# The pair of modalities, of `similarity_ranges`, whose range a query's colours run over.
_PAIRS = {"photo": "sv_localized", "point": "localized_rs"}
_LOWEST_PERCENTILE, _HIGHEST_PERCENTILE = 1, 99
BAND_ORDERS = [
    ("named in the file", ""),
    ("10: B02 … B08, B8A, B11, B12", "gair_10"),
    ("12: B01 … B12, Level-2A", "sentinel2_l2a_12"),
    ("13: B01 … B12, Level-1C", "sentinel2_l1c_13"),
]


@dataclass(frozen=True)
class Query:
    """
    What is looked for in a tile.

    Attributes:
        embedding (`np.ndarray` of shape `(D,)`): of length 1.
        kind (`str`): "photo" or "point".
        text (`str`): what the page calls it.
        point (`tuple[float, float]`, *optional*): where it is in this tile, if it is: x eastwards, y southwards, in [0, 1].
        picture (`str`): of a photo, as a data URI.
    """

    embedding: np.ndarray
    kind: str
    text: str
    point: tuple[float, float] | None = None
    picture: str = ""


# What is computed ----------------------------------------------------------------------------------------------------


def point_query(tile: Tile, x: float, y: float) -> Query:
    """
    The tile at a point, read by NILI.

    Raises:
        ValueError: outside the tile, or no number.
    """
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError(f"The point x {x:.4g}, y {y:.4g} came, expected 0 to 1; click inside the tile.")
    return Query(tile.encoded.at(x, y), "point", f"the point {place_text(tile, x, y)}", (x, y))


def gallery_query(gallery: Gallery, position: int) -> Query:
    """A photo of the gallery, in its own tile."""
    photo = gallery.photos[position]
    where = f"the photo taken at {degrees_text(photo.lon, photo.lat)}"
    return Query(gallery.photo_embeds[position], "photo", where, photo.point, data_uri(photo.jpeg))


def upload_query(loaded: Loaded, path: str) -> Query:
    """
    A visitor's photo.

    Raises:
        ValueError: as in `uploads.read_photo`.
    """
    image = read_photo(path)
    embedding = on_gpu(loaded.photo)(image)
    return Query(embedding, "photo", "your photo", picture=data_uri(jpeg_of(image, MAX_PICTURE_SIDE)))


def fixed_range(kind: str, ranges: dict[str, Any]) -> tuple[float, float] | None:
    """
    Where the colours of a kind of query begin and end, the same for all tiles: from the 1st percentile of what does not
    belong together to the 99th of what does, or to 1 for a point, which is like itself.

    Args:
        kind (`str`): "photo" or "point".
        ranges (`dict`): `similarity_ranges` of the model's config, or empty.

    Returns:
        `tuple[float, float]` or None where the model states none.
    """
    pair = ranges.get("pairs", {}).get(_PAIRS[kind])
    if pair is None:
        return None
    low = pair["others"][ranges["percentiles"].index(_LOWEST_PERCENTILE)]
    high = 1.0 if kind == "point" else pair["matched"][ranges["percentiles"].index(_HIGHEST_PERCENTILE)]
    return (low, high) if low < high else None


def cell_places(tile: Tile, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    lon, lat in degrees, float64, of points of a tile.

    Args:
        tile ([`Tile`]): one that says where it lies.
        x, y (`np.ndarray` of shape `(N,)`): eastwards and southwards in [0, 1].

    Raises:
        ValueError: the tile does not say where it lies.
    """
    if tile.bounds is None or tile.crs is None:
        raise ValueError("The tile does not say where it lies, so nothing with coordinates can be made; save the PNG.")
    west, south, east, north = tile.bounds
    # A tile in degrees across the antimeridian has west > east.
    east += 360.0 * (west > east)
    lon, lat = warp.transform(
        tile.crs, "OGC:CRS84", (west + x * (east - west)).tolist(), (north - y * (north - south)).tolist()
    )
    return (np.asarray(lon) + 180) % 360 - 180, np.asarray(lat)


def centres() -> tuple[np.ndarray, np.ndarray]:
    """x and y of a map's points, `(SIDE * SIDE,)` each, row by row from the north-west."""
    steps = (np.arange(SIDE) + 0.5) / SIDE
    y, x = np.meshgrid(steps, steps, indexing="ij")
    return x.ravel(), y.ravel()


def tile_value(
    loaded: Loaded, tile: Tile, query: Query | None, photo_points: list[tuple[float, float]]
) -> dict[str, Any]:
    """
    What tile.js draws.

    Args:
        loaded ([`Loaded`]): the model.
        tile ([`Tile`]): what is looked at.
        query ([`Query`], *optional*): what is looked for.
        photo_points (`list` of x, y): where the tile's photos were taken.

    Returns:
        `dict`: `layers` (data URIs), `corners` (lon, lat of north-west, north-east, south-west, south-east; None where they are
        not known), `photos` (x, y); with a query also `maps` (base64 of int16 `(SIDE, SIDE)`) by reading, `unit`, `mean`,
        `fixed` (low, high), `query` and `best` (x, y or None), `key`.
    """
    value: dict[str, Any] = {"layers": tile.layers, "corners": _corners(tile), "photos": photo_points, "side": SIDE}
    if query is None:
        return value
    maps = {reading: tile.encoded.similarity(query.embedding, reading) for reading in READINGS}
    return {
        **value,
        "maps": {reading: _packed(cosines) for reading, cosines in maps.items()},
        "unit": _COSINE_UNIT,
        "mean": float(tile.encoded.mean @ query.embedding),
        "fixed": fixed_range(query.kind, loaded.similarity_ranges),
        "query": query.point,
        "best": best_point(maps["nili"])[:2],
        "key": f"{tile.name}: {query.text}",
    }


def summary(loaded: Loaded, tile: Tile, query: Query | None) -> str:
    """What the maps say, in words, as Markdown."""
    lines = []
    if query is None:
        head = "**Click a point of the tile, or choose a photo.**"
    else:
        head = f"**Cosine similarity of {query.text} to every point of the tile**"
        nili, bilinear = (tile.encoded.similarity(query.embedding, reading) for reading in READINGS)
        x, y, greatest = best_point(nili)
        lines.append(f"highest by NILI: **{greatest:.3f}** at {place_text(tile, x, y)}")
        if query.kind == "photo" and query.point is not None:
            own = float(tile.encoded.at(*query.point) @ query.embedding)
            lines.append(f"where it was taken: **{own:.3f}**, more than at {(nili < own).mean():.0%} of the tile")
        lines.append(f"NILI: {nili.min():.3f} to {nili.max():.3f}")
        lines.append(f"bilinear: {bilinear.min():.3f} to {bilinear.max():.3f}")
        lines.append(f"the tile as a whole: {float(tile.encoded.mean @ query.embedding):.3f}")
    if tile.valid_fraction < 1:
        lines.append(
            f"{1 - tile.valid_fraction:.0%} of the tile's pixels hold no data and count as average: there, the map means little"
        )
    return "\n".join([head, "", *(f"- {line}" for line in lines), "", f"Drawn by {loaded.name}. {loaded.note}"])


def geotiff(tile: Tile, query: Query) -> bytes:
    """
    The maps as a GeoTIFF in the tile's CRS: float32 bands `nili` and `bilinear`, NaN for no-data.

    Raises:
        ValueError: the tile does not say where it lies.
    """
    west, south, east, north = _known_bounds(tile)
    transform = rasterio.transform.from_bounds(west, south, east + 360.0 * (west > east), north, SIDE, SIDE)
    shape = {"width": SIDE, "height": SIDE, "count": len(READINGS), "dtype": "float32"}
    with rasterio.MemoryFile() as memory:
        with memory.open(
            driver="GTiff", crs=tile.crs, transform=transform, nodata=np.nan, compress="deflate", predictor=3, **shape
        ) as dataset:
            for band, reading in enumerate(READINGS, start=1):
                dataset.write(tile.encoded.similarity(query.embedding, reading), band)
                dataset.set_band_description(band, reading)
            dataset.update_tags(DESCRIPTION=f"Cosine similarity of {query.text}, from -1 to 1")
        return memory.read()


def table(tile: Tile, query: Query) -> bytes:
    """
    The maps as CSV: `lon, lat, similarity, similarity_bilinear`, one line a point.

    Raises:
        ValueError: the tile does not say where it lies.
    """
    lon, lat = cell_places(tile, *centres())
    nili, bilinear = (tile.encoded.similarity(query.embedding, reading).ravel() for reading in READINGS)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["lon", "lat", "similarity", "similarity_bilinear"])
    writer.writerows(
        (f"{x:.7f}", f"{y:.7f}", f"{own:.5f}", f"{other:.5f}") for x, y, own, other in zip(lon, lat, nili, bilinear)
    )
    return text.getvalue().encode()


def place_text(tile: Tile, x: float, y: float) -> str:
    """A point of a tile for people: degrees where they are known, else its share of the tile's sides."""
    if tile.bounds is None:
        return f"{x:.0%} from the west and {y:.0%} from the north"
    lon, lat = cell_places(tile, np.array([x]), np.array([y]))
    return degrees_text(float(lon[0]), float(lat[0]))


def degrees_text(lon: float, lat: float) -> str:
    """A place for people, `lon, lat` in degrees."""
    return f"{abs(lon):.4f}° {'W' if lon < 0 else 'E'}, {abs(lat):.4f}° {'S' if lat < 0 else 'N'}"


def _known_bounds(tile: Tile) -> tuple[float, float, float, float]:
    cell_places(tile, np.zeros(1), np.zeros(1))
    assert tile.bounds is not None
    return tile.bounds


def _corners(tile: Tile) -> list[list[float]] | None:
    if tile.bounds is None:
        return None
    lon, lat = cell_places(tile, np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 1.0]))
    # Without a jump at the antimeridian, so that the browser may interpolate.
    lon = lon[0] + (lon - lon[0] + 180) % 360 - 180
    return np.stack([lon, lat], axis=-1).tolist()


def _packed(cosines: np.ndarray) -> str:
    return base64.b64encode(np.rint(cosines / _COSINE_UNIT).astype("<i2").tobytes()).decode()


# What is shown -------------------------------------------------------------------------------------------------------

_PANEL = """
  <figure data-reading="READING"><div class="gair-tile-frame">
    <img alt="">
    <canvas data-part="map" hidden></canvas>
    <canvas data-part="marks" tabindex="0" role="application" aria-label="TITLE. Arrow keys move a cursor, Enter compares with that point."></canvas>
  </div><figcaption><span><b>TITLE</b> NOTE</span><span data-part="read"></span></figcaption></figure>"""
_PANELS = (
    ("nili", "NILI", "reads any point"),
    ("bilinear", "Bilinear", "blends patches"),
    ("mean", "Tile mean", "one for all"),
)
# Gradio rewrites what a changed template yields, so nothing in it may vary: tile.js fills in the rest.
_TEMPLATE = f"""
<div class="gair-map gair-tile">
  <div class="gair-map-tools" role="group" aria-label="Bands of the picture">
    {"".join(f'<button type="button" data-layer aria-pressed="{str(not number).lower()}" title="{", ".join(bands)} as red, green, blue">{name}</button>' for number, (name, bands) in enumerate(LAYERS.items()))}
    <label>Map’s opacity <input type="range" data-part="opacity" min="0" max="100" value="70"><output data-part="seen"></output></label>
  </div>
  <div class="gair-tile-panels">
    {"".join(_PANEL.replace("READING", reading).replace("TITLE", title).replace("NOTE", note) for reading, title, note in _PANELS)}
  </div>
  <output class="gair-tile-hover" data-part="hover"></output>
  <div data-part="legend" hidden>
    <div class="gair-map-legend">
      <div class="gair-map-ramp"><canvas data-part="ramp" width="255" height="1" aria-hidden="true"></canvas><div data-part="ticks"></div></div>
      <span><b>cosine similarity</b> (no unit; 1 = same direction)<br><span data-part="called"></span></span>
    </div>
    <div class="gair-map-controls">
      <label>Colours <select data-part="palette"><option value="cividis">cividis</option><option value="viridis">viridis</option><option value="PuOr">purple–orange (only −1 to 1)</option></select></label>
      <label>run over <select data-part="scale"><option value="fixed">fixed for this model</option><option value="stretch">stretched to this tile</option><option value="full">full, −1 to 1</option></select></label>
      <span>★ query · ring: highest by NILI · 1–4: photos</span>
    </div>
    <div class="gair-map-tools" role="group" aria-label="Save the map">
      Save <button type="button" data-save="tif">GeoTIFF</button><button type="button" data-save="png">PNG</button><button type="button" data-save="csv">CSV</button>
    </div>
  </div>
</div>
"""
_ON_LOAD = """
const events = ["pick", "save"];
gairTile(element, props, watch, (name, data) => events.includes(name) && trigger(name, data));
"""
# The file goes to the visitor in the answer itself, so that none stays on the server.
_ON_SAVED = "watch('value', () => gairSave(props.value.file));"
_WRITERS = {"tif": geotiff, "csv": table}
PHOTO_TYPES = [".jpg", ".jpeg", ".png", ".webp"]


def add_tab(loaded: Loaded, gallery: Gallery) -> None:
    """
    Builds the tab, inside `gr.Blocks`.

    Args:
        loaded ([`Loaded`]): the model.
        gallery ([`Gallery`]): tiles and photos to choose from.
    """
    shown, asked = gr.State(gallery.tiles[0], time_to_live=_SESSION_S), gr.State(None, time_to_live=_SESSION_S)
    position = gr.State(0)
    gr.Markdown(
        "Click a point of the tile, or choose a photo: the colours show where in the tile the model finds the same. NILI reads "
        "the tile at any point; bilinear interpolation of its patches and the tile’s mean stand beside it."
    )
    tiles = picker(tile_choices(gallery, 0), f"A tile of {html.escape(gallery.name)}", "tile-tiles")
    photos = picker([], "A photo taken in it, as query; or click a point of the tile", "tile-photos")
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            view = gr.HTML(
                {}, html_template=_TEMPLATE, js_on_load=_ON_LOAD, head=_SCRIPT, css_template=_CSS, apply_default_css=False, elem_id="tile-view",
            )  # fmt: skip
        with gr.Column(scale=1, min_width=280):
            status = gr.Markdown(elem_id="tile-status")
            with gr.Accordion("Your own photo or tile", open=False):
                photo_file = gr.File(label="Street-view photo", file_types=PHOTO_TYPES, height=110)
                order = gr.Dropdown(BAND_ORDERS, value="", label="Bands of the tile")
                tile_file = gr.File(
                    label="Sentinel-2 tile (GeoTIFF, 0.5 to 5 km)", file_types=[".tif", ".tiff"], height=110
                )
    saved = gr.HTML({}, html_template="<div></div>", js_on_load=_ON_SAVED, elem_id="tile-saved")

    def photos_of(at: int | None) -> list[int]:
        """A visitor's own tile, which has no position in the gallery, has none."""
        return [] if at is None else gallery.photos_of(at)

    def draw(tile: Tile, at: int | None, query: Query | None) -> tuple:
        points = [gallery.photos[number].point for number in photos_of(at)]
        return tile_value(loaded, tile, query, points), summary(loaded, tile, query)

    def open_tile(at: int) -> tuple:
        tile, own = gallery.tiles[at], gallery.photos_of(at)
        query = gallery_query(gallery, own[0]) if own else None
        return tile, at, query, photo_choices(gallery, own, 0), *draw(tile, at, query)

    def choose_tile(event: gr.EventData) -> tuple:
        return open_tile(chosen(event, len(gallery.tiles)))

    def choose_photo(event: gr.EventData, tile: Tile, at: int | None) -> tuple:
        own = photos_of(at)
        # After the gallery's comes the visitor's own, which is the query already.
        number = chosen(event, len(own) + 1)
        if number == len(own):
            return gr.skip()
        query = gallery_query(gallery, own[number])
        return query, photo_choices(gallery, own, number), *draw(tile, at, query)

    def pick(event: gr.EventData, tile: Tile, at: int | None) -> tuple:
        query = point_query(tile, *numbers(event, "x", "y"))
        own = photos_of(at)
        return query, photo_choices(gallery, own), *draw(tile, at, query)

    def send_photo(path: str, tile: Tile, at: int | None) -> tuple:
        query = upload_query(loaded, path)
        own = photos_of(at)
        return (
            query,
            [*photo_choices(gallery, own), choice(query.picture, "Your photo", "yours", True)],
            *draw(tile, at, query),
        )

    def send_tile(path: str, order: str) -> tuple:
        tile = on_gpu(show)("Your tile", read_tile(path, loaded.processor.image_processor, order or None), loaded)
        return tile, None, None, [], *draw(tile, None, None)

    def save(event: gr.EventData, tile: Tile, query: Query | None) -> dict[str, Any]:
        wanted = str(event._data.get("format")) if isinstance(event._data, dict) else ""
        if query is None or wanted not in _WRITERS:
            raise ValueError("There is no map to save yet; click a point of the tile first.")
        content = base64.b64encode(_WRITERS[wanted](tile, query)).decode()
        # The page takes notice of a value that differs from the last: the same file may be saved twice.
        return {"file": {"name": f"similarity.{wanted}", "content": content, "moment": time.time_ns()}}

    once: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    asks = [asked, photos, view, status]
    opened = [shown, position, *asks]
    gr.on(None, warned(lambda: open_tile(0)), None, opened, **once)
    tiles.choose(warned(choose_tile), None, opened, **once)
    photos.choose(warned(choose_photo), [shown, position], asks, **once)
    view.pick(warned(pick), [shown, position], asks, trigger_mode="always_last", **once)
    photo_file.upload(warned(send_photo), [photo_file, shown, position], asks, **once)
    tile_file.upload(warned(send_tile), [tile_file, order], opened, **once)
    view.save(warned(save), [shown, asked], saved, **once)
