// Licensed under the Apache License, Version 2.0; see LICENSE. Copyright 2026 The GAIR for Hugging Face contributors.
//
// The order of what the visitor asks for, and that all of it is answered. Browsers send requests over several connections, on
// which they may overtake each other; then the answer to an earlier click would be shown last.

"use strict";

let gairRequest = 0; // the number of the last request

(() => {
  const send = window.fetch;
  const encoder = new TextEncoder();
  let before = Promise.resolve();
  let unanswered = 0;

  /** Sends a request for the queue, with its number in a header, once the server has received the one before. */
  function join(address, settings) {
    const headers = new Headers(settings.headers);
    headers.set("X-GAIR-Request", ++gairRequest);
    unanswered += 1;
    const received = before.then(() => send(address, { ...settings, headers }));
    // Gradio says that it failed; the next one is sent nevertheless.
    before = received.then(({ ok }) => ok, () => false).then((ok) => (unanswered -= ok ? 0 : 1));
    return received;
  }

  /**
   * The stream of answers. The server ends it when it has answered all that it knows of, but on a slow line the page reads that
   * after it has asked for more, for which Gradio would then wait in vain: so the stream goes on with a new one.
   */
  async function listen(address, settings) {
    const response = await send(address, settings);
    const again = () => send(address, settings);
    const body = new ReadableStream({ start: (queue) => void forward(response, again, queue).catch((error) => queue.error(error)) });
    return response.ok ? new Response(body, response) : response;
  }

  async function forward(response, again, queue) {
    if (!response.ok) throw new Error(`The server answers with ${response.status}.`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const messages = (rest + part.value).split("\n\n");
      rest = messages.pop();
      for (const message of messages) {
        const kind = message.match(/^data: *{"msg": *"(\w+)"/)?.[1];
        if (kind === "process_completed") unanswered -= 1;
        if (kind === "close_stream" && unanswered > 0) return forward(await again(), again, queue);
        queue.enqueue(encoder.encode(`${message}\n\n`));
      }
    }
    queue.close();
  }

  window.fetch = (address, settings) => {
    const path = String(address.url ?? address);
    if (path.includes("/queue/join?")) return join(address, settings);
    return path.includes("/queue/data?") ? listen(address, settings) : send(address, settings);
  };
})();
