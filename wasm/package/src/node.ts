/**
 * Runs `.bantam` models in Node.js. Files can be loaded by path or by file URL.
 *
 * ```ts
 * import { load } from "bantam-wasm";
 *
 * const model = await load("digits.bantam");
 * const { label, probability } = model.classify({ data, width, height });
 * ```
 *
 * @packageDocumentation
 */

import { node } from "./platform-node.js";
import { loadModel, type LoadOptions } from "./load.js";
import type { Model } from "./model.js";
import type { BantamWorker, WorkerOptions } from "./remote.js";
import { runtimeFor } from "./runtime.js";
import type { ModelSource } from "./source.js";
import { tools } from "./tools.js";

export * from "./public.js";

/**
 * Loads a model. The runtime is downloaded once per process, while the model is.
 *
 * @param source where the model is: a path or URL, a `Response`, a `Blob`, or its bytes
 * @throws BantamError with a `code` that says why
 */
export function load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  return loadModel(node, source, options);
}

/**
 * Starts a worker for models that should not hold up the event loop.
 *
 * @throws BantamError `runtime`, `worker`
 */
export async function createWorker(options: WorkerOptions = {}): Promise<BantamWorker> {
  const [runtime, { connect }] = await Promise.all([runtimeFor(node, options), import("./remote.js")]);
  return connect(tools, node, runtime, options.workerUrl);
}
