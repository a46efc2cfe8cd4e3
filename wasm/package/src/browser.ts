import type { Build } from "./features.js";
import type { Platform } from "./runtime.js";

/** Each address stands whole in the source, which is how bundlers find what to copy. */
const wasmUrls: Readonly<Record<Build, () => URL>> = {
  scalar: () => new URL("./bantam_scalar.wasm", import.meta.url),
  simd128: () => new URL("./bantam_simd128.wasm", import.meta.url),
  fused: () => new URL("./bantam_fused.wasm", import.meta.url),
  relaxed: () => new URL("./bantam_relaxed.wasm", import.meta.url),
};

/** @internal */
export const browser: Platform = {
  wasmUrl: (build) => wasmUrls[build](),
  fetch: (url, signal) => fetch(url, signal === undefined ? {} : { signal }),
  startWorker(url) {
    const worker = url === undefined
      ? new Worker(new URL("./worker.js", import.meta.url), { type: "module" })
      : new Worker(url, { type: "module" });
    return {
      post: (message, transfer) => worker.postMessage(message, transfer),
      listen(onMessage, onFailure) {
        worker.onmessage = (event) => onMessage(event.data);
        worker.onerror = (event) => onFailure(event.message ?? "the script cannot be loaded");
        worker.onmessageerror = () => onFailure("a message cannot be read");
      },
      busy: () => undefined,
      terminate: () => worker.terminate(),
    };
  },
};
