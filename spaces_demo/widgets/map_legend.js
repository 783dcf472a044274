// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// The legend of a world map: on the page, and on the picture that a visitor saves.

"use strict";

const GAIR_PICTURE_PIXELS = 2; // pixels of a saved picture for each of the page
const GAIR_CREDIT = "GAIR · coasts and borders: Natural Earth";

/** Fills in the legend of a value; `find` finds a part of the map, `controls` are its palette, threshold and opacity. */
function gairMapLegend(find, controls, value) {
  const kind = gairKind(value);
  find("legend").hidden = !kind;
  find("title").textContent = value.title || "";
  element("[data-for]").forEach((part) => (part.hidden = !part.dataset.for.split(" ").includes(kind)));
  find("seen").textContent = `${controls.opacity.value}%`;
  if (kind === "classes") find("classes").replaceChildren(...value.names.map((name, number) => entry(name, value.palette[number])));
  if (kind !== "cells") return;
  const least = Number(controls.threshold.value);
  gairDrawRamp(find("ramp"), find("ticks"), controls.palette.value, value.low, value.high, least);
  find("unit").textContent = gairUnit(value);
  find("scale").textContent = value.scale;
  find("least").textContent = least ? `from ${gairMeaning(value, least)}` : "all";

  function element(selector) {
    return find("legend").querySelectorAll(selector);
  }

  function entry(name, colour) {
    const item = document.createElement("li");
    const swatch = document.createElement("span");
    swatch.className = "gair-map-class";
    swatch.style.background = colour;
    item.append(swatch, name);
    return item;
  }
}

/** What the numbers of a value are. */
const gairUnit = (value) => value.unit || "cosine similarity";

/** Saves the map as a PNG: its title, what `draw(context)` draws on width × height, its legend and the credits. */
function gairSavePicture({ width, height, value, palette, least, colours, draw }) {
  const lines = gairKind(value) === "classes" ? Math.ceil(value.names.length / 3) : 2;
  const [above, below] = [value.title ? 34 : 10, 18 * lines + 36];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width * GAIR_PICTURE_PIXELS, (above + height + below) * GAIR_PICTURE_PIXELS];
  const context = canvas.getContext("2d");
  context.scale(GAIR_PICTURE_PIXELS, GAIR_PICTURE_PIXELS);
  context.fillStyle = colours.halo;
  context.fillRect(0, 0, width, above + height + below);
  context.save();
  context.translate(0, above);
  gairSmallText(context);
  draw(context);
  context.restore();
  context.fillStyle = colours.text;
  context.textBaseline = "middle";
  text(value.title || "", 10, above / 2, "600 15px");
  const top = above + height + 16;
  if (gairKind(value) === "cells") ramp(top);
  if (gairKind(value) === "classes") classes(top);
  text(GAIR_CREDIT, 10, above + height + below - 12, "11px");
  canvas.toBlob((blob) => gairDownload(blob, "gair-map.png"));

  function text(words, x, y, font) {
    context.font = `${font} system-ui, sans-serif`;
    context.fillText(words, x, y, width - x - 10);
  }

  function ramp(y) {
    const wide = Math.min(320, width - 20);
    gairColours(palette).forEach((rgb, level) => {
      context.fillStyle = level < least ? "rgba(128, 128, 128, 0.25)" : `rgb(${rgb})`;
      context.fillRect(10 + (level * wide) / GAIR_NO_DATA, y - 6, wide / GAIR_NO_DATA + 0.5, 12);
    });
    context.fillStyle = colours.text;
    const digits = value.high - value.low < 0.2 ? 3 : 2;
    text(gairNumber(value.low, digits), 10, y + 17, "11px");
    context.textAlign = "right";
    context.fillText(gairNumber(value.high, digits), 10 + wide, y + 17);
    context.textAlign = "left";
    text(`${gairUnit(value)} (${value.scale})`, Math.min(20 + wide, width / 2), wide < width / 2 ? y : y + 17, "11px");
  }

  function classes(y) {
    value.names.forEach((name, number) => {
      const [x, line] = [10 + (number % 3) * ((width - 20) / 3), y + 18 * Math.floor(number / 3)];
      context.fillStyle = value.palette[number];
      context.fillRect(x, line - 6, 14, 12);
      context.fillStyle = colours.text;
      text(name, x + 20, line, "12px");
    });
  }
}
