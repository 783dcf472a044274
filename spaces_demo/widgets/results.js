// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// The results of a search. Files of all results come from the server; the picture of those that are shown is drawn here.

"use strict";

const GAIR_CARD = 220; // pixels
const GAIR_CARDS = 4; // in a row
const GAIR_SPACE = 16;
const GAIR_LINE = 18;

function gairResults(element, props, watch, save) {
  element.addEventListener("click", async (event) => {
    const format = event.target.closest("[data-save]")?.dataset.save;
    if (format === "png") (await gairResultsPicture(element)).toBlob((blob) => gairDownload(blob, "gair-results.png"));
    else if (format) save(format);
  });
  watch("value", () => gairShown(props.value));
}

/** The query and what it found as on the page, one section below the other. */
async function gairResultsPicture(element) {
  const images = [...element.querySelectorAll("img")];
  images.forEach((image) => (image.loading = "eager"));
  await Promise.all(images.map((image) => image.decode()));
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  const width = GAIR_SPACE + GAIR_CARDS * (GAIR_CARD + GAIR_SPACE);
  const steps = []; // what is drawn once the height is known

  /** Writes below `top` and returns the height. */
  function write(words, x, top, room, font) {
    context.font = font;
    const lines = gairLines(context, words, room);
    steps.push(() => {
      [context.font, context.fillStyle, context.textAlign, context.textBaseline] = [font, "#111", "left", "top"];
      lines.forEach((line, number) => context.fillText(line, x, top + number * GAIR_LINE));
    });
    return lines.length * GAIR_LINE;
  }

  function card(figure, x, top) {
    const frame = figure.querySelector(".gair-found-picture");
    const high = frame.classList.contains("gair-found-tile") ? GAIR_CARD : 0.75 * GAIR_CARD;
    steps.push(() => drawFrame(frame, x, top, high));
    const caption = figure.querySelector("figcaption").innerText.split("\n");
    return caption.reduce((y, line) => y + write(line, x, top + y, GAIR_CARD, "13px system-ui, sans-serif"), high + 8);
  }

  function drawFrame(frame, x, top, high) {
    const image = frame.querySelector("img");
    // The middle of the image, as on the page.
    const scale = Math.max(GAIR_CARD / image.naturalWidth, high / image.naturalHeight);
    const [wide, deep] = [GAIR_CARD / scale, high / scale];
    context.imageSmoothingEnabled = !frame.classList.contains("gair-found-tile");
    context.drawImage(image, (image.naturalWidth - wide) / 2, (image.naturalHeight - deep) / 2, wide, deep, x, top, GAIR_CARD, high);
    if (frame.classList.contains("gair-found-own")) {
      [context.lineWidth, context.strokeStyle] = [3, "#c2410c"];
      context.strokeRect(x - 3, top - 3, GAIR_CARD + 6, high + 6);
    }
    gairSmallText(context);
    frame.querySelectorAll(".gair-found-mark").forEach((mark) => {
      const [left, down] = [mark.style.left, mark.style.top].map((share) => parseFloat(share) / 100);
      gairDisc(context, [x + left * GAIR_CARD, top + down * high], mark.textContent, { radius: 9, fill: "#c2410c", stroke: "#fff" });
    });
  }

  function cards(figures, top) {
    let y = top;
    for (let first = 0; first < figures.length; first += GAIR_CARDS) {
      const row = figures.slice(first, first + GAIR_CARDS);
      y += Math.max(...row.map((figure, number) => card(figure, GAIR_SPACE + number * (GAIR_CARD + GAIR_SPACE), y))) + GAIR_SPACE;
    }
    return y - top;
  }

  let y = GAIR_SPACE;
  for (const part of element.querySelectorAll("h3, p, .gair-found, .gair-found-asked > figure")) {
    const heading = part.tagName === "H3";
    if (heading || part.tagName === "P") {
      y += write(part.innerText, GAIR_SPACE, y, width - 2 * GAIR_SPACE, heading ? "600 16px system-ui, sans-serif" : "13px system-ui, sans-serif") + 8;
    } else {
      y += cards(part.tagName === "FIGURE" ? [part] : [...part.children], y);
    }
  }
  [canvas.width, canvas.height] = [width * GAIR_PICTURE_PIXELS, y * GAIR_PICTURE_PIXELS];
  context.scale(GAIR_PICTURE_PIXELS, GAIR_PICTURE_PIXELS);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, y);
  steps.forEach((step) => step());
  return canvas;
}

/** Breaks words into lines that have room, in the font of the context. */
function gairLines(context, words, room) {
  const lines = [""];
  for (const word of words.split(/\s+/)) {
    const longer = `${lines.at(-1)} ${word}`.trim();
    if (context.measureText(longer).width <= room || !lines.at(-1)) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
