// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// A tile three times, under its similarity maps by NILI, bilinear interpolation and the mean. The page gives a value
// (pictures, maps, points), and it reports what the visitor does: `send("pick", {x, y})`, `send("save", {format})`. Bands,
// palette, scale, opacity and hover need no server. Uses shared.js.

"use strict";

/** Downloads a file from an answer: its name, and its content in base64. */
function gairSave({ name, content }) {
  gairDownload(new Blob([gairBytes(content)]), name);
}

function gairTile(element, props, watch, send) {
  const find = (name) => element.querySelector(`[data-part="${name}"]`);
  const panels = [...element.querySelectorAll("[data-reading]")].map((panel) => ({
    reading: panel.dataset.reading,
    picture: panel.querySelector("img"),
    map: panel.querySelector('canvas[data-part="map"]'),
    marks: panel.querySelector('canvas[data-part="marks"]'),
    caption: panel.querySelector("[data-part=\"read\"]"),
  }));
  const controls = { palette: find("palette"), scale: find("scale"), opacity: find("opacity") };
  const places = find("hover");
  let value = {};
  let maps = {}; // by reading: cosines, row by row from the north-west
  let layer = 0;
  let pointer = null; // x, y in [0, 1]: of the mouse or the keyboard

  // Values at a point -------------------------------------------------------------------------------------------------

  function cosineAt(reading, [x, y]) {
    if (reading === "mean") return value.mean;
    const cell = (share) => Math.min(Math.floor(share * value.side), value.side - 1);
    return maps[reading][cell(y) * value.side + cell(x)];
  }

  function placeText([x, y]) {
    if (!value.corners) return `${Math.round(100 * x)} % east, ${Math.round(100 * y)} % south`;
    const [lon, lat] = [0, 1].map((axis) => {
      const [northWest, northEast, southWest, southEast] = value.corners.map((corner) => corner[axis]);
      return (1 - y) * ((1 - x) * northWest + x * northEast) + y * ((1 - x) * southWest + x * southEast);
    });
    return gairPlace(gairWrapped(lon), lat, 4);
  }

  /** The ends of the colour scale, and its name. */
  function range() {
    if (controls.scale.value === "full") return [-1, 1, "full, −1 to 1"];
    if (controls.scale.value === "fixed" && value.fixed) return [...value.fixed, "fixed for this model and kind of query"];
    const sorted = [...maps.nili].sort((one, other) => one - other);
    const [low, high] = [0.02, 0.98].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
    return [low, Math.max(high, low + 1e-3), "stretched, 2nd to 98th percentile of NILI here"];
  }

  // Drawing -----------------------------------------------------------------------------------------------------------

  function drawMap(panel, [low, high]) {
    const side = panel.reading === "mean" ? 1 : value.side;
    const cosines = panel.reading === "mean" ? [value.mean] : [...maps[panel.reading]];
    const levels = cosines.map((cosine) => Math.round(gairClamped((cosine - low) / (high - low), 0, 1) * (GAIR_NO_DATA - 1)));
    gairPaint(panel.map, levels, side, side, controls.palette.value);
    panel.map.style.opacity = controls.opacity.value / 100;
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

  function drawMarks({ marks, reading }) {
    const context = gairContext(marks);
    if (!context) return;
    const at = ([x, y]) => [x * marks.clientWidth, y * marks.clientHeight];
    const disc = (point, text, fill) => gairDisc(context, at(point), text, { radius: 9, fill, stroke: "#fff" });
    if (reading === "nili") {
      (value.photos || []).forEach((point, number) => disc(point, String(number + 1), "#334155"));
      if (value.best) ring(context, at(value.best), 12, "#111");
    }
    if (value.query) disc(value.query, "★", "#c2410c");
    if (pointer) gairCross(context, at(pointer), 9, [[4, "rgba(255, 255, 255, 0.9)"], [1.5, "#111"]]);
  }

  function drawHover() {
    panels.forEach((panel) => {
      drawMarks(panel);
      if (!value.maps) panel.caption.textContent = "";
      else if (panel.reading === "mean") panel.caption.textContent = value.mean.toFixed(3);
      else if (pointer) panel.caption.textContent = cosineAt(panel.reading, pointer).toFixed(3);
      else panel.caption.textContent = "";
    });
    places.textContent = pointer ? placeText(pointer) : "Hover over the tile to read values; click a point to make it the query.";
  }

  function drawLegend([low, high, called]) {
    gairDrawRamp(find("ramp"), find("ticks"), controls.palette.value, low, high);
    find("called").textContent = called;
    find("seen").textContent = `${controls.opacity.value} %`;
  }

  function draw() {
    const pictures = Object.values(value.layers || {});
    panels.forEach((panel) => {
      if (pictures.length) panel.picture.src = pictures[layer];
      panel.map.hidden = !value.maps;
    });
    find("legend").hidden = !value.maps;
    if (value.maps) {
      gairOfferDiverging(controls.palette, controls.scale.value === "full");
      const shown = range();
      panels.forEach((panel) => drawMap(panel, shown));
      drawLegend(shown);
    }
    drawHover();
  }

  // Input -----------------------------------------------------------------------------------------------------------

  /** Downloads the large picture, without the cursor. */
  function savePicture() {
    const [{ picture, map, marks }] = panels;
    pointer = null;
    drawHover();
    const whole = document.createElement("canvas");
    [whole.width, whole.height] = [marks.width, marks.height];
    const context = whole.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, 0, 0, whole.width, whole.height);
    context.globalAlpha = controls.opacity.value / 100;
    context.imageSmoothingEnabled = true;
    context.drawImage(map, 0, 0, whole.width, whole.height);
    context.globalAlpha = 1;
    context.drawImage(marks, 0, 0);
    whole.toBlob((blob) => gairDownload(blob, "similarity.png"));
  }

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
  Object.values(controls).forEach((control) => control.addEventListener("input", draw));
  const bands = [...element.querySelectorAll("[data-layer]")];
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
    draw();
    // For the tests: which query is drawn.
    element.querySelector(".gair-tile").dataset.drawn = value.key || "";
  }

  new ResizeObserver(drawHover).observe(panels[0].marks);
  watch("value", receive);
  receive();
}
