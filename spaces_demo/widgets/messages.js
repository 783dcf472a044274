// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// Escape closes the messages of the page, which the Tab key reaches last of all.

"use strict";

document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") document.querySelectorAll("[data-testid=toast-close]").forEach((button) => button.click());
});
