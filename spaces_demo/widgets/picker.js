// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// Marks the chosen picture, shows it within the strip, and reports its number; run by Gradio once the component is loaded.

element.addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-number]");
  if (!chosen) return;
  element.querySelectorAll("[data-number]").forEach((other) => other.setAttribute("aria-pressed", String(other === chosen)));
  trigger("choose", { number: Number(chosen.dataset.number) });
});

function showChosen() {
  const strip = element.querySelector(".gair-picker");
  const chosen = strip.querySelector('[aria-pressed="true"]');
  // Not scrollIntoView, which would scroll the page too.
  if (chosen) strip.scrollLeft = chosen.offsetLeft - (strip.clientWidth - chosen.clientWidth) / 2;
}

watch("value", () => requestAnimationFrame(showChosen));
// A strip has no width while its tab is hidden.
new ResizeObserver(showChosen).observe(element);
