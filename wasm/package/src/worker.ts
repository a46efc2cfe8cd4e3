/** The other side of `createWorker`: runs models off the main thread. It never fetches the runtime, it is sent. */

import { BantamError } from "./errors.js";
import { Model } from "./model.js";
import { Runtime } from "./runtime.js";
import type { Call, Reply } from "./messages.js";

const models = new Map<number, Model>();
let runtime: Promise<Runtime> | undefined;

/** @internal What a call gives, and the buffers that move with it. */
export async function answer(call: Call): Promise<[Reply, Transferable[]]> {
  try {
    const value = await perform(call);
    const stats = "model" in call ? models.get(call.model)?.stats : undefined;
    return [{ id: call.id, value, stats }, buffers(value)];
  } catch (error) {
    const known = error instanceof BantamError;
    const failure = known
      ? { code: error.code, message: error.message, rule: error.rule }
      : { code: "worker" as const, message: String(error), rule: undefined };
    return [{ id: call.id, failure }, []];
  }
}

async function perform(call: Call): Promise<unknown> {
  switch (call.method) {
    case "start":
      runtime = Runtime.start(call.build, call.module);
      await runtime;
      return undefined;
    case "load": {
      const model = await Model.open(await (runtime as Promise<Runtime>), call.file);
      models.set(call.model, model);
      return model.info;
    }
    case "free":
      models.get(call.model)?.free();
      models.delete(call.model);
      return undefined;
    default: {
      const model = models.get(call.model);
      if (model === undefined) {
        throw new BantamError("freed", "the model was freed; load it again");
      }
      switch (call.method) {
        case "run":
          return model.run(call.input);
        case "runAll":
          return model.runAll(call.input);
        case "prepare":
          return model.prepare(call.source);
        case "classify":
          return model.classify(call.source);
        case "reset":
          return model.reset();
      }
    }
  }
}

function buffers(value: unknown): Transferable[] {
  const arrays = ArrayBuffer.isView(value) ? [value] : typeof value === "object" && value !== null ? Object.values(value) : [];
  return arrays.filter((array) => ArrayBuffer.isView(array)).map((array) => (array as ArrayBufferView).buffer as ArrayBuffer);
}
