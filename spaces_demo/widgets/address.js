// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// The address of the page: every view writes what it shows into it, and Back, Forward and links inside the page show it again.

"use strict";

const gairLinks = {}; // the last address of each tab
let gairTabs = []; // of this page
const gairNewest = {}; // the request that the last address of each tab answers, or the last one before a link was opened in it
const gairUnderWay = {}; // how many links each tab opens
let gairOpening = null; // the tab that opens the last link, until it shows what the link says
const gairOuter = (tab) => (["Models", "Boxes"].includes(tab) ? "Compare" : tab); // these lie in the tab Compare

/** The tab of an address, as `link.read` finds it: an unknown one is that of a view that reads such parts, or else the first. */
function gairTabOf(query) {
  const parts = new URLSearchParams(query);
  if (gairTabs.includes(parts.get("tab"))) return parts.get("tab");
  return parts.has("at") ? "Explore" : parts.has("a") ? "Boxes" : "Start";
}

/** A link with another view of a map: west, south, east, north. */
function gairWithView(link, bounds) {
  const parts = link.split("&").filter((part) => part && !part.startsWith("view="));
  return [...parts, `view=${bounds.map((edge) => Number(edge.toPrecision(7)))}`].join("&");
}

/**
 * Writes a view's query string into the address, as a new entry of the history unless it only moves a map. `request` is the number
 * of the request that it answers, if it answers any.
 */
function gairVisit(link, moved = false, request = undefined) {
  const tab = link && gairTabOf(link);
  // An answer to what the visitor did before must not undo what they did last, such as going back.
  if (!link || request <= gairNewest[tab]) return;
  gairNewest[tab] = request ?? gairNewest[tab];
  gairLinks[tab] = link;
  // An answer that comes after the visitor has left its tab is remembered only.
  if (`?${link}` === location.search || tab !== gairTabOf(location.search)) return;
  history[moved ? "replaceState" : "pushState"](null, "", `${location.pathname}?${link}`);
  gairLinks[gairOuter(tab)] = link;
}

/** The id of the tab at an element, or undefined. Tabs for which there is no room lie in a menu that has their titles alone. */
function gairTabAt(element) {
  const tab = element.closest?.("[role=tab][data-tab-id], .overflow-dropdown button");
  const title = tab?.textContent.trim();
  const inside = { Readings: "Compare-view", Models: "Models-view", Boxes: "Boxes-view" };
  const id = tab?.dataset.tabId ?? inside[title] ?? title;
  // Views have tabs of their own.
  return gairTabs.includes(id?.replace("-view", "")) ? id : undefined;
}

/** The visitor chooses a tab; one inside Compare is called after its view, as in "Boxes-view". */
function gairShowTab(id) {
  const tab = id.replace("-view", "");
  const shown = gairTabOf(location.search);
  if (shown === tab || (tab === id && gairOuter(shown) === tab)) return;
  const link = tab === id ? gairLinks[tab] : gairTabOf(gairLinks[tab] || "") === tab && gairLinks[tab];
  history.pushState(null, "", `${location.pathname}?${link || `tab=${tab}`}`);
  gairLinks[gairOuter(tab)] = location.search.slice(1);
}

/** Notes which tab opens a link, or none; its controls still say what it showed before, so they are of no use until then: see page.css. */
function gairOpenIn(tab) {
  gairOpening = tab;
  document.body.dataset.opening = tab ?? "";
}

/** A view shows an answer to a request: what a link says, or what the visitor wants, of which it has the link. */
function gairShown({ opened, link, request }, moved = false) {
  if (opened === gairOpening && request > gairNewest[opened]) gairOpenIn(null);
  gairVisit(link, moved, request);
}

/** A request to open a link in a tab has ended, also if the server refused it. */
function gairEnded(tab) {
  gairUnderWay[tab] -= 1;
  if (!gairUnderWay[tab] && tab === gairOpening) gairOpenIn(null);
}

/** Whether the tab that is shown still opens a link. */
const gairOpens = () => gairOpening === gairTabOf(location.search);

/** The tabs that belong to the address: the values of Gradio's outer tabs, and of those in Compare. */
function gairSelected() {
  const tab = gairTabOf(location.search);
  const inside = gairOuter(tab) === "Compare" ? { selected: `${tab}-view` } : {};
  return [{ selected: gairOuter(tab) }, inside].map((change) => ({ __type__: "update", ...change }));
}

/**
 * Opens the address: when the page is loaded, when the visitor goes back or forward, or follows a link inside the page, and
 * when a tab is shown for the first time. `send` reports "show", for the tabs, and the tab whose view is to be drawn.
 */
function gairAddress(tabs, send) {
  const drawn = new Set();
  gairTabs = tabs;

  function draw() {
    const tab = gairTabOf(location.search);
    gairOpenIn(tab);
    gairLinks[tab] = gairLinks[gairOuter(tab)] = location.search.slice(1);
    gairNewest[tab] = gairRequest;
    gairUnderWay[tab] = (gairUnderWay[tab] || 0) + 1;
    drawn.add(tab);
    send(tab);
  }

  function open() {
    send("show");
    draw();
  }

  window.addEventListener("popstate", open);
  // Before Gradio selects the tab. Tabs are also selected by links; so clicks count, not the tabs' own events.
  document.addEventListener("click", (event) => {
    const id = gairTabAt(event.target);
    if (!id) return;
    gairShowTab(id);
    if (!drawn.has(gairTabOf(location.search))) draw();
  }, true);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="?"]');
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    history.pushState(null, "", link.getAttribute("href"));
    open();
    window.scrollTo({ top: 0 });
  });
  open();
}
