// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// Three pictures of one tile under its similarity maps: NILI, bilinear, and the mean. The page gives a value (pictures,
// maps, points), and it sends what the visitor does: `send("pick", {x, y})`, `send("save", {format})`. Bands, palette, scale,
// opacity and hover work here, without the server. Colours are those of map.js.

"use strict";

const gairBytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** Saves a blob under a name, as a click on a link would. */
function gairDownload(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

/** Saves a file that came in an answer: its name, and its content in base64. */
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

  // What is known of a point ------------------------------------------------------------------------------------------

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
    const wrapped = ((((lon + 180) % 360) + 360) % 360) - 180;
    return `${Math.abs(lat).toFixed(4)}° ${lat < 0 ? "S" : "N"}, ${Math.abs(wrapped).toFixed(4)}° ${wrapped < 0 ? "W" : "E"}`;
  }

  /** Where the colours begin and end, and how that is called. */
  function range() {
    if (controls.scale.value === "full") return [-1, 1, "full, −1 to 1"];
    if (controls.scale.value === "fixed" && value.fixed) return [...value.fixed, "fixed for this model and kind of query"];
    const sorted = [...maps.nili].sort((one, other) => one - other);
    const [low, high] = [0.02, 0.98].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
    return [low, Math.max(high, low + 1e-3), "stretched, 2nd to 98th percentile of NILI here"];
  }

  // Drawing -----------------------------------------------------------------------------------------------------------

  function drawMap(panel, [low, high]) {
    const colours = gairColours(controls.palette.value);
    const side = panel.reading === "mean" ? 1 : value.side;
    [panel.map.width, panel.map.height] = [side, side];
    const pixels = new ImageData(side, side);
    const cosines = panel.reading === "mean" ? [value.mean] : maps[panel.reading];
    cosines.forEach((cosine, cell) => {
      const share = Math.min(Math.max((cosine - low) / (high - low), 0), 1);
      pixels.data.set(colours[Math.round(share * (colours.length - 1))], 4 * cell);
      pixels.data[4 * cell + 3] = 255;
    });
    panel.map.getContext("2d").putImageData(pixels, 0, 0);
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

  function disc(context, [x, y], text, fill) {
    context.beginPath();
    context.arc(x, y, 9, 0, 2 * Math.PI);
    context.fillStyle = fill;
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = "#fff";
    context.stroke();
    context.fillStyle = "#fff";
    context.fillText(text, x, y + 0.5);
  }

  function drawMarks({ marks, reading }) {
    const [width, height] = [marks.clientWidth, marks.clientHeight];
    if (!width) return; // in a tab that is not shown
    const ratio = window.devicePixelRatio || 1;
    [marks.width, marks.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    const context = marks.getContext("2d");
    context.scale(ratio, ratio);
    context.font = "600 11px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    const at = ([x, y]) => [x * width, y * height];
    if (reading === "nili") {
      (value.photos || []).forEach((point, number) => disc(context, at(point), String(number + 1), "#334155"));
      if (value.best) ring(context, at(value.best), 12, "#111");
    }
    if (value.query) disc(context, at(value.query), "★", "#c2410c");
    if (pointer) {
      const [x, y] = at(pointer);
      for (const [thickness, stroke] of [[4, "rgba(255, 255, 255, 0.9)"], [1.5, "#111"]]) {
        context.lineWidth = thickness;
        context.strokeStyle = stroke;
        context.beginPath();
        context.moveTo(x - 9, y);
        context.lineTo(x + 9, y);
        context.moveTo(x, y - 9);
        context.lineTo(x, y + 9);
        context.stroke();
      }
    }
  }

  function drawHover() {
    panels.forEach((panel) => {
      drawMarks(panel);
      if (!value.maps) panel.caption.textContent = "";
      else if (panel.reading === "mean") panel.caption.textContent = value.mean.toFixed(3);
      else if (pointer) panel.caption.textContent = cosineAt(panel.reading, pointer).toFixed(3);
      else panel.caption.textContent = "";
    });
    places.textContent = pointer ? placeText(pointer) : "Point at the tile to read values; click to compare with that point.";
  }

  function drawLegend([low, high, called]) {
    const context = find("ramp").getContext("2d");
    gairColours(controls.palette.value).forEach((rgb, level) => {
      context.fillStyle = `rgb(${rgb})`;
      context.fillRect(level, 0, 1, 1);
    });
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
      const tick = document.createElement("span");
      tick.textContent = (low + share * (high - low)).toFixed(high - low < 0.2 ? 3 : 2);
      return tick;
    });
    find("ticks").replaceChildren(...ticks);
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
      const signed = controls.scale.value === "full";
      controls.palette.querySelector('[value="PuOr"]').disabled = !signed;
      if (!signed && controls.palette.value === "PuOr") controls.palette.value = "cividis";
      const shown = range();
      panels.forEach((panel) => drawMap(panel, shown));
      drawLegend(shown);
    }
    drawHover();
  }

  // What the visitor does ---------------------------------------------------------------------------------------------

  /** What the large picture shows, without the cross of the mouse. */
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
    const share = (at, start, length) => Math.min(Math.max((at - start) / length, 0), 1);
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
      if (moves[event.key]) pointer = pointer.map((at, axis) => Math.min(Math.max(at + step * moves[event.key][axis], 0), 1));
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

  // What the page sends -----------------------------------------------------------------------------------------------

  function receive() {
    value = props.value || {};
    pointer = null;
    maps = {};
    Object.entries(value.maps || {}).forEach(([reading, packed]) => {
      maps[reading] = Float32Array.from(new Int16Array(gairBytes(packed).buffer), (number) => number * value.unit);
    });
    draw();
    // For the tests: what is drawn.
    element.querySelector(".gair-tile").dataset.drawn = value.key || "";
  }

  new ResizeObserver(drawHover).observe(panels[0].marks);
  watch("value", receive);
  receive();
}
