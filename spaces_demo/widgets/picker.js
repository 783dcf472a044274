// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// Marks the chosen picture and reports its number; run by Gradio once the component is loaded.

element.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-number]");
  if (!chosen) return;
  element.querySelectorAll("[data-number]").forEach((other) => other.setAttribute("aria-pressed", String(other === chosen)));
  trigger("choose", { number: Number(chosen.dataset.number) });
});
