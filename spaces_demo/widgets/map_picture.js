// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// The picture of a world map on a canvas, in plate carrée, repeated in longitude: ground, cells, coasts, borders, graticule,
// boxes, marks. A view is {lon, lat, scale, width, height}: the centre, pixels a degree, and the size in pixels.

"use strict";

const GAIR_GRATICULE = [60, 30, 15, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01]; // degrees between lines
const GAIR_LINES_APART = 60; // pixels, at least
const GAIR_MARKS = { photo: "#7c3aed", plus: "#15803d", minus: "#b91c1c", tile: "#0f766e", class: "#334155" };
const GAIR_SIGNS = { photo: "", plus: "+", minus: "−", tile: "", class: "" };

/** Positions in a view. */
class GairView {
  constructor({ lon, lat, scale, width, height }) {
    Object.assign(this, { lon, lat, scale, width, height });
  }

  pixel(lon, lat) {
    return [this.width / 2 + (lon - this.lon) * this.scale, this.height / 2 - (lat - this.lat) * this.scale];
  }

  place(x, y) {
    return [this.lon + (x - this.width / 2) / this.scale, this.lat - (y - this.height / 2) / this.scale];
  }

  /** West, south, east, north: west in [−180, 180), at most once around the world. */
  bounds() {
    const [west, north] = this.place(0, 0);
    const [east, south] = this.place(this.width, this.height);
    const start = gairRounded(gairWrapped(west));
    return [start, Math.max(south, -90), start + Math.min(east - west, 360), Math.min(north, 90)].map(gairRounded);
  }

  /** The positions of a place in all visible copies of the world, and a little beyond. */
  copies(lon, lat) {
    const [x, y] = this.pixel(gairWrapped(lon), lat);
    return this.turns().map((turn) => [x + 360 * turn * this.scale, y]);
  }

  /** How many turns of the world to the east each visible copy is. */
  turns() {
    const [west] = this.place(0, 0);
    const [east] = this.place(this.width, 0);
    const first = Math.floor((west - 180) / 360) - 1;
    return Array.from({ length: Math.ceil((east + 180) / 360) + 1 - first }, (_, number) => first + number);
  }
}

/** Draws everything; `look` has the colours of the theme by name, and what to draw. */
function gairDrawWorld(context, view, look) {
  context.save();
  context.beginPath();
  context.rect(0, 0, view.width, view.height);
  context.clip();
  drawGround();
  drawLayers();
  drawLines();
  drawGraticule();
  look.boxes.forEach(drawBox);
  look.marks.forEach(drawMark);
  look.places.forEach(({ lon, lat }, number) => {
    disc(lon, lat, String(number + 1), { radius: 9, fill: "#fff", stroke: "#111" });
  });
  look.pins.forEach(([lon, lat]) => disc(lon, lat, "★", { radius: 10, fill: "#c2410c", stroke: "#fff" }));
  if (look.cursor) gairCross(context, view.pixel(...look.cursor), 14, [[5, "#fff"], [2, "#111"]]);
  context.restore();

  function drawGround() {
    context.fillStyle = look.colours.sea;
    context.fillRect(0, 0, view.width, view.height);
    context.fillStyle = look.colours.land;
    inDegrees((paths) => context.fill(paths.land, "evenodd"));
  }

  function drawLayers() {
    context.save();
    context.imageSmoothingEnabled = false;
    context.globalAlpha = look.opacity;
    for (const { west, south, east, north, picture } of look.layers) {
      const [wide, high] = [(east - west) * view.scale, (north - south) * view.scale];
      view.copies(west, north).forEach(([x, y]) => context.drawImage(picture, x, y, wide, high));
    }
    context.restore();
  }

  function drawLines() {
    context.lineJoin = "round";
    context.strokeStyle = look.layers.length ? "rgba(255, 255, 255, 0.8)" : look.colours.coast;
    inDegrees((paths) => {
      context.lineWidth = 1 / view.scale;
      context.stroke(paths.coasts);
      context.globalAlpha = 0.6;
      context.lineWidth = 0.7 / view.scale;
      context.stroke(paths.borders);
    });
  }

  /** Calls back for each copy of the world with a context in degrees. */
  function inDegrees(draw) {
    if (!look.outlines) return;
    for (const turn of view.turns()) {
      context.save();
      context.translate(...view.pixel(360 * turn, 0));
      context.scale(view.scale, -view.scale);
      draw(look.outlines);
      context.restore();
    }
  }

  function drawGraticule() {
    const step = GAIR_GRATICULE.findLast((degrees) => degrees * view.scale >= GAIR_LINES_APART) ?? GAIR_GRATICULE[0];
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    const [west, north] = view.place(0, 0);
    const [east, south] = view.place(view.width, view.height);
    const lines = (low, high) =>
      Array.from({ length: Math.floor(high / step) - Math.ceil(low / step) + 1 }, (_, at) => (Math.ceil(low / step) + at) * step);
    context.save();
    context.lineWidth = 1;
    context.font = "10px system-ui, sans-serif";
    const line = (from, to) => {
      context.strokeStyle = "rgba(110, 125, 140, 0.35)";
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    };
    const label = (text, x, y) => {
      context.lineWidth = 3;
      context.strokeStyle = look.colours.halo;
      context.strokeText(text, x, y);
      context.lineWidth = 1;
      context.fillStyle = look.colours.text;
      context.fillText(text, x, y);
    };
    for (const lon of lines(west, east)) {
      const [x] = view.pixel(lon, 0);
      line([x, 0], [x, view.height]);
      if (x > 24 && x < view.width - 48) label(gairMeridian(gairWrapped(lon), digits), x, 9);
    }
    for (const lat of lines(Math.max(south, -90), Math.min(north, 90))) {
      const [, y] = view.pixel(0, lat);
      line([0, y], [view.width, y]);
      if (y > 20 && y < view.height - 36) label(gairParallel(lat, digits), 20, y);
    }
    context.restore();
  }

  function drawBox({ name, edges: [west, south, east, north], colour }) {
    const wide = (east > west ? east - west : east - west + 360) * view.scale;
    const high = (north - south) * view.scale;
    for (const [x, y] of view.copies(west, north)) {
      for (const [thickness, stroke] of [[4, "#fff"], [2, colour]]) {
        context.lineWidth = thickness;
        context.strokeStyle = stroke;
        context.strokeRect(x, y, wide, high);
      }
      context.fillStyle = colour;
      context.fillRect(x, y, 20, 20);
      context.fillStyle = "#fff";
      context.fillText(name, x + 10, y + 10.5);
    }
  }

  function drawMark({ id, lon, lat, kind, colour }) {
    const style = { radius: kind === "plus" || kind === "minus" ? 9 : 6, fill: colour || GAIR_MARKS[kind], stroke: "#fff" };
    if (id === look.opened) disc(lon, lat, "", { radius: style.radius + 5, fill: "#fff", stroke: "#111" });
    disc(lon, lat, GAIR_SIGNS[kind], style);
  }

  function disc(lon, lat, text, style) {
    view.copies(lon, lat).forEach((point) => gairDisc(context, point, text, style));
  }
}

const gairMeridian = (lon, digits) =>
  `${Math.abs(lon).toFixed(digits)}°${lon && Math.abs(lon) !== 180 ? (lon < 0 ? " W" : " E") : ""}`;
const gairParallel = (lat, digits) => `${Math.abs(lat).toFixed(digits)}°${lat ? (lat < 0 ? " S" : " N") : ""}`;

// Layers --------------------------------------------------------------------------------------------------------------

const gairKind = (value) => ["cells", "colours", "classes"].find((kind) => value[kind] !== undefined) || null;

/** What was sent, with its bytes decoded; `picture` is painted in the chosen colours. */
const gairLayer = (sent) => ({ ...sent, kind: gairKind(sent), bytes: gairBytes(sent[gairKind(sent)]), picture: null });

/** The cells of a layer as a picture. */
function gairLayerPicture({ kind, bytes, columns, rows, palette }, chosen, least) {
  const picture = document.createElement("canvas");
  if (kind === "cells") {
    gairPaint(picture, bytes, columns, rows, chosen, least);
    return picture;
  }
  [picture.width, picture.height] = [columns, rows];
  const pixels = new ImageData(columns, rows);
  if (kind === "colours") {
    pixels.data.set(bytes);
  } else {
    const colours = palette.map(gairRgb);
    bytes.forEach((number, cell) => {
      if (number !== GAIR_NO_DATA) pixels.data.set([...colours[number], 255], 4 * cell);
    });
  }
  picture.getContext("2d").putImageData(pixels, 0, 0);
  return picture;
}

const gairRgb = (colour) => colour.slice(1).match(/../g).map((pair) => parseInt(pair, 16));

/** The byte of the finest layer at a place; undefined outside, and where a layer holds colours. */
function gairByteAt(layers, lon, lat) {
  for (const layer of [...layers].reverse()) {
    const column = Math.floor(((((lon - layer.west) % 360) + 360) % 360) / ((layer.east - layer.west) / layer.columns));
    const row = Math.floor((layer.north - lat) / ((layer.north - layer.south) / layer.rows));
    if (layer.kind !== "colours" && column < layer.columns && row >= 0 && row < layer.rows) return layer.bytes[row * layer.columns + column];
  }
  return undefined;
}

/** What a byte of a map means, in words. */
function gairMeaning({ cells, names, low, high }, byte) {
  if (byte === undefined || byte === GAIR_NO_DATA) return "no data";
  if (cells === undefined) return names[byte];
  const cosine = low + (byte / (GAIR_NO_DATA - 1)) * (high - low);
  const beyond = byte === 0 && low > -1 ? "≤ " : byte === GAIR_NO_DATA - 1 && high < 1 ? "≥ " : "";
  return beyond + gairNumber(cosine, high - low < 0.05 ? 4 : 3);
}
