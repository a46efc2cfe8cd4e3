import { BantamError } from "./errors.js";

/** @internal The error behind the numbers of a failed session. The prose is fetched only now. */
export async function explain(failure: readonly number[]): Promise<BantamError> {
  const { describe } = await import("./rules.js");
  const { code, message, rule } = describe(failure);
  return new BantamError(code, message, { rule });
}
