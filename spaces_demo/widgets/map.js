// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// The map of the world: Leaflet moves and zooms it, map_picture.js draws it. The page gives it a value (a layer of cells,
// pins, places, boxes, marks); what the visitor wants goes into `asked`. Palette, threshold, opacity, hover, search, pictures
// and links need no server.

"use strict";

const GAIR_DEEPEST = 4096; // pixels a degree
const GAIR_SETTLED_MS = 250; // without movement before finer cells are requested
const GAIR_REACH = 12; // pixels from a mark that still hit it
const GAIR_TAP = 3; // pixels that a finger may move while it taps, as in Leaflet
const GAIR_FOUND_SCALE = 60; // pixels a degree, at least, at a place that was searched for

/** The maps of each group, which move together. */
const GAIR_LINKED = {};

const gairZoom = (scale) => Math.log2((scale * 180) / 256); // of Leaflet's EPSG:4326
const gairScale = (zoom) => (256 * 2 ** zoom) / 180;

function gairMap(element, props, watch, asked, linked, save) {
  const find = (name) => element.querySelector(`[data-part="${name}"]`);
  const [area, canvas, hover] = ["area", "canvas", "hover"].map(find);
  const controls = { palette: find("palette"), opacity: find("opacity"), threshold: find("threshold") };
  const drawing = { which: null, from: null, to: null }; // the box that is being drawn
  const adding = find("adding")?.parentElement;
  const single = adding?.hidden; // a click moves the only pin
  let value = {};
  let layers = []; // the world, then finer cells
  let outlines = null;
  let cursor = null; // of the keyboard: lon, lat
  let pointed = null; // where the pointer or the cursor is: lon, lat
  let settled = null;
  let pending = null; // bounds to show once the map has a size
  let unasked = false; // whether to ask for the view once the map has a size
  let placedBy = null; // the request whose answer has moved the map last
  let quiet = false; // whether a movement is not the visitor's
  let frame = null;
  let coarse = false; // whether finer cells follow

  // The map -----------------------------------------------------------------------------------------------------------

  const map = L.map(area, {
    crs: L.CRS.EPSG4326, center: [0, 0], zoom: 0, zoomSnap: 0, zoomControl: false, keyboard: false, doubleClickZoom: false,
    boxZoom: false, zoomAnimation: false, fadeAnimation: false, inertia: !matchMedia("(prefers-reduced-motion: reduce)").matches,
    maxBounds: [[-90, -1e5], [90, 1e5]], maxBoundsViscosity: 1,
    maxZoom: gairZoom(GAIR_DEEPEST), wheelPxPerZoomLevel: 140,
    trackResize: false, // which would move a hidden map to a view without a size; see `resize`
  });
  L.control.scale({ imperial: false, position: "bottomright" }).addTo(map);
  map.attributionControl.setPrefix("").addAttribution("Natural Earth, GeoNames");

  const size = () => ({ width: area.clientWidth, height: area.clientHeight });
  const smallest = () => Math.max(size().width / 360, size().height / 180);
  const view = () => new GairView({ lon: map.getCenter().lng, lat: map.getCenter().lat, scale: gairScale(map.getZoom()), ...size() });
  const small = () => map.getZoom() <= map.getMinZoom() + 0.01;
  const quietly = (move) => {
    quiet = true;
    move();
    quiet = false;
  };
  const moveTo = (lon, lat, scale) => map.setView([lat, lon], gairZoom(gairClamped(scale, smallest(), GAIR_DEEPEST)), { animate: false });

  function showBounds(bounds) {
    clearTimeout(settled);
    pending = size().width ? null : bounds;
    if (pending) return;
    const [west, south, east, north] = bounds;
    const scale = Math.min(size().width / (east - west), size().height / (north - south));
    quietly(() => moveTo((west + east) / 2, (south + north) / 2, scale));
    // The whole world is drawn, so that what is seen of it requires no request.
    if (east - west >= 360) asked.note({ view: bounds });
    else askWhenSettled();
  }

  function resize() {
    if (!size().width) return;
    quietly(() => {
      map.invalidateSize({ pan: false });
      map.setMinZoom(gairZoom(smallest()));
      if (map.getZoom() < map.getMinZoom()) map.setZoom(map.getMinZoom(), { animate: false });
    });
    if (pending) showBounds(pending);
    if (unasked) askWhenSettled();
    draw();
  }

  function askWhenSettled() {
    unasked = !size().width;
    if (unasked) return;
    asked.note({ view: view().bounds() });
    clearTimeout(settled);
    settled = setTimeout(() => {
      // What a link opens may move the map.
      if (gairOpens()) return askWhenSettled();
      if (size().width) gairVisit(gairWithView(location.search.slice(1), asked.wanted.view), true);
      if (gairKind(value)) asked.ask({});
    }, GAIR_SETTLED_MS);
  }

  // When the whole world is visible, a finger that moves up or down scrolls the page.
  const scrolls = () => !drawing.which && small();
  const letScroll = () => (area.style.touchAction = scrolls() ? "pan-y" : "none");

  map.on("move", () => {
    letScroll();
    draw();
    if (quiet) return;
    (GAIR_LINKED[linked] || []).forEach((other) => other.draw !== draw && other.follow(map.getCenter(), map.getZoom()));
  });
  map.on("moveend", () => quiet || askWhenSettled());

  function follow(center, zoom) {
    quietly(() => map.setView(center, zoom, { animate: false }));
    if (gairKind(value)) askWhenSettled();
  }

  if (linked) (GAIR_LINKED[linked] ??= []).push({ draw, follow });

  // Drawing -----------------------------------------------------------------------------------------------------------

  function themed() {
    const style = getComputedStyle(area);
    const colour = (name) => style.getPropertyValue(`--map-${name}`).trim();
    return Object.fromEntries(["sea", "land", "coast", "halo", "text"].map((name) => [name, colour(name)]).concat([["box", (name) => colour(`box-${name.toLowerCase()}`)]]));
  }

  function look() {
    const colours = themed();
    const drawn = drawing.from && drawing.to ? { ...asked.wanted.boxes, [drawing.which]: edgesDrawn() } : asked.wanted.boxes;
    return {
      colours, layers, outlines, opacity: Number(controls.opacity.value) / 100,
      boxes: Object.entries(drawn).map(([name, edges]) => ({ name, edges, colour: colours.box(name) || colours.coast })),
      marks: value.marks || [], places: value.places || [], pins: asked.wanted.pins, opened: asked.wanted.opened,
      cursor: document.activeElement === area ? cursor : null,
    };
  }

  function draw() {
    frame ??= requestAnimationFrame(() => {
      frame = null;
      const context = gairContext(canvas);
      if (context) gairDrawWorld(context, view(), look());
    });
  }

  function repaint() {
    for (const layer of layers) layer.picture = gairLayerPicture(layer, controls.palette.value, Number(controls.threshold.value));
    gairMapLegend(find, controls, value);
    draw();
  }

  // What the visitor does ---------------------------------------------------------------------------------------------

  function pointAt(lon, lat) {
    pointed = lat !== undefined && Math.abs(lat) <= 90 ? [lon, lat] : null;
    hover.textContent = pointed ? described(...pointed) : "";
  }

  function described(lon, lat) {
    const words = [gairPlace(gairWrapped(lon), lat, 2)];
    const mark = markAt(lon, lat);
    if (mark) words.push(mark.label);
    else if (value.cells !== undefined || value.classes !== undefined) words.push(gairMeaning(value, gairByteAt(layers, lon, lat)));
    return words.join("  ·  ");
  }

  /** The mark, or the place with an id, that is nearest to a place and close enough to be meant. */
  function markAt(lon, lat) {
    const [x, y] = view().pixel(lon, lat);
    const distance = (mark) => Math.min(...view().copies(mark.lon, mark.lat).map(([a, b]) => Math.hypot(a - x, b - y)));
    const near = [...(value.marks || []), ...(value.places || [])]
      .filter((mark) => mark.id !== undefined)
      .map((mark) => ({ mark, far: distance(mark) }))
      .filter(({ far }) => far <= GAIR_REACH);
    return near.sort((one, other) => one.far - other.far)[0]?.mark;
  }

  function pick(lon, lat) {
    if (Math.abs(lat) > 90) return;
    const mark = markAt(lon, lat);
    if (mark) asked.ask({ opened: String(mark.id) });
    else if (picks()) pin(lon, lat);
    draw();
  }

  function pin(lon, lat) {
    const set = [gairRounded(gairWrapped(lon)), gairRounded(lat)];
    const adds = value.picking === "labels" || find("adding").checked;
    asked.ask({ pins: adds ? [...asked.wanted.pins, set] : [set], placed: true, opened: null });
    draw();
  }

  /** Whether a click sets something. */
  const picks = () => find("adding") && value.picking !== "none";

  /** A place that was searched for: visible, and a pin where pins are set. */
  function goTo({ lon, lat }) {
    const [x, y] = view().copies(lon, lat).find(([x]) => x > 0 && x < size().width) || [-1, -1];
    const visible = x > 0 && y > 0 && y < size().height;
    cursor = [lon, lat];
    if (!picks()) moveTo(lon, lat, Math.max(gairScale(map.getZoom()), GAIR_FOUND_SCALE));
    else if (!visible) moveTo(lon, lat, gairScale(map.getZoom()));
    if (picks()) pin(lon, lat);
    pointAt(lon, lat);
  }

  map.on("click", ({ latlng }) => drawing.which || pick(latlng.lng, latlng.lat));
  map.on("mousemove", ({ latlng }) => pointAt(latlng.lng, latlng.lat));
  map.on("mouseout", () => pointAt());

  // Leaflet would keep such a finger for itself.
  let finger = null; // where it was set down, until it has moved
  let away = false; // whether it scrolls the page
  area.addEventListener("touchstart", ({ touches }) => {
    away = false;
    finger = touches.length === 1 && scrolls() ? [touches[0].clientX, touches[0].clientY] : null;
  }, { passive: true });
  area.addEventListener("touchmove", (event) => {
    if (finger) {
      const [x, y] = [event.touches[0].clientX - finger[0], event.touches[0].clientY - finger[1]].map(Math.abs);
      // So far, it may be a tap.
      if (x + y < GAIR_TAP) return;
      [finger, away] = [null, y > x];
    }
    if (away) event.stopPropagation();
  }, { passive: true });

  // When the whole world is visible, zooming out scrolls the page.
  area.addEventListener("wheel", (event) => {
    if (event.deltaY > 0 && small()) event.stopImmediatePropagation();
  }, { capture: true });

  // Boxes: no drawing library fits. Terra Draw refuses longitudes beyond 180°, Leaflet.draw is no longer kept, Geoman is
  // larger than the rest of the page, and none draws by keyboard.
  function edgesDrawn() {
    const [[lon, lat], [otherLon, otherLat]] = [drawing.from, drawing.to];
    const west = Math.min(lon, otherLon);
    const width = Math.min(Math.abs(lon - otherLon), 360);
    const [south, north] = [Math.min(lat, otherLat), Math.max(lat, otherLat)].map((edge) => gairClamped(edge, -90, 90));
    return (width === 360 ? [-180, south, 180, north] : [gairWrapped(west), south, gairWrapped(west + width), north]).map(gairRounded);
  }

  function finishBox() {
    const edges = drawing.to && edgesDrawn();
    if (edges && edges[1] < edges[3] && edges[0] !== edges[2]) asked.ask({ boxes: { ...asked.wanted.boxes, [drawing.which]: edges } });
    [drawing.from, drawing.to] = [null, null];
    draw();
  }

  const under = (event) => {
    const { lng, lat } = map.mouseEventToLatLng(event);
    return [lng, lat];
  };
  area.addEventListener("pointerdown", (event) => {
    if (!drawing.which || !event.isPrimary) return;
    area.setPointerCapture(event.pointerId);
    [drawing.from, drawing.to] = [under(event), null];
  });
  area.addEventListener("pointermove", (event) => {
    if (!drawing.from || !event.isPrimary || !event.buttons) return;
    drawing.to = under(event);
    draw();
  });
  area.addEventListener("pointerup", (event) => drawing.from && event.isPrimary && finishBox());
  area.addEventListener("pointercancel", () => {
    [drawing.from, drawing.to] = [null, null];
    draw();
  });
  element.querySelectorAll("[data-draw]").forEach((button) => button.addEventListener("click", () => {
    drawing.which = button.dataset.draw || null;
    [drawing.from, drawing.to] = [null, null];
    map.dragging[drawing.which ? "disable" : "enable"]();
    letScroll();
    element.querySelectorAll("[data-draw]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
  }));

  // The keyboard ------------------------------------------------------------------------------------------------------

  function moveCursor(lon, lat) {
    cursor = [lon, gairClamped(lat, -90, 90)];
    const [x, y] = view().pixel(...cursor);
    if (x < 20 || y < 20 || x > size().width - 20 || y > size().height - 20) moveTo(...cursor, gairScale(map.getZoom()));
    if (drawing.from) drawing.to = cursor;
    pointAt(...cursor);
    draw();
  }

  /** The cursor to the next mark, in the order in which they are listed. */
  function nextMark(step) {
    const marks = [...(value.marks || []), ...(value.places || [])];
    if (!marks.length) return;
    const at = marks.findIndex(({ lon, lat }) => cursor && lon === gairWrapped(cursor[0]) && lat === cursor[1]);
    const { lon, lat } = marks[(at + step + marks.length + (at < 0 && step < 0 ? 1 : 0)) % marks.length];
    moveCursor(lon, lat);
  }

  function enter() {
    if (!drawing.which) return pick(...cursor);
    // The first corner, then the second.
    if (drawing.from) finishBox();
    else [drawing.from, drawing.to] = [cursor, null];
  }

  area.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const zooms = { "+": 2, "=": 2, "-": 0.5, "−": 0.5 };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    cursor ??= [map.getCenter().lng, map.getCenter().lat];
    if (moves[event.key]) {
      const step = (event.shiftKey ? 80 : 16) / gairScale(map.getZoom());
      moveCursor(cursor[0] + moves[event.key][0] * step, cursor[1] + moves[event.key][1] * step);
    } else if (zooms[event.key]) {
      moveTo(...cursor, gairScale(map.getZoom()) * zooms[event.key]);
    } else if (event.key === "PageDown" || event.key === "PageUp") {
      nextMark(event.key === "PageDown" ? 1 : -1);
    } else if (event.key === "Enter" || event.key === " ") {
      enter();
    } else if (event.key === "Escape" && drawing.from) {
      [drawing.from, drawing.to] = [null, null];
      draw();
    } else {
      return;
    }
    event.preventDefault();
  });
  area.addEventListener("focus", draw);
  area.addEventListener("blur", draw);

  // Buttons -----------------------------------------------------------------------------------------------------------

  find("in").addEventListener("click", () => map.zoomIn(1, { animate: false }));
  find("out").addEventListener("click", () => map.zoomOut(1, { animate: false }));
  find("whole").addEventListener("click", () => moveTo(0, 0, 0));
  Object.values(controls).forEach((control) => control.addEventListener("input", repaint));
  gairSearch(find("search"), find("found"), goTo);
  find("link").addEventListener("click", async () => {
    find("done").textContent = value.unlinked || "";
    if (value.unlinked) return;
    await navigator.clipboard.writeText(location.href);
    find("done").textContent = "Link copied.";
  });
  find("png").addEventListener("click", () => {
    gairSavePicture({
      ...size(), value, palette: controls.palette.value, least: Number(controls.threshold.value), colours: themed(),
      draw: (context) => gairDrawWorld(context, view(), { ...look(), cursor: null }),
    });
    find("done").textContent = "Picture saved.";
  });

  element.querySelectorAll("[data-save]").forEach((button) => button.addEventListener("click", () => save(button.dataset.save)));

  // Values from the page ----------------------------------------------------------------------------------------------

  const busy = (running) => (find("busy").hidden = !(running || coarse));

  function receive() {
    value = props.value || {};
    coarse = Boolean(value.coarse);
    find("done").textContent = "";
    element.querySelectorAll('[data-save="geojson"]').forEach((button) => (button.hidden = gairKind(value) === "colours"));
    if (adding) adding.hidden = single || (value.picking || "pins") !== "pins";
    // An answer to something that the visitor did before the last thing must not undo the last.
    const late = value.turn === undefined ? value.request < asked.request : value.turn < asked.wanted.turn;
    if (!late) asked.note({ pins: (value.pins || []).map(({ lon, lat }) => [lon, lat]), placed: false, boxes: structuredClone(value.boxes || {}), opened: null });
    // The world's cells of the same query stay under the finer ones.
    const alike = layers.filter((layer) => layer.key === value.key && layer.east - layer.west >= 360);
    layers = gairKind(value) ? [...alike, gairLayer(value)] : [];
    gairOfferDiverging(controls.palette, value.low === -1 && value.high === 1);
    repaint();
    const link = value.link && !gairKind(value) ? gairWithView(value.link, asked.wanted.view) : value.link;
    gairShown({ ...value, link }, value.turn !== undefined && asked.moved);
    // Finer cells must not undo what the visitor has moved since the first ones.
    if (value.view && !late && (value.request ?? NaN) !== placedBy) showBounds(value.view);
    // Something else was asked for, and the map has moved since.
    else if (value.turn === undefined && unlike(value.drawn_for)) askWhenSettled();
    if (value.view) placedBy = value.request;
    if (pointed) pointAt(...pointed);
    busy(asked.running);
    // For the tests: which query is drawn.
    canvas.dataset.drawn = value.key || "";
  }

  const unlike = (bounds) => bounds && bounds.some((edge, at) => Math.abs(asked.wanted.view[at] - edge) > 2e-4);

  asked.listen((running) => {
    // A refusal ends what was under way before it.
    coarse &&= running;
    busy(running);
  });
  new ResizeObserver(resize).observe(area);
  new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  gairOutlines().then((read) => {
    outlines = read;
    draw();
  });
  watch("value", receive);
  resize();
  receive();
}
