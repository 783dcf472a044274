// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// A map on a canvas: plate carrée, longitudes without end. The page gives it a value (a layer of bytes, pins, places,
// boxes), and it sends what the visitor does: `send("pick", {lon, lat})`, `send("view", bounds)`, `send("box", …)`.
// Palette, opacity, threshold and hover work here, without the server.

"use strict";

const GAIR_NO_DATA = 255;
// Seventeen colours each, evenly spaced, as matplotlib defines them; all can be told apart by colour-blind people.
const GAIR_PALETTES = {
  cividis: "00224e002e6a1a386f32436d434e6c535a6d61656f6f70737d7c788c88789b9476aba072bcae6ccdbb63dec958f0d846fee838",
  viridis: "44015448186a472d7b4240863b528b33638d2c728e26828e21918c1fa08828ae803fbc735ec96284d44baddc30d8e219fde725",
  PuOr: "7f3b08a04d07be630adb7d12ef9e3cfdbd6efed7a2fbe9cff6f6f7e3e4efcecde4b6b0d4988dbe7967a65d379044176f2d004b",
};
const GAIR_DEEPEST = 4096; // pixels a degree
const GAIR_SETTLED_MS = 250; // without movement, before finer cells are asked for

/** 255 colours [r, g, b] of a palette. */
function gairColours(name) {
  const stops = GAIR_PALETTES[name].match(/../g).map((pair) => parseInt(pair, 16));
  return Array.from({ length: GAIR_NO_DATA }, (_, level) => {
    const at = (level / (GAIR_NO_DATA - 1)) * 16;
    const stop = Math.min(Math.floor(at), 15);
    return [0, 1, 2].map((part) => stops[3 * stop + part] * (stop + 1 - at) + stops[3 * stop + 3 + part] * (at - stop));
  });
}

const gairWrapped = (lon) => ((((lon + 180) % 360) + 360) % 360) - 180;
const gairClamped = (value, low, high) => Math.min(Math.max(value, low), high);
const gairPlace = (lon, lat) =>
  `${Math.abs(lat).toFixed(2)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(lon).toFixed(2)}° ${lon < 0 ? "W" : "E"}`;

function gairMap(element, props, watch, send) {
  const find = (name) => element.querySelector(`[data-part="${name}"]`);
  const canvas = find("canvas");
  const hover = find("hover");
  const controls = { palette: find("palette"), opacity: find("opacity"), threshold: find("threshold") };
  const drawing = { which: null, from: null, to: null }; // the box in the making
  let view = { lon: 0, lat: 0, scale: 1 }; // the centre, and pixels a degree
  let value = {};
  let layers = []; // the world, and what is finer
  let cursor = null; // of the keyboard: lon, lat
  let settled = null;
  let asked = null; // the view that cells were asked for last

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
    return { west: start, south: Math.max(south, -90), east: start + Math.min(east - west, 360), north: Math.min(north, 90) };
  };

  function moveTo(lon, lat, scale, quietly = false) {
    scale = gairClamped(scale, smallest(), GAIR_DEEPEST);
    const reach = Math.max(90 - size().height / 2 / scale, 0);
    view = { lon: gairWrapped(lon), lat: gairClamped(lat, -reach, reach), scale };
    // Where there is nothing to pan to, a finger scrolls the page.
    canvas.style.touchAction = drawing.which || scale > smallest() * 1.01 ? "none" : "pan-y";
    if (value.cells && !quietly) askWhenSettled();
    draw();
  }

  function askWhenSettled() {
    clearTimeout(settled);
    settled = setTimeout(() => {
      asked = bounds();
      send("view", asked);
    }, GAIR_SETTLED_MS);
  }

  /** Whether what came was drawn for another view: one that is asked for while an earlier is answered can get lost. */
  const unanswered = () =>
    asked && value.drawn_for && ["west", "south", "east", "north"].some((edge, at) => Math.abs(asked[edge] - value.drawn_for[at]) > 2e-4);

  /** Whether all that can be seen is drawn already, so that a new size of the window asks for nothing. */
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
    const cells = Uint8Array.from(atob(sent.cells), (letter) => letter.charCodeAt(0));
    return { ...sent, cells, picture: null };
  }

  /** A layer's cells as a picture of its size, in the colours chosen. */
  function paint(layer) {
    const picture = document.createElement("canvas");
    [picture.width, picture.height] = [layer.columns, layer.rows];
    const pixels = new ImageData(layer.columns, layer.rows);
    const colours = gairColours(controls.palette.value);
    const least = Number(controls.threshold.value);
    layer.cells.forEach((level, cell) => {
      if (level === GAIR_NO_DATA || level < least) return;
      pixels.data.set(colours[level], 4 * cell);
      pixels.data[4 * cell + 3] = 255;
    });
    picture.getContext("2d").putImageData(pixels, 0, 0);
    return picture;
  }

  /** The byte at a place, of the finest layer there; undefined outside. */
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

  /** Calls with the pixel offset of every turn of the world that is in view. */
  function eachTurn(call) {
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
    eachTurn((offset) => GAIR_LAND.rings_lon_lat.forEach((ring) => trace(context, ring, offset)));
  }

  function marker(context, lon, lat, text, style) {
    eachTurn((offset) => {
      const [x, y] = toPixel(lon, lat);
      context.beginPath();
      context.arc(x + offset, y, style.radius, 0, 2 * Math.PI);
      context.fillStyle = style.fill;
      context.fill();
      context.lineWidth = 2;
      context.strokeStyle = style.stroke;
      context.stroke();
      context.fillStyle = style.stroke;
      context.fillText(text, x + offset, y + 0.5);
    });
  }

  function box(context, name, [west, south, east, north], colour) {
    const width = east > west ? east - west : east - west + 360;
    eachTurn((offset) => {
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
    const { width, height } = size();
    if (!width) return; // in a tab that is not shown
    const ratio = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    }
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = "600 11px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillStyle = colour("--map-sea");
    context.fillRect(0, 0, width, height);
    traceLand(context);
    context.fillStyle = colour("--map-land");
    context.fill("evenodd");
    context.imageSmoothingEnabled = false;
    context.globalAlpha = Number(controls.opacity.value) / 100;
    for (const layer of layers) {
      layer.picture ??= paint(layer);
      const [x, y] = toPixel(layer.west, layer.north);
      const [wide, high] = [(layer.east - layer.west) * view.scale, (layer.north - layer.south) * view.scale];
      eachTurn((offset) => context.drawImage(layer.picture, x + offset, y, wide, high));
    }
    context.globalAlpha = 1;
    traceLand(context);
    context.lineJoin = "round";
    context.lineWidth = 1;
    context.strokeStyle = layers.length ? "rgba(255, 255, 255, 0.75)" : colour("--map-coast");
    context.stroke();
    Object.entries(value.boxes || {}).forEach(([name, edges]) => box(context, name, edges, colour(`--map-box-${name.toLowerCase()}`)));
    if (drawing.from && drawing.to) box(context, drawing.which, edgesDrawn(), colour(`--map-box-${drawing.which.toLowerCase()}`));
    (value.places || []).forEach(({ lon, lat }, number) => {
      marker(context, lon, lat, String(number + 1), { radius: 9, fill: "#fff", stroke: "#111" });
    });
    (value.pins || []).forEach(({ lon, lat }) => {
      marker(context, lon, lat, "★", { radius: 10, fill: "#c2410c", stroke: "#fff" });
    });
    if (cursor && document.activeElement === canvas) drawCursor(context);
  }

  function drawCursor(context) {
    const [x, y] = toPixel(cursor[0], cursor[1]);
    for (const [thickness, stroke] of [[5, "#fff"], [2, "#111"]]) {
      context.lineWidth = thickness;
      context.strokeStyle = stroke;
      context.beginPath();
      context.moveTo(x - 14, y);
      context.lineTo(x + 14, y);
      context.moveTo(x, y - 14);
      context.lineTo(x, y + 14);
      context.stroke();
    }
  }

  function drawLegend() {
    find("legend").hidden = !value.cells;
    if (!value.cells) return;
    const context = find("ramp").getContext("2d");
    gairColours(controls.palette.value).forEach((rgb, level) => {
      context.fillStyle = level < Number(controls.threshold.value) ? "rgba(128, 128, 128, 0.25)" : `rgb(${rgb})`;
      context.fillRect(level, 0, 1, 1);
    });
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => value.low + share * (value.high - value.low));
    const digits = value.high - value.low < 0.2 ? 3 : 2;
    find("ticks").replaceChildren(...ticks.map((cosine) => {
      const tick = document.createElement("span");
      tick.textContent = cosine.toFixed(digits);
      return tick;
    }));
    find("scale").textContent = value.scale;
    const least = Number(controls.threshold.value);
    find("least").textContent = least ? `from ${cosineText(least)}` : "all";
    find("seen").textContent = `${controls.opacity.value} %`;
  }

  function repaint() {
    layers.forEach((layer) => (layer.picture = null));
    drawLegend();
    draw();
  }

  // What the visitor does ---------------------------------------------------------------------------------------------

  const position = (event) => {
    const frame = canvas.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  };
  const fingers = new Map(); // pointer → its last position
  let dragged = false;

  function hoverAt(lon, lat) {
    const inside = Math.abs(lat) <= 90;
    hover.textContent = inside ? gairPlace(gairWrapped(lon), lat) + (value.cells ? `  ·  ${cosineText(levelAt(lon, lat))}` : "") : "";
  }

  function pick(lon, lat) {
    if (Math.abs(lat) <= 90) send("pick", { lon: gairWrapped(lon), lat });
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
      const [west, south, east, north] = edgesDrawn();
      send("box", { which: drawing.which, west, south, east, north });
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
    // Out of the whole world the wheel scrolls the page.
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

  // What the page sends -----------------------------------------------------------------------------------------------

  function receive() {
    value = props.value || {};
    find("copied").textContent = "";
    // Coarse cells of the same query stay under the finer ones.
    const alike = layers.filter((layer) => layer.key === value.key && layer.east - layer.west >= 360);
    layers = value.cells ? [...alike, layerOf(value)] : [];
    const signed = value.low === -1 && value.high === 1;
    controls.palette.querySelector('[value="PuOr"]').disabled = !signed;
    if (!signed && controls.palette.value === "PuOr") controls.palette.value = "cividis";
    if (value.link !== undefined) history.replaceState(null, "", `${location.pathname}?${value.link}`);
    repaint();
    if (value.view) showBounds(value.view);
    else if (unanswered()) askWhenSettled();
    // For the tests: what is drawn, and of which query.
    canvas.dataset.drawn = value.key || "";
  }

  new ResizeObserver(() => {
    if (size().width) moveTo(view.lon, view.lat, view.scale, wholeWorld());
  }).observe(canvas);
  new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  watch("value", receive);
  receive();
}
