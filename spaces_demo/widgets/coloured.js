// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// A tile in true colour beside its embeddings as colours. Uses shared.js and address.js.

"use strict";

/** `save(format)` asks the page for a file; the PNG needs no server. */
function gairColoured(element, props, watch, save) {
  const find = (name) => element.querySelector(`[data-part="${name}"]`);

  function receive() {
    const value = props.value || {};
    if (!value.picture) return;
    find("picture").src = value.picture;
    find("colours").src = value.colours;
    find("said").textContent = value.said;
    gairShown(value);
    // For the tests: which tile is drawn.
    element.querySelector(".gair-coloured").dataset.drawn = value.name;
  }

  function savePicture() {
    const { name, said } = props.value;
    const [side, gap, head, foot] = [480, 16, 40, 40];
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [2 * side + 3 * gap, head + side + foot];
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    ["picture", "colours"].forEach((part, number) => context.drawImage(find(part), gap + number * (side + gap), head, side, side));
    [context.fillStyle, context.textBaseline] = ["#111", "middle"];
    context.font = "600 15px system-ui, sans-serif";
    context.fillText(`${name}: true colour, and embeddings as colours`, gap, head / 2, canvas.width - 2 * gap);
    context.font = "14px system-ui, sans-serif";
    context.fillText(said, gap, head + side + foot / 2, canvas.width - 2 * gap);
    canvas.toBlob((blob) => gairDownload(blob, "gair-tile-colours.png"));
  }

  element.querySelectorAll("[data-save]").forEach((button) => button.addEventListener("click", () => {
    if (button.dataset.save === "png") savePicture();
    else save(button.dataset.save);
  }));
  watch("value", receive);
  receive();
}
