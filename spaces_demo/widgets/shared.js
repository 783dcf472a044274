// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// What the map of the world and the maps of a tile share: numbers, colours, legends, marks, files and the address of the page.

"use strict";

// Numbers -------------------------------------------------------------------------------------------------------------

const gairWrapped = (lon) => ((((lon + 180) % 360) + 360) % 360) - 180;
const gairClamped = (value, low, high) => Math.min(Math.max(value, low), high);
const gairRounded = (degrees) => Math.round(degrees * 1e4) / 1e4; // to 11 m
const gairNumber = (value, digits) => value.toFixed(digits).replace("-", "−"); // with a real minus sign
const gairBytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** A place in words, latitude first. */
const gairPlace = (lon, lat, digits) =>
  `${Math.abs(lat).toFixed(digits)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(lon).toFixed(digits)}° ${lon < 0 ? "W" : "E"}`;

// Colours -------------------------------------------------------------------------------------------------------------

const GAIR_NO_DATA = 255; // levels 0 to 254 are values
// Seventeen evenly spaced colours each, as in matplotlib; all are safe for colour-blind readers.
const GAIR_PALETTES = {
  cividis: "00224e002e6a1a386f32436d434e6c535a6d61656f6f70737d7c788c88789b9476aba072bcae6ccdbb63dec958f0d846fee838",
  viridis: "44015448186a472d7b4240863b528b33638d2c728e26828e21918c1fa08828ae803fbc735ec96284d44baddc30d8e219fde725",
  PuOr: "7f3b08a04d07be630adb7d12ef9e3cfdbd6efed7a2fbe9cff6f6f7e3e4efcecde4b6b0d4988dbe7967a65d379044176f2d004b",
};

/** The 255 colours [r, g, b] of a palette. */
function gairColours(name) {
  const stops = GAIR_PALETTES[name].match(/../g).map((pair) => parseInt(pair, 16));
  return Array.from({ length: GAIR_NO_DATA }, (_, level) => {
    const at = (level / (GAIR_NO_DATA - 1)) * 16;
    const stop = Math.min(Math.floor(at), 15);
    return [0, 1, 2].map((part) => stops[3 * stop + part] * (stop + 1 - at) + stops[3 * stop + 3 + part] * (at - stop));
  });
}

/** Paints levels (bytes, row by row) onto a canvas of columns × rows pixels; levels under `least` stay transparent. */
function gairPaint(canvas, levels, columns, rows, palette, least = 0) {
  [canvas.width, canvas.height] = [columns, rows];
  const pixels = new ImageData(columns, rows);
  const colours = gairColours(palette);
  levels.forEach((level, cell) => {
    if (level === GAIR_NO_DATA || level < least) return;
    pixels.data.set(colours[level], 4 * cell);
    pixels.data[4 * cell + 3] = 255;
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

/** Draws the colour bar of a legend and its five ticks; colours under `least` are grey. */
function gairDrawRamp(ramp, ticks, palette, low, high, least = 0) {
  const context = ramp.getContext("2d");
  gairColours(palette).forEach((rgb, level) => {
    context.fillStyle = level < least ? "rgba(128, 128, 128, 0.25)" : `rgb(${rgb})`;
    context.fillRect(level, 0, 1, 1);
  });
  ticks.replaceChildren(...[0, 0.25, 0.5, 0.75, 1].map((share) => {
    const tick = document.createElement("span");
    tick.textContent = gairNumber(low + share * (high - low), high - low < 0.2 ? 3 : 2);
    return tick;
  }));
}

/** The diverging palette is only offered for the scale from −1 to 1. */
function gairOfferDiverging(select, offered) {
  select.querySelector('[value="PuOr"]').disabled = !offered;
  if (!offered && select.value === "PuOr") select.value = "cividis";
}

// Marks ---------------------------------------------------------------------------------------------------------------

/** Fits a canvas to its size on the screen and returns its context in CSS pixels, or null in a hidden tab. */
function gairContext(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return null;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  gairSmallText(context);
  return context;
}

/** The text of marks: small, and centred. */
function gairSmallText(context) {
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
}

/** A disc with a short text, such as a pin or a number. */
function gairDisc(context, [x, y], text, { radius, fill, stroke }) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = fill;
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = stroke;
  context.stroke();
  context.fillStyle = stroke;
  context.fillText(text, x, y + 0.5);
}

/** The cursor: a cross with arms of a length, drawn once for each [thickness, colour]. */
function gairCross(context, [x, y], arm, strokes) {
  for (const [thickness, stroke] of strokes) {
    context.lineWidth = thickness;
    context.strokeStyle = stroke;
    context.beginPath();
    context.moveTo(x - arm, y);
    context.lineTo(x + arm, y);
    context.moveTo(x, y - arm);
    context.lineTo(x, y + arm);
    context.stroke();
  }
}

// Files ---------------------------------------------------------------------------------------------------------------

/** Downloads a blob under a name. */
function gairDownload(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
