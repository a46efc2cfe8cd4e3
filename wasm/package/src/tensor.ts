import type { Session } from "./bindings.js";
import type { Runtime } from "./runtime.js";

/** The numbers a tensor is made of. */
export type TensorType = "int8" | "int16" | "int32" | "float32";

/** The numbers of an output as the model has them. */
export type TensorArray = Int8Array | Int16Array | Int32Array | Float32Array;

/** An input or an output of a model. */
export interface TensorInfo {
  /** The source model's name; `input 0`, `output 0` and so on where the file carries no names. */
  readonly name: string;
  /** Dimensions, outermost first; images are batch, height, width, channels. */
  readonly shape: readonly number[];
  /** Product of the dimensions. */
  readonly length: number;
  readonly type: TensorType;
  /** Real value of one step of an int8 or int16 tensor; 1 for the other types. */
  readonly scale: number;
  /** The integer that stands for zero in an int8 tensor: q means `scale * (q - zeroPoint)`. 0 for the other types. */
  readonly zeroPoint: number;
}

/** An input of a model. */
export interface InputInfo extends TensorInfo {
  /** How the file says data become this input: `classify` follows it, `run` takes what comes after it. */
  readonly preprocessing: "raw" | "image" | "fields";
  /** With `fields`: their names in order. */
  readonly fields: readonly string[];
}

/** An output of a model. */
export interface OutputInfo extends TensorInfo {
  /** Whether the values lie between 0 and 1 by the model's own last step. */
  readonly probabilities: boolean;
}

/** @internal What the module says of a tensor. */
export interface Place<Info extends TensorInfo> {
  readonly info: Info;
  readonly address: number;
}

/** @internal The model as the module describes it: see wasm/src/describe.rs. */
export interface Description {
  readonly arenaBytes: number;
  readonly macs: number;
  readonly vectors: boolean;
  readonly inputs: readonly Place<InputInfo>[];
  readonly outputs: readonly Place<OutputInfo>[];
}

const NAMES = 256;
/** By the codes of SPEC.md. */
const TYPES: ReadonlyMap<number, TensorType> = new Map([[1, "int8"], [2, "int16"], [3, "int32"], [4, "float32"]]);
const PREPROCESSING = ["raw", "image", "fields"] as const;

/** @internal What sessions answer; the numbers are those of wasm/src/lib.rs. */
export const FAILURE = 0;
const MODEL = 1;
const TENSOR = 2;
export const SECTION = 3;
const FIELD_NAMES = 4;

/** @internal The numbers that answer a question. */
export function notes(runtime: Runtime, session: Session, question: number, index = 0): number[] {
  const count = session.ask(question, index);
  return Array.from(new Float64Array(runtime.memory, session.notes, count));
}

/** @internal Writes what the next call shall use into the module's memory; false where there is none. */
export function give(runtime: Runtime, session: Session, values: Uint8Array | Float32Array): boolean {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const address = session.reserve(bytes.length);
  if (address !== 0) {
    new Uint8Array(runtime.memory, address, bytes.length).set(bytes);
  }
  return address !== 0;
}

/** @internal The bytes that the answer to a question points at. */
export function pointed(runtime: Runtime, session: Session, question: number, index: number): Uint8Array {
  const [address = 0, length = 0] = notes(runtime, session, question, index);
  return new Uint8Array(runtime.memory, address, length);
}

/** @internal */
export function describe(runtime: Runtime, session: Session): Description {
  const names = strings(pointed(runtime, session, SECTION, NAMES));
  const [arenaBytes = 0, macs = 0, inputs = 0, outputs = 0, vectors = 0] = notes(runtime, session, MODEL);
  const tensor = (role: string, index: number): { place: Place<TensorInfo>; detail: number } => {
    const numbers = notes(runtime, session, TENSOR, role === "input" ? index : inputs + index);
    const [at = -1, code = 0, address = 0, length = 0, scale = 1, zeroPoint = 0, detail = 0, , ...shape] = numbers;
    const [name, type] = [names[at] ?? `${role} ${index}`, TYPES.get(code) ?? "float32"];
    return { place: { address, info: { name, shape: Object.freeze(shape), length, type, scale, zeroPoint } }, detail };
  };
  return {
    arenaBytes,
    macs,
    vectors: vectors === 1,
    inputs: Array.from({ length: inputs }, (_, index) => {
      const { place, detail } = tensor("input", index);
      const preprocessing = PREPROCESSING[detail] ?? "raw";
      const fields = Object.freeze(FIELDS && preprocessing === "fields" ? strings(pointed(runtime, session, FIELD_NAMES, index)) : []);
      return { ...place, info: Object.freeze({ ...place.info, preprocessing, fields }) };
    }),
    outputs: Array.from({ length: outputs }, (_, index) => {
      const { place, detail } = tensor("output", index);
      return { ...place, info: Object.freeze({ ...place.info, probabilities: detail === 1 }) };
    }),
  };
}

/** @internal A string list: each string is a length of 16 bits and that many bytes of UTF-8. */
export function strings(bytes: Uint8Array): string[] {
  const found: string[] = [];
  const decoder = new TextDecoder();
  for (let at = 0; at + 2 <= bytes.length; ) {
    const length = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    at += 2;
    if (at + length > bytes.length) {
      break;
    }
    found.push(decoder.decode(bytes.subarray(at, at + length)));
    at += length;
  }
  return found;
}

/** @internal A view of a tensor in the module's memory, good until the next call. */
export function view(memory: ArrayBuffer, { address, info }: Place<TensorInfo>): TensorArray {
  switch (info.type) {
    case "int8":
      return new Int8Array(memory, address, info.length);
    case "int16":
      return new Int16Array(memory, address, info.length);
    case "int32":
      return new Int32Array(memory, address, info.length);
    case "float32":
      return new Float32Array(memory, address, info.length);
  }
}

/** @internal What the numbers of a tensor mean: each step is one operation in single precision, as on a device. */
export function realValues(info: TensorInfo, values: TensorArray): Float32Array {
  const real = new Float32Array(values);
  return info.type === "int8" || info.type === "int16" ? real.map((q) => (q - info.zeroPoint) * info.scale) : real;
}
