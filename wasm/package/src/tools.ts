import { BantamError } from "./errors.js";
import { isImage, pixelsOf, type ImageSource, type Pixels } from "./image.js";
import { readSource } from "./source.js";

/** @internal What remote.js uses of index.js. Handed over, not imported, so that there is one class of errors. */
export const tools = { BantamError, isImage, pixelsOf: IMAGES ? pixelsOf : (source: ImageSource) => source as Pixels, readSource };

/** @internal */
export type Tools = typeof tools;
