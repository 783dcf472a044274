// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// What the visitor of each map wants, kept as the value of a hidden component: see `events.Wanted`.

"use strict";

class GairAsked {
  wanted = { view: [-180, -90, 180, 90], pins: [], placed: false, boxes: {}, opened: null, turn: 0 };
  #write = () => {};
  #trigger = () => {};
  #listeners = [];
  running = false; // as Gradio does: one request at a time, and the newest one after it
  #waiting = false;
  request = 0; // the number of the last one for more than a movement
  moved = false; // whether the last thing that the visitor did was to move the map

  /** Called by the hidden component, whose value the server reads. */
  connect(props, trigger) {
    this.#write = () => (props.value = structuredClone(this.wanted));
    this.#trigger = trigger;
    this.#write();
  }

  /** Calls back whenever a request begins or the last one ends, with whether one is under way. */
  listen(listener) {
    this.#listeners.push(listener);
  }

  /** Notes what the server or the browser changed, without a request. */
  note(change) {
    Object.assign(this.wanted, change);
    this.#write();
  }

  /** Notes what the visitor did, and asks for an answer. */
  ask(change) {
    this.note({ ...change, turn: this.wanted.turn + 1 });
    // An answer to a click that the map has moved since is not one to a movement alone.
    this.moved = !Object.keys(change).length && (this.moved || !this.running);
    [this.running, this.#waiting] = [true, this.running];
    if (Object.keys(change).length) this.request = gairRequest + 1;
    this.#trigger();
    this.#tell();
  }

  /** Called by the page at the end of each request, refused ones included. */
  answered() {
    [this.running, this.#waiting] = [this.#waiting, false];
    this.#tell();
  }

  #tell() {
    this.#listeners.forEach((listener) => listener(this.running));
  }
}

/** What the visitor of a map wants, by the map's id. */
const gairAsked = ((all) => (id) => (all[id] ??= new GairAsked()))({});
