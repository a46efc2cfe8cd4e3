import { BantamError } from "./errors.js";
import { kind } from "./inputs.js";
import type { InputInfo, OutputInfo } from "./tensor.js";

/** One class and how likely it is. */
export interface Ranked {
  /** The class's name from the file, or its number where the file carries no labels. */
  readonly label: string;
  /** Position among the outputs. */
  readonly index: number;
  /** Between 0 and 1. */
  readonly probability: number;
}

/** The answer of a classifier: the likeliest class, and all of them. */
export interface Classification extends Ranked {
  /** All classes, likeliest first; equals keep their order. */
  readonly ranked: readonly Ranked[];
}

/** Named numbers, or numbers in the order of the model's fields. */
export type Fields = Readonly<Record<string, number>> | InputNumbers;
type InputNumbers = Float32Array | Float64Array | readonly number[];

/** @internal Ranks the first output. Without probabilities of the model's own, a softmax makes them. */
export function rank(output: OutputInfo, values: Float32Array, labels: readonly string[]): Classification {
  const inRange = (value: number): boolean => value >= 0 && value <= 1;
  let probabilities = values;
  if (values.length === 1 && labels.length === 2) {
    // One probability for two classes: that of the second.
    const second = values[0] ?? 0;
    probabilities = Float32Array.of(1 - second, second);
  } else if (!output.probabilities && !values.every(inRange)) {
    const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const exponentials = Array.from(values, (value) => Math.exp(value - largest));
    const sum = exponentials.reduce((a, b) => a + b, 0);
    probabilities = Float32Array.from(exponentials, (value) => value / sum);
  }
  const name = (index: number): string => labels[index] ?? String(index);
  const ranked = Array.from(probabilities, (probability, index) => ({ label: name(index), index, probability }));
  ranked.sort((a, b) => b.probability - a.probability || a.index - b.index);
  const best = ranked[0] ?? { label: "", index: -1, probability: 0 };
  return { ...best, ranked };
}

/** @internal Numbers in the order of the model's fields. */
export function fieldValues(info: InputInfo, fields: Fields): Float32Array {
  const values = ArrayBuffer.isView(fields) || Array.isArray(fields)
    ? Array.from(fields as ArrayLike<number>)
    : byName(info, fields as Readonly<Record<string, unknown>>);
  if (values.length !== info.length) {
    throw new BantamError("input-length", `expected ${info.length} fields, got ${values.length}`);
  }
  const at = values.findIndex((value) => typeof value !== "number" || value !== value);
  if (at >= 0) {
    const name = info.fields[at] ?? String(at);
    throw new BantamError("input-value", `field "${name}": expected a number, got ${String(values[at])}`);
  }
  return Float32Array.from(values as number[]);
}

function byName(info: InputInfo, fields: Readonly<Record<string, unknown>>): unknown[] {
  if (fields === null || typeof fields !== "object") {
    throw new BantamError("input-type", `expected an object of numbers or an array, got ${kind(fields)}`);
  }
  if (info.fields.length !== info.length) {
    throw new BantamError("input-name", `the file does not name the fields: give an array of ${info.length} numbers`);
  }
  const unknown = Object.keys(fields).find((name) => !info.fields.includes(name));
  const missing = info.fields.find((name) => !Object.hasOwn(fields, name));
  if (unknown !== undefined || missing !== undefined) {
    const what = missing === undefined ? `there is no field "${unknown}"` : `the field "${missing}" is missing`;
    throw new BantamError("input-name", `${what}; the model's fields are ${info.fields.join(", ")}`);
  }
  return info.fields.map((name) => fields[name]);
}
