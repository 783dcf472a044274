// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// A tile under its similarity maps, once for each way to read it. The page gives a value (pictures, maps, points), and it
// reports what the visitor does: `send("pick", {x, y})`, `send("save", {format})`. Bands, palette, scale, opacity, hover and
// the PNG need no server. Uses shared.js and address.js.

"use strict";

/** Downloads a file from an answer: its name, and its content in base64. */
function gairSave({ name, content }) {
  gairDownload(new Blob([gairBytes(content)]), name);
}

function gairTile(element, props, watch, send) {
  const find = (name) => element.querySelector(`[data-part="${name}"]`);
  const panels = [...element.querySelectorAll("[data-reading]")].map((figure) => {
    const part = (name) => figure.querySelector(`[data-part="${name}"]`);
    return {
      figure,
      name: figure.dataset.reading, // "own" is the reading of the model itself
      picture: figure.querySelector("img"),
      map: part("map"),
      marks: part("marks"),
      read: part("read"),
      rank: part("rank"),
      ramp: part("ramp"),
      ticks: part("ticks"),
    };
  });
  const controls = { palette: find("palette"), scale: find("scale"), opacity: find("opacity") };
  const bands = [...element.querySelectorAll("[data-layer]")];
  let value = {};
  let maps = {}; // by reading: cosines, row by row from the north-west; the mean is one number
  let layer = 0;
  let pointer = null; // x, y in [0, 1]: of the mouse or the keyboard

  const readingOf = (panel) => (panel.name === "own" ? value.own : panel.name);
  const sideOf = (reading) => (maps[reading].length === 1 ? 1 : value.side);
  const shown = () => panels.filter((panel) => !panel.figure.hidden);

  // Values at a point -------------------------------------------------------------------------------------------------

  function cosineAt(reading, [x, y]) {
    const side = sideOf(reading);
    const cell = (share) => Math.min(Math.floor(share * side), side - 1);
    return maps[reading][cell(y) * side + cell(x)];
  }

  function placeText([x, y]) {
    if (!value.corners) return `${Math.round(100 * x)}% from the west, ${Math.round(100 * y)}% from the north`;
    const [lon, lat] = [0, 1].map((axis) => {
      const [northWest, northEast, southWest, southEast] = value.corners.map((corner) => corner[axis]);
      return (1 - y) * ((1 - x) * northWest + x * northEast) + y * ((1 - x) * southWest + x * southEast);
    });
    return gairPlace(gairWrapped(lon), lat, 4);
  }

  /** The ends of the colour scale of a reading. */
  function range(reading) {
    const scale = controls.scale ? controls.scale.value : "each";
    if (scale === "full") return [-1, 1];
    if (scale === "fixed" && value.fixed) return value.fixed;
    const sorted = [...maps[scale === "one" ? value.own : reading]].sort((one, other) => one - other);
    const [low, high] = [0.02, 0.98].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
    // A map that is the same everywhere lies in the middle of its colours.
    return high - low < 1e-3 ? [low - 5e-3, high + 5e-3] : [low, high];
  }

  // Drawing -----------------------------------------------------------------------------------------------------------

  function drawMap(panel) {
    const reading = readingOf(panel);
    const [low, high] = range(reading);
    const levels = [...maps[reading]].map((cosine) => Math.round(gairClamped((cosine - low) / (high - low), 0, 1) * (GAIR_NO_DATA - 1)));
    gairPaint(panel.map, levels, sideOf(reading), sideOf(reading), controls.palette.value);
    panel.map.style.opacity = controls.opacity.value / 100;
    gairDrawRamp(panel.ramp, panel.ticks, controls.palette.value, low, high);
    const standing = (value.standings || {})[reading];
    panel.rank.textContent = standing === undefined ? "" : panel.rank.dataset.text.replace("SHARE", (100 * standing).toFixed(standing > 0.99 ? 1 : 0));
  }

  function ring(context, [x, y], radius, colour) {
    for (const [thickness, stroke] of [[5, "#fff"], [2.5, colour]]) {
      context.lineWidth = thickness;
      context.strokeStyle = stroke;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }

  function drawMarks(panel) {
    const context = gairContext(panel.marks);
    if (!context) return;
    const at = ([x, y]) => [x * panel.marks.clientWidth, y * panel.marks.clientHeight];
    const disc = (point, text, fill) => gairDisc(context, at(point), text, { radius: 9, fill, stroke: "#fff" });
    (value.photos || []).forEach((point, number) => disc(point, String(number + 1), "#334155"));
    const best = (value.best || {})[readingOf(panel)];
    if (best) ring(context, at(best), 12, "#111");
    if (value.query) disc(value.query, value.asked === "photo" ? "★" : "●", "#c2410c");
    if (pointer) gairCross(context, at(pointer), 9, [[4, "rgba(255, 255, 255, 0.9)"], [1.5, "#111"]]);
  }

  function drawHover() {
    shown().forEach((panel) => {
      drawMarks(panel);
      panel.read.textContent = pointer && value.maps ? gairNumber(cosineAt(readingOf(panel), pointer), 3) : "";
    });
    find("hover").textContent = pointer ? placeText(pointer) : "";
  }

  function draw() {
    const pictures = Object.values(value.layers || {});
    panels.forEach((panel) => {
      const reading = readingOf(panel);
      panel.figure.hidden = Boolean(value.maps) ? !maps[reading] : !["own", "nili"].includes(panel.name);
      if (pictures.length && panel.picture.getAttribute("src") !== pictures[layer]) panel.picture.src = pictures[layer];
      panel.map.hidden = !value.maps;
      panel.ramp.parentElement.hidden = !value.maps;
    });
    element.querySelectorAll("[data-with-map]").forEach((part) => { part.hidden = !value.maps; });
    if (value.maps) {
      gairOfferDiverging(controls.palette, controls.scale?.value === "full");
      if (controls.scale) controls.scale.querySelector('[value="fixed"]').disabled = !value.fixed;
      shown().forEach(drawMap);
    }
    find("seen").textContent = `${controls.opacity.value}%`;
    drawHover();
  }

  // A PNG with legend -------------------------------------------------------------------------------------------------

  /** All panels side by side, each above its name, its colours and their ends, under the title. */
  function picture() {
    const [side, gap, head, foot] = [480, 16, 40, 76];
    const drawn = shown();
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [gap + drawn.length * (side + gap), head + side + foot];
    const context = whole.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, whole.width, whole.height);
    const write = (text, x, y, align = "left", weight = 400) => {
      context.font = `${weight} 15px system-ui, sans-serif`;
      [context.fillStyle, context.textAlign, context.textBaseline] = ["#111", align, "middle"];
      context.fillText(text, x, y);
    };
    write(`${value.title} · cosine similarity · ★ photo, ring: most similar point`, gap, head / 2, "left", 600);
    drawn.forEach((panel, number) => {
      const x = gap + number * (side + gap);
      context.imageSmoothingEnabled = false;
      context.drawImage(panel.picture, x, head, side, side);
      context.imageSmoothingEnabled = true;
      context.globalAlpha = controls.opacity.value / 100;
      context.drawImage(panel.map, x, head, side, side);
      context.globalAlpha = 1;
      context.drawImage(panel.marks, x, head, side, side);
      write(panel.figure.dataset.title, x, head + side + 18, "left", 600);
      write(panel.rank.textContent, x + side, head + side + 18, "right");
      context.drawImage(panel.ramp, x, head + side + 34, side, 12);
      const [low, high] = range(readingOf(panel));
      write(gairNumber(low, 3), x, head + side + 60);
      write(gairNumber(high, 3), x + side, head + side + 60, "right");
    });
    return whole;
  }

  function savePicture() {
    pointer = null;
    drawHover();
    picture().toBlob((blob) => gairDownload(blob, "gair-tile.png"));
  }

  // Input -----------------------------------------------------------------------------------------------------------

  function position(event, canvas) {
    const frame = canvas.getBoundingClientRect();
    const share = (at, start, length) => gairClamped((at - start) / length, 0, 1);
    return [share(event.clientX, frame.left, frame.width), share(event.clientY, frame.top, frame.height)];
  }

  panels.forEach(({ marks }) => {
    marks.addEventListener("pointermove", (event) => {
      pointer = position(event, marks);
      drawHover();
    });
    marks.addEventListener("pointerleave", () => {
      pointer = null;
      drawHover();
    });
    marks.addEventListener("click", (event) => {
      const [x, y] = position(event, marks);
      send("pick", { x, y });
    });
    marks.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const step = event.shiftKey ? 0.1 : 1 / 64;
      pointer ??= [0.5, 0.5];
      if (moves[event.key]) pointer = pointer.map((at, axis) => gairClamped(at + step * moves[event.key][axis], 0, 1));
      else if (event.key === "Enter" || event.key === " ") send("pick", { x: pointer[0], y: pointer[1] });
      else return;
      event.preventDefault();
      drawHover();
    });
  });
  Object.values(controls).forEach((control) => control?.addEventListener("input", draw));
  bands.forEach((button, number) => button.addEventListener("click", () => {
    layer = number;
    bands.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    draw();
  }));
  element.querySelectorAll("[data-save]").forEach((button) => button.addEventListener("click", () => {
    if (button.dataset.save === "png") savePicture();
    else send("save", { format: button.dataset.save });
  }));

  // Values from the page ----------------------------------------------------------------------------------------------

  function receive() {
    value = props.value || {};
    pointer = null;
    maps = {};
    Object.entries(value.maps || {}).forEach(([reading, packed]) => {
      maps[reading] = Float32Array.from(new Int16Array(gairBytes(packed).buffer), (number) => number * value.unit);
    });
    if (value.maps) maps.mean = Float32Array.of(value.mean);
    draw();
    gairShown(value);
    // For the tests: which query is drawn.
    element.querySelector(".gair-tile").dataset.drawn = value.key || "";
  }

  new ResizeObserver(drawHover).observe(panels[0].marks);
  watch("value", receive);
  receive();
}
