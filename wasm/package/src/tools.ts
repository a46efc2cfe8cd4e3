import { BantamError } from "./errors.js";
import { isImage, pixelsOf } from "./image.js";
import { completeRuntime } from "./runtime.js";
import { readSource } from "./source.js";

/** @internal What remote.js uses of index.js. Handed over, not imported, so that there is one class of errors. */
export const tools = { BantamError, completeRuntime, isImage, pixelsOf, readSource };

/** @internal */
export type Tools = typeof tools;
