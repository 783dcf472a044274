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
"""Start: a street photo, its place in a tile, and places like it on the map of the world; choosing one moves the others."""

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from serving.examples import Example, typical_examples
from serving.grids import WORLD
from serving.place_names import near_text
from serving.scenes import Scene, photo_scene, place_scene, point_scene, tile_scene, upload_scene
from serving.text import number_text
from serving.tile_maps import TileQuery, distance_text, near_point_text, standings, tile_value
from serving.turns import SHARED, Asking, Newest, always, while_current
from serving.uploads import caution
from serving.world_maps import FIXED
from views.link import COMPARE, EXPLORE, FIND, START, Link, address
from views.saving import save_layer, save_tile
from views.site import Site
from widgets.cards import card_head, more_links, photo_card
from widgets.events import QUIET, Wanted, asking_of, event_numbers, wanted, warned, warned_steps
from widgets.map import FORMATS, WorldMap, world_map
from widgets.picker import choice, chosen, picker
from widgets.tile import download, tile_card
from widgets.upload_fields import PHOTO_TYPES

_PLACES = 5
_CHOOSE = "Choose a photo <small>The percentage says how well the model finds its place: 100% is best, guessing gives 50%</small>"
_SESSION_S = 1800
# All cards but the map.
_UNCHANGED = (gr.skip(),) * 7


@dataclass(frozen=True)
class _Parts:
    """The components of the view; `scene` is a visitor's state."""

    scene: gr.State
    examples: gr.HTML
    upload: gr.UploadButton
    photo_head: gr.HTML
    photo: gr.HTML
    tile_head: gr.HTML
    tile: gr.HTML
    world_head: gr.HTML
    world: WorldMap
    saved: gr.HTML

    @property
    def answer(self) -> list[Any]:
        """What every handler returns, in this order."""
        heads = [self.photo_head, self.photo, self.tile_head, self.tile, self.world_head]
        return [self.scene, self.examples, *heads, self.world.map]


def add_tab(site: Site) -> None:
    """Builds the view inside its `gr.Tab`."""
    handlers = _Handlers(site)
    _connect(site, _lay_out(handlers), handlers)


def _lay_out(handlers: "_Handlers") -> _Parts:
    scene = gr.State(None, time_to_live=_SESSION_S)
    with gr.Row(elem_id="start-choice"):
        examples = picker(handlers.choices(None), _CHOOSE, "start-examples")
        upload = gr.UploadButton("Your own photo", file_types=PHOTO_TYPES, size="sm", elem_id="start-upload")
    with gr.Row(elem_id="start-cards"):
        with gr.Column(elem_id="start-photo"):
            photo_head, photo = card_head("start-photo-head"), photo_card("start-photo-card")
        with gr.Column(elem_id="start-tile"):
            tile_head, tile = card_head("start-tile-head"), tile_card("start-tile-card")
        with gr.Column(elem_id="start-world"):
            world_head = card_head("start-world-head")
            world = world_map("start-map", adding=False, label="Map of the world", formats=tuple(FORMATS))
    gr.HTML(f"<p>{handlers.chosen_how}</p>", elem_classes="gair-note", apply_default_css=False)
    saved = download("start-saved")
    return _Parts(scene, examples, upload, photo_head, photo, tile_head, tile, world_head, world, saved)


def _connect(site: Site, parts: _Parts, handlers: "_Handlers") -> None:
    # A new request is sent at once, so that the server can stop computing the one before.
    runs = {**QUIET, **SHARED, "trigger_mode": "multiple"}
    site.links.opens(START, handlers.open, parts.answer, **SHARED)
    parts.examples.choose(warned_steps(handlers.choose), None, parts.answer, **runs)
    parts.tile.pick(warned_steps(handlers.pick), parts.scene, parts.answer, **runs)
    parts.world.asked.ask(warned_steps(handlers.ask), [parts.world.asked, parts.scene], parts.answer, **runs)
    parts.upload.upload(warned_steps(handlers.take), parts.upload, parts.answer, **runs)
    parts.tile.save(warned(handlers.save), parts.scene, parts.saved, **QUIET)
    parts.world.map.save(warned(handlers.save_map), [parts.world.asked, parts.scene], parts.saved, **QUIET, **SHARED)


class _Handlers:
    """Answers to events, as `_Parts.answer` lists them."""

    def __init__(self, site: Site):
        self._site, self._gallery, self._served = site, site.gallery, site.served
        self._examples: list[Example] = typical_examples(site.gallery)
        self._scenes, self._views = Newest(), Newest()
        # The example in the middle: neither the best found nor the worst.
        found = sorted(self._examples, key=lambda example: site.gallery.photos[example.photo].standing)
        self._first = found[len(found) // 2].photo if found else None

    # Events

    def open(self, link: Link) -> Iterator[tuple]:
        yield from self._answers(lambda: self._linked(link), link.asking, view=link.view())

    def choose(self, event: gr.EventData, request: gr.Request) -> Iterator[tuple]:
        example = self._examples[chosen(event, len(self._examples))]
        yield from self._answers(lambda: photo_scene(self._served, self._gallery, example.photo), asking_of(request))

    def pick(self, event: gr.EventData, scene: Scene | None, request: gr.Request) -> Iterator[tuple]:
        (x, y), tile = event_numbers(event, "x", "y"), _known(scene).tile
        yield from self._answers(lambda: point_scene(self._served, self._gallery, tile, x, y), asking_of(request))

    def take(self, path: str, request: gr.Request) -> Iterator[tuple]:
        yield from self._answers(lambda: upload_scene(self._served, self._gallery, path), asking_of(request))

    def ask(self, asked: Any, scene: Scene | None, request: gr.Request) -> Iterator[tuple]:
        """The visitor has set a pin, opened a mark, or moved the map."""
        want, asking = wanted(asked), asking_of(request)
        # A new pin closes the mark that was opened before it.
        if (mark := want.opened) is not None:
            yield from self._answers(lambda: self._opened(mark), asking, want)
        elif want.pins and (want.placed or scene is None):
            lon, lat = want.pins[-1]
            yield from self._answers(lambda: place_scene(self._served, self._gallery, lon, lat), asking, want)
        else:
            scene = _known(scene)
            current = self._current(asking, scene)
            for world in while_current(self._worlds(scene, current, want), current):
                yield (*_UNCHANGED, world)

    def save(self, event: gr.EventData, scene: Scene | None) -> dict[str, Any]:
        scene = _known(scene)
        return save_tile(event, self._served, self._gallery.tiles[scene.tile], scene.query)

    def save_map(self, event: gr.EventData, asked: Any, scene: Scene | None) -> dict[str, Any]:
        layers = self._site.maps.layers(_known(scene).world_query, wanted(asked).view, FIXED, _PLACES)
        return save_layer(event, layers)

    # Scenes

    def _linked(self, link: Link) -> Scene:
        """The scene of a link; by default, the example in the middle."""
        photos, tiles = self._gallery.photos, self._gallery.tiles
        photo, tile = link.position("photo", len(photos)), link.position("tile", len(tiles))
        point, place = link.numbers("point", 2), link.numbers("place", 2)
        if photo is not None:
            return photo_scene(self._served, self._gallery, photo)
        if place is not None:
            return place_scene(self._served, self._gallery, place[0], place[1])
        if tile is not None and point is not None:
            return point_scene(self._served, self._gallery, tile, point[0], point[1])
        if tile is not None:
            return tile_scene(self._served, self._gallery, tile)
        if self._first is not None:
            return photo_scene(self._served, self._gallery, self._first)
        return tile_scene(self._served, self._gallery, 0)

    def _opened(self, mark: str) -> Scene:
        """The scene of a mark on the map, such as "tile-3"."""
        kind, _, number = mark.partition("-")
        if kind not in ("tile", "photo", "place"):
            raise ValueError("This mark opens no tile; choose another.")
        return self._linked(Link(START, {kind: number}))

    # Answers

    def _answers(
        self,
        make: Callable[[], Scene],
        asking: Asking | None,
        want: Wanted | None = None,
        view: Sequence[float] = WORLD,
    ) -> Iterator[tuple]:
        """
        All cards of a scene, then with a finer map if one follows. What was chosen on the map leaves its view as it is; otherwise it
        moves to `view`.
        """
        scene = replace(make(), request=asking.number if asking else 0)
        current = self._current(asking, scene)
        gallery, query = self._gallery, scene.query
        points = [gallery.photos[number].point for number in gallery.photos_of(scene.tile)]
        shown = gallery.tiles[scene.tile]
        # The card draws the tile as the model reads it.
        tile = tile_value(self._served, shown, query, points, shown.encoded.readings[:1]) | {"link": _link(scene, want)}
        cards = (
            scene,
            self.choices(scene.photo if query.kind == "photo" else None),
            self._photo_head(scene),
            self._photo(scene),
            self._tile_head(scene),
            tile,
            self._world_head(scene),
        )
        # Each answer has all cards: browsers may lose a card whose answer is followed by one without it.
        for world in while_current(self._worlds(scene, current, want, view), current):
            yield (*cards, world)

    def _current(self, asking: Asking | None, scene: Scene) -> Callable[[], bool]:
        """
        Whether nobody has asked for anything newer: for another scene, or for another view of this one. A view of the scene before,
        which the visitor still saw, does not count.
        """
        if asking is None:
            return always
        same_scene = self._scenes.begin(Asking(asking.visitor, scene.request))
        same_view = self._views.begin(Asking(f"{asking.visitor} {scene.request}", asking.number))
        return lambda: same_scene() and same_view()

    def _worlds(
        self, scene: Scene, current: Callable[[], bool], want: Wanted | None, view: Sequence[float] = WORLD
    ) -> Iterator[dict[str, Any]]:
        more: dict[str, Any] = {"turn": want.turn} if want else {"view": list(view)}
        view = want.view if want else view
        more |= {"marks": self._marks(scene), "title": f"Places similar to {_short(scene)}"}
        for value in self._site.maps.steps(scene.world_query, view, FIXED, _PLACES, current=current):
            for number, place in enumerate(value["places"], start=1):
                place["id"] = f"place-{place['lon']:.4f},{place['lat']:.4f}"
                place["label"] = f"Similar place {number}, {near_text(self._served, place['lon'], place['lat'])}"
            yield value | more

    def _marks(self, scene: Scene) -> list[dict[str, Any]]:
        """The tiles of the gallery, by their first photos, and the photo or point that is the query."""
        marks = []
        for number in range(len(self._gallery.tiles)):
            own = self._gallery.photos_of(number)
            if own and number != scene.tile:
                photo = self._gallery.photos[own[0]]
                label = f"Tile {number + 1} of the gallery"
                marks.append(
                    {"id": f"tile-{number}", "lon": photo.lon, "lat": photo.lat, "kind": "tile", "label": label}
                )
        if scene.place and scene.query.kind != "place":
            lon, lat = scene.place
            label = "This photo" if scene.query.kind == "photo" else "This point of the tile"
            mark = f"photo-{scene.photo}" if scene.query.kind == "photo" else f"tile-{scene.tile}"
            marks.append({"id": mark, "lon": lon, "lat": lat, "kind": "photo", "label": label})
        return marks

    # Words

    @property
    def chosen_how(self) -> str:
        count = len(self._gallery.photos)
        if not count:
            return "The gallery has no photos: click a point in the tile, or a place on the map."
        return (
            f"The {len(self._examples)} examples stand for {count} photos and are chosen by a rule: each kind of ground has its share of "
            "them, and within a kind they are spread evenly from the best found to the worst. The percentage is how much of its tile "
            "is less similar to a photo than the place where it was taken. A tile is a Sentinel-2 image about 2 km wide; the numbered "
            "discs in it are the photos taken there. The model sees neither names nor coordinates of photos and tiles."
        )

    def choices(self, photo: int | None) -> list[dict[str, str]]:
        return [
            choice(
                self._gallery.photos[example.photo].small,
                f"{example.title}. {example.reason}",
                text=f"{example.title} · {self._gallery.photos[example.photo].standing:.0%}",
                is_chosen=example.photo == photo,
            )
            for example in self._examples
        ]

    def _photo(self, scene: Scene) -> dict[str, str]:
        """The photo, with links to more about what is shown."""
        picture = scene.query.picture if scene.photo is None else self._gallery.photos[scene.photo].picture
        where = {"point": scene.query.point} if scene.query.kind == "point" else {}
        where |= {"place": scene.place} if scene.query.kind == "place" else {}
        photo = scene.photo if scene.query.kind == "photo" else None
        links = {"Read this tile in other ways": address(tab=COMPARE, tile=scene.tile, photo=photo, **where)}
        if photo is not None:
            links["Find tiles by this photo"] = address(tab=FIND, photo=photo)
        if scene.place:
            links["Explore the world from here"] = address(tab=EXPLORE, at=scene.place)
        return {"picture": picture, "more": more_links(links)}

    def _photo_head(self, scene: Scene) -> dict[str, str]:
        if scene.query.kind == "photo":
            if scene.photo is None:
                return _head(
                    "1", "Your photo", caution(self._served) or "It is compared with all tiles of the gallery."
                )
            reason = next((one.reason for one in self._examples if one.photo == scene.photo), "")
            photo = self._gallery.photos[scene.photo]
            taken = f"{photo.label.capitalize() or 'Taken'}, {near_text(self._served, photo.lon, photo.lat)}."
            return _head("1", "A street photo", f"{taken} {reason}".strip())
        if scene.cosine is None:
            return _head("", "No photo", "The gallery has no photos.")
        count = len(self._gallery.photos)
        return _head(
            "2",
            "The most similar photo",
            f"Of {count} photos of the gallery, with a cosine similarity of {number_text(scene.cosine, 2)}.",
        )

    def _tile_head(self, scene: Scene) -> dict[str, str]:
        tile, query = self._gallery.tiles[scene.tile], scene.query
        if query.kind == "point" and query.point:
            return _head("1", "Your point in the tile ●", "Yellow: points of the tile that are similar to it.")
        x, y, cosine = tile.encoded.best_point(tile.encoded.similarity(query.embedding))
        if query.kind == "photo" and query.point:
            own = standings(tile, query)[tile.encoded.readings[0]]
            away = distance_text(self._served, tile, (x, y), query.point)
            return _head(
                "2", "Its place in the tile ★",
                f"★: where it was taken. Ring: the model's guess, {away} away. {own:.0%} of the tile is less similar to the photo than ★.",
            )  # fmt: skip
        count = len(self._gallery.tiles)
        where = near_point_text(self._served, tile, x, y)
        text = f"The best of {count}, {where}. Ring: its most similar point, with a cosine of {number_text(cosine, 2)}."
        # After a place comes the photo; a photo of the visitor's comes first itself.
        number = "3" if query.kind == "place" and self._gallery.photos else "2"
        return _head(number, "The most similar tile", text)

    def _world_head(self, scene: Scene) -> dict[str, str]:
        if scene.query.kind == "place" and scene.place:
            where = near_text(self._served, *scene.place)
            said = f"{where[0].upper()}{where[1:]}. Yellow: land that is similar to it. 1–5: the most similar places. Green discs: tiles to open."
            return _head("1", "Your place", said)
        like, purple = (
            ("it", "where it was taken") if scene.query.kind == "photo" else ("this point", "the point itself")
        )
        text = "Yellow: land that is similar to it. 1–5: the most similar places. Green discs: tiles to open."
        return _head("3", f"Places like {like}", f"{text} Purple: {purple}." if scene.place else text)


def _known(scene: Scene | None) -> Scene:
    """What a page shows, which the server keeps for half an hour, and for the most recent pages."""
    if scene is None:
        raise ValueError("The server has forgotten what this page shows; choose a photo, or a place on the map.")
    return scene


def _short(scene: Scene) -> str:
    """What the query is, in the title of the map."""
    return {"photo": "the photo", "point": "the point of the tile", "place": "the place"}[scene.query.kind]


def _head(number: str, title: str, text: str) -> dict[str, str]:
    return {"number": number, "title": html.escape(title), "text": html.escape(text)}


def _link(scene: Scene, want: Wanted | None) -> str:
    """The link to a scene; a visitor's own photo has none but the view's."""
    query: TileQuery = scene.query
    view = want.view if want and want.view != WORLD else None
    if query.kind == "photo":
        return address(tab=START, photo=scene.photo, view=view)
    if query.kind == "point":
        return address(tab=START, tile=scene.tile, point=query.point, view=view)
    return address(tab=START, place=scene.place, view=view)
