/**
 * What went wrong, for programs. Codes are never renamed.
 *
 * | code | when |
 * |---|---|
 * | `aborted` | the signal given to `load` fired |
 * | `download` | the model could not be fetched, or its body broke off |
 * | `source` | `load` was given something that holds no model |
 * | `runtime` | the WebAssembly module could not be fetched or compiled |
 * | `not-a-model` | the bytes are no `.bantam` file |
 * | `newer-format` | the file was made by a newer version of bantam |
 * | `truncated` | the file is shorter than it says |
 * | `damaged` | the checksum does not fit |
 * | `invalid-model` | the file breaks a rule of the format |
 * | `limit` | the model asks for more memory or work than is accepted |
 * | `operator` | this build of the runtime lacks an operator of the model |
 * | `memory` | there is not enough memory |
 * | `input-name` | an input is missing or unknown |
 * | `input-type` | an input is not an array of the right kind |
 * | `input-length` | an input has the wrong number of elements |
 * | `input-value` | an input holds NaN |
 * | `image` | an image has no pixels, or they may not be read |
 * | `preprocessing` | the file does not say how to prepare such data |
 * | `freed` | the model was freed |
 * | `worker` | the worker could not be started or was terminated |
 * | `crashed` | the runtime stopped; models loaded before are gone, `load` starts a new one |
 */
export type BantamErrorCode =
  | "aborted"
  | "download"
  | "source"
  | "runtime"
  | "not-a-model"
  | "newer-format"
  | "truncated"
  | "damaged"
  | "invalid-model"
  | "limit"
  | "operator"
  | "memory"
  | "input-name"
  | "input-type"
  | "input-length"
  | "input-value"
  | "image"
  | "preprocessing"
  | "freed"
  | "worker"
  | "crashed";

/** Every failure of this package. The message says what was expected and what came. */
export class BantamError extends Error {
  /** What went wrong, for programs. */
  readonly code: BantamErrorCode;
  /** The number of the broken rule, for files that were refused: see "Reject rules" in SPEC.md. */
  readonly rule: number | undefined;

  /** @internal */
  constructor(code: BantamErrorCode, message: string, options: { rule?: number | undefined; cause?: unknown } = {}) {
    super(message, "cause" in options ? { cause: options.cause } : undefined);
    this.code = code;
    this.rule = options.rule;
  }
}

// On the prototype, as with the errors of the language, so that minified names do not show.
BantamError.prototype.name = "BantamError";

/** @internal What was thrown, as text. */
export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
