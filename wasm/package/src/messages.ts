import type { Fields } from "./classify.js";
import type { BantamErrorCode } from "./errors.js";
import type { Build } from "./features.js";
import type { Pixels } from "./image.js";
import type { Inputs } from "./inputs.js";
import type { Stats } from "./model.js";

/** @internal A call to the worker. Models are known by numbers that the caller chooses. */
export type Call = { readonly id: number } & (
  | { readonly method: "start"; readonly build: Build; readonly module: WebAssembly.Module }
  | { readonly method: "load"; readonly model: number; readonly file: Uint8Array }
  | { readonly method: "run" | "runAll"; readonly model: number; readonly input: Inputs }
  | { readonly method: "prepare" | "classify"; readonly model: number; readonly source: Pixels | Fields }
  | { readonly method: "reset" | "free"; readonly model: number }
);

/** @internal Its answer. */
export interface Reply {
  readonly id: number;
  readonly value?: unknown;
  readonly stats?: Stats | undefined;
  readonly failure?: { readonly code: BantamErrorCode; readonly message: string; readonly rule: number | undefined };
}
