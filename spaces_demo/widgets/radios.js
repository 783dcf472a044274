// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// Gradio gives each radio button a name of its own, and a new one whenever it changes. With a shared name, arrow keys move among
// the buttons and Tab leaves them, as everywhere else.

"use strict";

document.addEventListener("keydown", ({ target }) => {
  if (target.type !== "radio") return;
  const group = target.closest("fieldset").querySelectorAll("[type=radio]");
  group.forEach((radio) => (radio.name = group[0].name));
}, true);
