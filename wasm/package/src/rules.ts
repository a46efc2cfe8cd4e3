/** Why a file was refused, in words: a file of its own, fetched when there is something to explain. */

import type { BantamErrorCode } from "./errors.js";
import { ARITHMETICS, OPCODES, RULES } from "./generated.js";

/** By the numbers of wasm/src/failure.rs. */
const LOAD = 1;
const OPERATOR = 2;
const ARITHMETIC = 3;
const MEMORY = 5;
const TYPE = 6;

/** By the codes of SPEC.md. */
const FLOAT = 4;
const SECTIONS: ReadonlyMap<number, string> = new Map([[8, "states"], [260, "preprocessing"]]);

/** Rules with a code of their own; the others are `invalid-model`. The numbers are those of SPEC.md. */
const CODES: ReadonlyMap<number, BantamErrorCode> = new Map<number, BantamErrorCode>([
  [1, "not-a-model"],
  [2, "not-a-model"],
  [3, "newer-format"],
  [6, "damaged"],
  [7, "newer-format"],
  [8, "newer-format"],
  [15, "newer-format"],
  [20, "limit"],
  [21, "limit"],
  [30, "newer-format"],
  [60, "newer-format"],
]);

const ADVICE: Partial<Record<BantamErrorCode, string>> = {
  "not-a-model": "these bytes are no .bantam file; is the address right?",
  "newer-format": "the file was made for another version of bantam: update bantam-wasm",
  truncated: "the file was cut off: load it again",
  damaged: "the file was changed on its way: load it again",
  limit: "the model asks for too much",
  "invalid-model": "the file is not a valid model: shrink it again",
};

/** @internal What an error is made of. */
export interface Explanation {
  readonly code: BantamErrorCode;
  readonly message: string;
  readonly rule?: number;
}

/** @internal The meaning of the numbers of a failed session. */
export function describe(failure: readonly number[]): Explanation {
  const [kind, rule = 0, ...operands] = failure;
  const lacking = kind === LOAD ? unlinked(rule, operands) : undefined;
  if (kind === LOAD && lacking === undefined) {
    const [declared = 0, actual = 0] = operands;
    const cut = rule === 5 && actual < declared;
    const code = cut ? "truncated" : (CODES.get(rule) ?? "invalid-model");
    return { code, message: `${ADVICE[code] ?? "refused"} (${describeRule(rule, operands)})`, rule };
  }
  if (lacking !== undefined || kind === OPERATOR || kind === ARITHMETIC) {
    const name = kind === ARITHMETIC ? ARITHMETICS[rule] : OPCODES[operands[0] ?? 0];
    const missing = lacking ?? `the ${kind === ARITHMETIC ? "arithmetic" : "operator"} ${name ?? "of the model"}`;
    return { code: "operator", message: `this build of the runtime lacks ${missing}; use the full build of bantam-wasm` };
  }
  if (kind === TYPE) {
    return { code: "operator", message: "this build of the runtime lacks 16-bit integers; build one with them: cargo xtask web --for" };
  }
  if (kind === MEMORY) {
    return { code: "memory", message: "there is not enough memory for the model" };
  }
  return { code: "crashed", message: `the runtime refused its own memory (${failure.join(" ")}); please report this model` };
}

/** What a build for one model does not know, because that has none: opcodes, types and sections that exist. */
function unlinked(rule: number, [first = -1, second = -1]: readonly number[]): string | undefined {
  if (rule === 60 && OPCODES[second] !== undefined) {
    return `the operator ${OPCODES[second]}`;
  }
  return rule === 30 && second === FLOAT ? "32-bit floats" : rule === 15 ? SECTIONS.get(first) : undefined;
}

/** A broken rule with what was found. */
function describeRule(number: number, operands: readonly number[]): string {
  const [text, names] = RULES[number] ?? ["", []];
  const found = names.map((name, index) => `${name.replaceAll("_", " ")} ${operands[index]}`).join(", ");
  return `rule ${number}: ${text}${found === "" ? "" : `; found ${found}`}`;
}
