// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// The map of the world on a canvas: plate carrée, repeated in longitude. The page gives it a value (a layer of bytes, pins,
// places, boxes), and it keeps all that the visitor wants (view, pins, boxes) as the value of a hidden component. Palette,
// opacity, threshold and hover need no server. Uses shared.js.

"use strict";

const GAIR_DEEPEST = 4096; // pixels a degree
const GAIR_SETTLED_MS = 250; // without movement before finer cells are requested

/** What the visitor of a map wants, by the map's id: see `events.Wanted`. */
const gairAsked = ((all) => (id) => (all[id] ??= new GairAsked()))({});

class GairAsked {
  wanted = { view: [-180, -90, 180, 90], pins: [], boxes: {}, opened: null, turn: 0 };
  #write = () => {};
  #trigger = () => {};

  /** Called by the hidden component, whose value the server reads. */
  connect(props, trigger) {
    this.#write = () => (props.value = structuredClone(this.wanted));
    this.#trigger = trigger;
    this.#write();
  }

  /** Notes what the server or the browser changed, without a request. */
  note(change) {
    Object.assign(this.wanted, change);
    this.#write();
  }

  /** Notes what the visitor did, and asks for an answer. */
  ask(change) {
    this.note({ ...change, turn: this.wanted.turn + 1 });
    this.#trigger();
  }
}

const gairRounded = (degrees) => Math.round(degrees * 1e4) / 1e4;

function gairMap(element, props, watch, asked) {
  const find = (name) => element.querySelector(`[data-part="${name}"]`);
  const canvas = find("canvas");
  const hover = find("hover");
  const controls = { palette: find("palette"), opacity: find("opacity"), threshold: find("threshold") };
  const drawing = { which: null, from: null, to: null }; // the box that is being drawn
  let view = { lon: 0, lat: 0, scale: 1 }; // the centre, and pixels a degree
  let value = {};
  let layers = []; // the world, then finer cells
  let cursor = null; // of the keyboard: lon, lat
  let settled = null;

  // Geometry ----------------------------------------------------------------------------------------------------------

  const size = () => ({ width: canvas.clientWidth, height: canvas.clientHeight });
  const smallest = () => Math.max(size().width / 360, size().height / 180);
  const toPixel = (lon, lat) => [
    size().width / 2 + (lon - view.lon) * view.scale,
    size().height / 2 - (lat - view.lat) * view.scale,
  ];
  const toPlace = (x, y) => [
    view.lon + (x - size().width / 2) / view.scale,
    view.lat - (y - size().height / 2) / view.scale,
  ];
  const bounds = () => {
    const [west, north] = toPlace(0, 0);
    const [east, south] = toPlace(size().width, size().height);
    const start = gairWrapped(west);
    return [start, Math.max(south, -90), start + Math.min(east - west, 360), Math.min(north, 90)].map(gairRounded);
  };

  function moveTo(lon, lat, scale, quietly = false) {
    scale = gairClamped(scale, smallest(), GAIR_DEEPEST);
    const reach = Math.max(90 - size().height / 2 / scale, 0);
    view = { lon: gairWrapped(lon), lat: gairClamped(lat, -reach, reach), scale };
    // When the whole world is visible, a finger scrolls the page.
    canvas.style.touchAction = drawing.which || scale > smallest() * 1.01 ? "none" : "pan-y";
    if (!quietly) {
      asked.note({ view: bounds() });
      if (value.cells) askWhenSettled();
    }
    draw();
  }

  function askWhenSettled() {
    clearTimeout(settled);
    settled = setTimeout(() => asked.ask({}), GAIR_SETTLED_MS);
  }

  /** Whether an answer shows another view than the visitor wants: something else was asked for, then the map moved. */
  const unlike = (view) => view && view.some((edge, at) => Math.abs(asked.wanted.view[at] - edge) > 2e-4);

  /** Whether the whole world is drawn, so that resizing the window requires no request. */
  const wholeWorld = () => value.east - value.west >= 360;

  function zoomAt(x, y, factor) {
    const [lon, lat] = toPlace(x, y);
    const scale = gairClamped(view.scale * factor, smallest(), GAIR_DEEPEST);
    moveTo(lon - (x - size().width / 2) / scale, lat + (y - size().height / 2) / scale, scale);
  }

  function showBounds([west, south, east, north]) {
    const scale = Math.min(size().width / (east - west), size().height / (north - south));
    moveTo((west + east) / 2, (south + north) / 2, scale, wholeWorld());
  }

  // Layers ------------------------------------------------------------------------------------------------------------

  function layerOf(sent) {
    return { ...sent, cells: gairBytes(sent.cells), picture: null };
  }

  /** The cells of a layer as a picture in the chosen colours. */
  function paint(layer) {
    const picture = document.createElement("canvas");
    gairPaint(picture, layer.cells, layer.columns, layer.rows, controls.palette.value, Number(controls.threshold.value));
    return picture;
  }

  /** The level at a place in the finest layer there; undefined outside. */
  function levelAt(lon, lat) {
    for (const layer of [...layers].reverse()) {
      const column = Math.floor(((((lon - layer.west) % 360) + 360) % 360) / ((layer.east - layer.west) / layer.columns));
      const row = Math.floor((layer.north - lat) / ((layer.north - layer.south) / layer.rows));
      if (column < layer.columns && row >= 0 && row < layer.rows) return layer.cells[row * layer.columns + column];
    }
    return undefined;
  }

  function cosineText(level) {
    if (level === undefined || level === GAIR_NO_DATA) return "no data";
    const cosine = value.low + (level / (GAIR_NO_DATA - 1)) * (value.high - value.low);
    const beyond = level === 0 && value.low > -1 ? "≤ " : level === GAIR_NO_DATA - 1 && value.high < 1 ? "≥ " : "";
    return beyond + cosine.toFixed(value.high - value.low < 0.05 ? 4 : 3);
  }

  // Drawing -----------------------------------------------------------------------------------------------------------

  /** Calls back with the pixel offset of each visible copy of the world. */
  function eachCopy(call) {
    const turn = 360 * view.scale;
    const first = Math.ceil((-size().width / 2 - (180 - view.lon) * view.scale) / turn) - 1;
    for (let number = first; number * turn < size().width / 2 + turn; number += 1) call(number * turn);
  }

  function trace(context, ring, offset) {
    for (let i = 0; i < ring.length; i += 2) {
      const [x, y] = toPixel(ring[i], ring[i + 1]);
      if (i) context.lineTo(x + offset, y);
      else context.moveTo(x + offset, y);
    }
    context.closePath();
  }

  function traceLand(context) {
    context.beginPath();
    eachCopy((offset) => GAIR_LAND.rings_lon_lat.forEach((ring) => trace(context, ring, offset)));
  }

  function marker(context, lon, lat, text, style) {
    const [x, y] = toPixel(lon, lat);
    eachCopy((offset) => gairDisc(context, [x + offset, y], text, style));
  }

  function box(context, name, [west, south, east, north], colour) {
    const width = east > west ? east - west : east - west + 360;
    eachCopy((offset) => {
      const [x, y] = toPixel(west, north);
      context.lineWidth = 4;
      context.strokeStyle = "#fff";
      context.strokeRect(x + offset, y, width * view.scale, (north - south) * view.scale);
      context.lineWidth = 2;
      context.strokeStyle = colour;
      context.strokeRect(x + offset, y, width * view.scale, (north - south) * view.scale);
      context.fillStyle = colour;
      context.fillRect(x + offset, y, 20, 20);
      context.fillStyle = "#fff";
      context.fillText(name, x + offset + 10, y + 10.5);
    });
  }

  function draw() {
    const context = gairContext(canvas);
    if (!context) return;
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    drawGround(context, colour);
    drawLayers(context);
    drawCoast(context, colour);
    const boxColour = (name) => colour(`--map-box-${name.toLowerCase()}`);
    Object.entries(asked.wanted.boxes).forEach(([name, edges]) => box(context, name, edges, boxColour(name)));
    if (drawing.from && drawing.to) box(context, drawing.which, edgesDrawn(), boxColour(drawing.which));
    (value.places || []).forEach(({ lon, lat }, number) => {
      marker(context, lon, lat, String(number + 1), { radius: 9, fill: "#fff", stroke: "#111" });
    });
    asked.wanted.pins.forEach(([lon, lat]) => {
      marker(context, lon, lat, "★", { radius: 10, fill: "#c2410c", stroke: "#fff" });
    });
    if (cursor && document.activeElement === canvas) gairCross(context, toPixel(...cursor), 14, [[5, "#fff"], [2, "#111"]]);
  }

  function drawGround(context, colour) {
    context.fillStyle = colour("--map-sea");
    context.fillRect(0, 0, size().width, size().height);
    traceLand(context);
    context.fillStyle = colour("--map-land");
    context.fill("evenodd");
  }

  function drawLayers(context) {
    context.imageSmoothingEnabled = false;
    context.globalAlpha = Number(controls.opacity.value) / 100;
    for (const layer of layers) {
      layer.picture ??= paint(layer);
      const [x, y] = toPixel(layer.west, layer.north);
      const [wide, high] = [(layer.east - layer.west) * view.scale, (layer.north - layer.south) * view.scale];
      eachCopy((offset) => context.drawImage(layer.picture, x + offset, y, wide, high));
    }
    context.globalAlpha = 1;
  }

  function drawCoast(context, colour) {
    traceLand(context);
    context.lineJoin = "round";
    context.lineWidth = 1;
    context.strokeStyle = layers.length ? "rgba(255, 255, 255, 0.75)" : colour("--map-coast");
    context.stroke();
  }

  function drawLegend() {
    find("legend").hidden = !value.cells;
    if (!value.cells) return;
    const least = Number(controls.threshold.value);
    gairDrawRamp(find("ramp"), find("ticks"), controls.palette.value, value.low, value.high, least);
    find("scale").textContent = value.scale;
    find("least").textContent = least ? `from ${cosineText(least)}` : "all";
    find("seen").textContent = `${controls.opacity.value} %`;
  }

  function repaint() {
    layers.forEach((layer) => (layer.picture = null));
    drawLegend();
    draw();
  }

  // Input -----------------------------------------------------------------------------------------------------------

  const position = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  const fingers = new Map(); // pointer → its last position
  let dragged = false;

  function hoverAt(lon, lat) {
    const inside = Math.abs(lat) <= 90;
    hover.textContent = inside ? gairPlace(gairWrapped(lon), lat, 2) + (value.cells ? `  ·  ${cosineText(levelAt(lon, lat))}` : "") : "";
  }

  function pick(lon, lat) {
    if (Math.abs(lat) > 90 || !find("adding")) return;
    const pin = [gairRounded(gairWrapped(lon)), gairRounded(lat)];
    asked.ask({ pins: find("adding").checked ? [...asked.wanted.pins, pin] : [pin] });
    draw();
  }

  function edgesDrawn() {
    const [[lon, lat], [otherLon, otherLat]] = [drawing.from, drawing.to];
    const west = Math.min(lon, otherLon);
    const width = Math.min(Math.abs(lon - otherLon), 360);
    const [south, north] = [Math.min(lat, otherLat), Math.max(lat, otherLat)].map((edge) => gairClamped(edge, -90, 90));
    return width === 360 ? [-180, south, 180, north] : [gairWrapped(west), south, gairWrapped(west + width), north];
  }

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, position(event));
    if (fingers.size === 1) dragged = false;
    if (drawing.which && fingers.size === 1) drawing.from = toPlace(...position(event));
  });

  canvas.addEventListener("pointermove", (event) => {
    const [x, y] = position(event);
    hoverAt(...toPlace(x, y));
    const last = fingers.get(event.pointerId);
    if (!last) return;
    if (Math.hypot(x - last[0], y - last[1]) < 4 && !dragged) return;
    dragged = true;
    if (drawing.from && fingers.size === 1) {
      drawing.to = toPlace(x, y);
      draw();
      return;
    }
    const other = [...fingers].find(([finger]) => finger !== event.pointerId)?.[1];
    fingers.set(event.pointerId, [x, y]);
    if (other) {
      const before = Math.hypot(last[0] - other[0], last[1] - other[1]);
      zoomAt((x + other[0]) / 2, (y + other[1]) / 2, Math.hypot(x - other[0], y - other[1]) / Math.max(before, 1));
    } else {
      moveTo(view.lon - (x - last[0]) / view.scale, view.lat + (y - last[1]) / view.scale, view.scale);
    }
  });

  canvas.addEventListener("pointerup", (event) => {
    const alone = fingers.size === 1;
    fingers.delete(event.pointerId);
    if (!alone) return;
    if (drawing.to) {
      asked.ask({ boxes: { ...asked.wanted.boxes, [drawing.which]: edgesDrawn().map(gairRounded) } });
      [drawing.from, drawing.to] = [null, null];
    } else if (!dragged && !drawing.which) {
      pick(...toPlace(...position(event)));
    }
  });

  canvas.addEventListener("pointercancel", (event) => {
    fingers.delete(event.pointerId);
    [drawing.from, drawing.to] = [null, null];
  });

  canvas.addEventListener("pointerleave", () => (hover.textContent = ""));

  canvas.addEventListener("wheel", (event) => {
    const factor = Math.exp(-gairClamped(event.deltaY, -200, 200) / 300);
    // When the whole world is visible, zooming out scrolls the page.
    if (factor < 1 && view.scale <= smallest() * 1.001) return;
    event.preventDefault();
    zoomAt(...position(event), factor);
  }, { passive: false });

  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    const zooms = { "+": 2, "=": 2, "-": 0.5 };
    const { width, height } = size();
    cursor ??= [view.lon, view.lat];
    if (moves[event.key]) {
      const step = (event.shiftKey ? 80 : 16) / view.scale;
      cursor = [cursor[0] + moves[event.key][0] * step, gairClamped(cursor[1] + moves[event.key][1] * step, -90, 90)];
      const [x, y] = toPixel(...cursor);
      if (x < 20 || y < 20 || x > width - 20 || y > height - 20) moveTo(cursor[0], cursor[1], view.scale);
      cursor[0] = view.lon + gairWrapped(cursor[0] - view.lon);
    } else if (zooms[event.key]) {
      moveTo(cursor[0], cursor[1], view.scale * zooms[event.key]);
    } else if (event.key === "Enter" || event.key === " ") {
      pick(...cursor);
    } else {
      return;
    }
    event.preventDefault();
    hoverAt(...cursor);
    draw();
  });

  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);
  find("in").addEventListener("click", () => zoomAt(size().width / 2, size().height / 2, 2));
  find("out").addEventListener("click", () => zoomAt(size().width / 2, size().height / 2, 0.5));
  find("whole").addEventListener("click", () => moveTo(0, 0, 0));
  Object.values(controls).forEach((control) => control.addEventListener("input", repaint));
  element.querySelectorAll("[data-draw]").forEach((button) => button.addEventListener("click", () => {
    drawing.which = button.dataset.draw || null;
    element.querySelectorAll("[data-draw]").forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    moveTo(view.lon, view.lat, view.scale);
  }));
  find("link").addEventListener("click", async () => {
    await navigator.clipboard.writeText(location.href);
    find("copied").textContent = "Link copied.";
  });

  // Values from the page ----------------------------------------------------------------------------------------------

  function receive() {
    value = props.value || {};
    find("copied").textContent = "";
    // The world's cells of the same query stay under the finer ones.
    const alike = layers.filter((layer) => layer.key === value.key && layer.east - layer.west >= 360);
    layers = value.cells ? [...alike, layerOf(value)] : [];
    gairOfferDiverging(controls.palette, value.low === -1 && value.high === 1);
    // An answer to something that the visitor did before the last thing must not undo the last.
    const late = value.turn !== undefined && value.turn < asked.wanted.turn;
    if (!late) {
      const boxes = Object.fromEntries(Object.entries(value.boxes || {}).map(([name, edges]) => [name, [...edges]]));
      asked.note({ pins: (value.pins || []).map(({ lon, lat }) => [lon, lat]), boxes });
    }
    if (value.link !== undefined) history.replaceState(null, "", `${location.pathname}?${value.link}`);
    repaint();
    if (value.view) showBounds(value.view);
    else if (value.turn === undefined && unlike(value.drawn_for)) askWhenSettled();
    // For the tests: which query is drawn.
    canvas.dataset.drawn = value.key || "";
  }

  new ResizeObserver(() => {
    if (size().width) moveTo(view.lon, view.lat, view.scale, wholeWorld());
  }).observe(canvas);
  new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  watch("value", receive);
  receive();
}
