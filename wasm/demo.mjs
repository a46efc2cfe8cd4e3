// Usage: node demo.mjs <site> <digits.bantam> [<port>]
//
// Puts the demo together in the folder <site>: the page, the package in wasm/dist/, the model, held-out images. With a
// port it is served on http://127.0.0.1:<port>/, compressed as a good server does.

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";

import { PAGE_FILES } from "./builds.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
/** Held-out images that the page offers. */
const EXAMPLES = 100;

/** The arrays of an .npz file whose members are stored without compression, as the models' are: name to bytes. */
function readNpz(file) {
  const arrays = {};
  for (let at = 0; file.readUInt32LE(at) === 0x04034b50; ) {
    const [method, size] = [file.readUInt16LE(at + 8), file.readUInt32LE(at + 18)];
    const [name, extra] = [file.readUInt16LE(at + 26), file.readUInt16LE(at + 28)];
    const start = at + 30 + name + extra;
    // A size that is not 32 bits wide stands in the extra field: NumPy always writes it there.
    const length = size === 0xffffffff ? Number(file.readBigUInt64LE(at + 30 + name + 4)) : size;
    if (method !== 0) {
      throw new Error("an .npz file with compressed members");
    }
    const array = file.subarray(start, start + length);
    arrays[file.toString("latin1", at + 30, at + 30 + name)] = array.subarray(10 + array.readUInt16LE(8));
    at = start + length;
  }
  return arrays;
}

/** Puts the site together. */
export async function assemble(site, model) {
  await rm(site, { recursive: true, force: true });
  await mkdir(site, { recursive: true });
  await cp(join(here, "demo"), site, { recursive: true });
  await mkdir(join(site, "bantam-wasm"));
  for (const name of PAGE_FILES) {
    await cp(join(here, "dist", name), join(site, "bantam-wasm", name));
  }
  await cp(model, join(site, "digits.bantam"));
  const data = readNpz(await readFile(join(here, "../models/digits/evaluation.npz")));
  const examples = [];
  for (let row = 0; row < EXAMPLES; row++) {
    examples.push(data["y.npy"].subarray(row, row + 1), data["x.npy"].subarray(row * 64, (row + 1) * 64));
  }
  await writeFile(join(site, "examples.bin"), Buffer.concat(examples));
}

const TYPES = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".wasm": "application/wasm" };

/** Serves a folder, compressed; gives the server once it listens. */
export async function serveSite(site, port) {
  const compressed = new Map();
  const server = createServer(async (request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url, "http://localhost").pathname)).replace(/\/$/, "/index.html");
    try {
      if (!compressed.has(path)) {
        const body = await readFile(join(site, path));
        compressed.set(path, brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
      }
      const type = TYPES[extname(path)] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, "content-encoding": "br", "cache-control": "no-cache" });
      response.end(compressed.get(path));
    } catch {
      response.writeHead(404, { "content-type": "text/plain" }).end("not found");
    }
  });
  await new Promise((listening, failed) => server.once("error", failed).listen(port, "127.0.0.1", listening));
  return server;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [site, model, port] = process.argv.slice(2);
  if (model === undefined) {
    throw new Error("usage: node demo.mjs <site> <digits.bantam> [<port>]");
  }
  await assemble(site, model);
  if (port !== undefined) {
    const server = await serveSite(site, Number(port));
    console.log(`the demo is at http://127.0.0.1:${server.address().port}/ until Ctrl-C`);
  }
}
