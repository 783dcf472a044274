// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// The search for places by name: a text field with a list, which keyboard and screen readers reach. Works offline.

"use strict";

const GAIR_MOST_FOUND = 8;

/** Connects the field and the list; `choose({name, country, lon, lat})` is called with the chosen place. */
function gairSearch(field, list, choose) {
  let found = [];
  let active = 0;
  let turn = 0;

  function show(places) {
    [found, active] = [places, 0];
    list.replaceChildren(...found.map(({ name, country }, number) => {
      const option = document.createElement("li");
      Object.assign(option, { id: `${list.id}-${number}`, textContent: `${name}, ${country}` });
      option.setAttribute("role", "option");
      // Before the field loses the focus, which closes the list.
      option.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        take(number);
      });
      return option;
    }));
    mark();
  }

  function mark() {
    list.hidden = !found.length;
    field.setAttribute("aria-expanded", String(Boolean(found.length)));
    if (found.length) field.setAttribute("aria-activedescendant", `${list.id}-${active}`);
    else field.removeAttribute("aria-activedescendant");
    [...list.children].forEach((option, number) => option.setAttribute("aria-selected", String(number === active)));
    list.children[active]?.scrollIntoView({ block: "nearest" });
  }

  function take(number) {
    const place = found[number];
    if (!place) return;
    field.value = `${place.name}, ${place.country}`;
    show([]);
    choose(place);
  }

  field.addEventListener("input", async () => {
    const own = (turn += 1);
    const places = await gairFindPlaces(field.value, GAIR_MOST_FOUND);
    if (own === turn) show(places);
  });
  field.addEventListener("keydown", (event) => {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (steps[event.key] && found.length) {
      active = (active + steps[event.key] + found.length) % found.length;
      mark();
    } else if (event.key === "Enter") {
      take(active);
    } else if (event.key === "Escape") {
      show([]);
    } else {
      return;
    }
    event.preventDefault();
  });
  field.addEventListener("focus", () => gairPlaces());
  field.addEventListener("blur", () => show([]));
}
