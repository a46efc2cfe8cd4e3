// Usage: node wasm/tests/browser.mjs <fixture directory>
// Compares the module in wasm/dist/ with the host, in headless Chromium; CHROMIUM names the browser.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

import { conclude } from "./parity.mjs";

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  throw new Error("usage: node wasm/tests/browser.mjs <fixture directory>");
}

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm" };

// No sandbox: the tests also run as root in containers, where Chromium's has no rights. The rest keeps it offline.
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** What the page may ask for, and where it is. */
function fileOf(path) {
  const fixture = path.match(/^\/fixtures\/([\w.-]+)$/);
  if (fixture !== null) {
    return join(directory, "cases", fixture[1]);
  }
  const own = path.match(/^\/(dist|tests)\/([\w.]+)$/);
  return own === null ? undefined : fileURLToPath(new URL(`../${own[1]}/${own[2]}`, import.meta.url));
}

const server = createServer(async (request, response) => {
  const path = new URL(request.url, "http://localhost").pathname;
  try {
    const body = path === "/" ? `<!doctype html><link rel="icon" href="data:,"><title>parity</title>` : await readFile(fileOf(path));
    const type = path === "/" ? ".html" : extname(path);
    response.writeHead(200, { "content-type": TYPES[type] ?? "application/octet-stream" }).end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  args: FLAGS,
});
try {
  const page = await browser.newPage();
  page.on("console", (message) => console.error(`page: ${message.text()}`));
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  const result = await page.evaluate(async () => {
    const [bantam, { compare }] = await Promise.all([import("/dist/bantam_wasm.js"), import("/tests/parity.mjs")]);
    await bantam.default();
    const bytes = async (name) => new Uint8Array(await (await fetch(`/fixtures/${name}`)).arrayBuffer());
    return compare(bantam, bytes);
  });
  conclude(`Chromium ${browser.version()}`, result);
} finally {
  await browser.close();
  server.close();
}
