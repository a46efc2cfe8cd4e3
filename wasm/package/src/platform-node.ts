import { readFile } from "node:fs/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";

import type { Platform } from "./runtime.js";

/** @internal */
export const node: Platform = {
  wasmUrl: (build) => new URL(`./bantam_${build}.wasm`, import.meta.url),
  async fetch(url, signal) {
    const text = String(url);
    // Two letters and more: a drive is no scheme.
    if (/^[a-z][a-z0-9+.-]+:/i.test(text) && !text.startsWith("file:")) {
      return fetch(text, signal === undefined ? {} : { signal });
    }
    const path = text.startsWith("file:") ? fileURLToPath(text) : text;
    const bytes = await readFile(path, signal === undefined ? {} : { signal });
    const type = path.endsWith(".wasm") ? "application/wasm" : "application/octet-stream";
    const headers = { "content-type": type, "content-length": String(bytes.length) };
    const response = new Response(bytes, { headers });
    Object.defineProperty(response, "url", { value: pathToFileURL(path).href });
    return response;
  },
  startWorker(url) {
    const worker = new Worker(new URL(url ?? new URL("./worker-node.js", import.meta.url)));
    return {
      post: (message, transfer) => worker.postMessage(message, transfer as never),
      listen(onMessage, onFailure) {
        worker.on("message", onMessage);
        worker.on("error", (error) => onFailure(String(error)));
        worker.on("messageerror", () => onFailure("a message cannot be read"));
      },
      busy: (busy) => (busy ? worker.ref() : worker.unref()),
      terminate: () => void worker.terminate(),
    };
  },
};
