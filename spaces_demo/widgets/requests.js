// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// The order of what the visitor asks for. Browsers send requests over several connections, on which they may overtake each
// other; then the answer to an earlier click would be shown last.

"use strict";

(() => {
  const send = window.fetch;
  let [number, before] = [0, Promise.resolve()];

  /** As `fetch`; a request for the queue has its number in a header, and is sent once the server has received the one before. */
  window.fetch = (address, settings) => {
    if (!String(address).includes("/queue/join?")) return send(address, settings);
    const headers = new Headers(settings.headers);
    headers.set("X-GAIR-Request", ++number);
    const received = before.then(() => send(address, { ...settings, headers }));
    before = received.catch(() => {}); // Gradio says that it failed; the next one is sent nevertheless
    return received;
  };
})();
