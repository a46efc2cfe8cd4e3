// Headless Chromium and a server for its pages.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

export const WASM = fileURLToPath(new URL("..", import.meta.url));

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".wasm": "application/wasm",
  ".webmanifest": "application/manifest+json",
};

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

/** Starts the browser; CHROMIUM names it. */
export function launch(options = {}) {
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, headless: true, args: [...FLAGS, ...(options.args ?? [])] });
}

/**
 * Serves folders under paths: `mounts` maps a first path component to a folder. `handle` sees every request first and
 * may answer it. An empty page stands at `/`.
 */
export async function serve(mounts, handle = () => false, headers = {}) {
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url, "http://localhost").pathname);
    try {
      if (await handle(path, response, request)) {
        return;
      }
      if (path === "/") {
        const page = '<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>bantam</title><body></body>';
        response.writeHead(200, { "content-type": TYPES[".html"], ...headers }).end(page);
        return;
      }
      const [, mount, rest] = path.match(/^\/([\w.-]+)\/(.*)$/) ?? [];
      const inside = normalize(rest === "" ? "index.html" : rest);
      if (mounts[mount] === undefined || inside.startsWith("..")) {
        throw new Error("not served");
      }
      const body = await readFile(join(mounts[mount], inside));
      response.writeHead(200, { "content-type": TYPES[extname(inside)] ?? "application/octet-stream", ...headers }).end(body);
    } catch {
      if (!response.headersSent) {
        response.writeHead(404, { "content-type": "text/plain" });
      }
      response.end("not found");
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
