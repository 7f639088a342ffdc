// The page starts: its worker loads the network.

import { Client } from "./client.js";
import { byId } from "./elements.js";
import { Page } from "./page.js";

const REMEDY = "If this file is damaged, write it again with python code/explore.py, or copy it " +
  "again.";

/** Shows one line above the page. */
function fail(reason) {
  byId("message").hidden = false;
  byId("message").textContent = reason;
}

/** -> the client of the worker, and what the worker says of the network that it has loaded */
async function load() {
  const payload = byId("payload");
  if (!payload) throw new Error("it ends too early");
  const client = new Client(byId("worker").textContent);
  const { bytes, crc32 } = payload.dataset;
  const question = { base64: payload.textContent, size: Number(bytes), crc: Number(crc32) };
  payload.remove();
  return { client, ...await client.ask("load", question) };
}

function show({ client, about, samples }) {
  byId("message").hidden = true;
  byId("main").hidden = false;
  window.explorer = new Page(client, about, samples); // for the console
}

for (const kind of ["error", "unhandledrejection"]) {
  addEventListener(kind, ({ message, reason }) =>
    fail(`This page has stopped: ${message ?? reason?.message}`));
}
document.addEventListener("DOMContentLoaded", () => {
  load().then(show, (error) => fail(`The network cannot be loaded: ${error.message}. ${REMEDY}`));
});
