/**
 * Runs `.bantam` models in the page.
 *
 * ```ts
 * import { load } from "bantam-wasm";
 *
 * const model = await load("/digits.bantam");
 * const { label, probability } = model.classify(canvas);
 * ```
 *
 * @packageDocumentation
 */

import { browser } from "./browser.js";
import { loadModel, type LoadOptions } from "./load.js";
import type { Model } from "./model.js";
import type { BantamWorker, WorkerOptions } from "./remote.js";
import { runtimeFor } from "./runtime.js";
import type { ModelSource } from "./source.js";
import { tools } from "./tools.js";

export * from "./public.js";

/**
 * Loads a model. The runtime is downloaded once per page, while the model is.
 *
 * @param source where the model is: a URL, a `Response`, a `Blob`, or its bytes
 * @throws BantamError with a `code` that says why
 */
export function load(source: ModelSource, options: LoadOptions = {}): Promise<Model> {
  return loadModel(browser, source, options);
}

/**
 * Starts a worker for models that should not hold up the page.
 *
 * @throws BantamError `runtime`, `worker`
 */
export async function createWorker(options: WorkerOptions = {}): Promise<BantamWorker> {
  const [runtime, { connect }] = await Promise.all([runtimeFor(browser, options), import("./remote.js")]);
  return connect(tools, browser, runtime, options.workerUrl);
}
