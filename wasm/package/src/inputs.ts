import { BantamError } from "./errors.js";
import type { Runtime } from "./runtime.js";
import type { Session } from "./bindings.js";
import { give, view, type InputInfo, type Place, type TensorInfo } from "./tensor.js";

/**
 * Numbers for an input.
 *
 * For an int8 input an `Int8Array` holds the model's own integers, for an int16 input an `Int16Array`; every other array
 * holds real values, which are rounded to the nearest step of the model (ties to even) and saturate. For a float32 input every array holds real
 * values. For an int32 input all values must be 32-bit integers.
 */
export type InputArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | readonly number[];

/** What a model runs on: an array for its only input, or one array for each input by name. */
export type Inputs = InputArray | Readonly<Record<string, InputArray>>;

const WHAT = "an array of numbers or a typed array (not of 64-bit integers)";

function isArray(value: unknown): value is InputArray {
  const isView = ArrayBuffer.isView(value) && !/^(DataView|Big)/.test(value.constructor.name);
  return isView || Array.isArray(value);
}

/** @internal The kind of a value, for messages. */
export function kind(value: unknown): string {
  if (value === null || typeof value !== "object") {
    return value === null ? "null" : typeof value;
  }
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** @internal One array for each input, in order. */
export function arrange(infos: readonly TensorInfo[], inputs: Inputs): InputArray[] {
  const names = infos.map((info) => `"${info.name}"`).join(", ");
  if (isArray(inputs)) {
    if (infos.length !== 1) {
      throw new BantamError("input-name", `the model has ${infos.length} inputs: give an object with ${names}`);
    }
    return [inputs];
  }
  if (inputs === null || typeof inputs !== "object" || ArrayBuffer.isView(inputs)) {
    throw new BantamError("input-type", `expected ${WHAT}, or an object of them by name, got ${kind(inputs)}`);
  }
  const unknown = Object.keys(inputs).find((name) => !infos.some((info) => info.name === name));
  if (unknown !== undefined) {
    throw new BantamError("input-name", `the model has no input "${unknown}"; it has ${names}`);
  }
  return infos.map((info) => {
    const values = (inputs as Readonly<Record<string, unknown>>)[info.name];
    if (values === undefined) {
      throw new BantamError("input-name", `the input "${info.name}" is missing; the model has ${names}`);
    }
    if (!isArray(values)) {
      throw new BantamError("input-type", `input "${info.name}": expected ${WHAT}, got ${kind(values)}`);
    }
    return values;
  });
}

/** @internal Checks the values of an input. */
export function check(info: TensorInfo, values: InputArray): void {
  if (values.length !== info.length) {
    const expected = `${info.length} values (${info.shape.join(" x ")})`;
    throw new BantamError("input-length", `input "${info.name}": expected ${expected}, got ${values.length}`);
  }
  const whole = info.type === "int32";
  // A loop of the engine's own; calling a function for every element takes longer than many a model.
  if (whole ? values instanceof Int32Array : ArrayBuffer.isView(values) && !values.includes(NaN)) {
    return;
  }
  const wrong = (value: unknown): boolean => typeof value !== "number" || (whole ? (value | 0) !== value : value !== value);
  const at = values.findIndex(wrong);
  if (at >= 0) {
    const expected = whole ? "32-bit integers" : "numbers";
    throw new BantamError("input-value", `input "${info.name}": expected ${expected}, got ${values[at]} at ${at}`);
  }
}

/** @internal Writes checked values into the model's memory. */
export function fill(runtime: Runtime, session: Session, index: number, place: Place<InputInfo>, values: InputArray): boolean {
  const own = { int8: Int8Array, int16: Int16Array, int32: undefined, float32: undefined }[place.info.type];
  if (own && !(values instanceof own)) {
    return give(runtime, session, values instanceof Float32Array ? values : Float32Array.from(values)) && session.fill(index);
  }
  view(runtime.memory, place).set(values);
  return true;
}
