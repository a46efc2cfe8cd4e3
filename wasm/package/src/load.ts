import { BantamError } from "./errors.js";
import { Model } from "./model.js";
import { runtimeFor, type Platform, type RuntimeOptions } from "./runtime.js";
import { readSource, type ModelSource, type SourceOptions } from "./source.js";

/** How to load a model. */
export interface LoadOptions extends RuntimeOptions, SourceOptions {}

/** @internal Loads the model and the runtime side by side. */
export async function loadModel(platform: Platform, source: ModelSource, options: LoadOptions): Promise<Model> {
  const runtime = runtimeFor(platform, options);
  // Should the source fail first, nobody waits for the runtime any more.
  runtime.catch(() => undefined);
  const file = await readSource(platform, source, options);
  const started = await race(runtime, options.signal);
  return Model.open(started, file);
}

/** The runtime is shared by all models of a page: aborting stops the waiting, not its download. */
function race<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) {
    return promise;
  }
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new BantamError("aborted", "loading was aborted", { cause: signal.reason }));
    signal.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
    if (signal.aborted) {
      stop();
    }
  });
}
