import type { Session } from "./bindings.js";
import { fieldValues, rank, type Classification, type Fields } from "./classify.js";
import { BantamError } from "./errors.js";
import { explain } from "./failure.js";
import { isImage, pixelsOf, type ImageSource, type Pixels } from "./image.js";
import { arrange, check, fill, kind, type Inputs } from "./inputs.js";
import type { Build } from "./features.js";
import type { Runtime } from "./runtime.js";
import {
  describe,
  type Description,
  FAILURE,
  give,
  type InputInfo,
  notes,
  type OutputInfo,
  type Place,
  pointed,
  realValues,
  SECTION,
  strings,
  type TensorArray,
  view,
} from "./tensor.js";

/** What a model costs. */
export interface Stats {
  /** Milliseconds of the last run, preprocessing included; 0 before the first. */
  readonly milliseconds: number;
  /** Runs so far. */
  readonly runs: number;
  /** Bytes of working memory that a run needs. */
  readonly arenaBytes: number;
  /** Bytes of the `.bantam` file. */
  readonly fileBytes: number;
  /** Multiply-accumulates of one run. */
  readonly macs: number;
  /** Which build of the runtime runs it. */
  readonly build: Build;
  /** Whether vector instructions run its sums of products. */
  readonly vectors: boolean;
}

/** @internal What a model in a worker tells of itself once. */
export interface ModelInfo {
  readonly inputs: readonly InputInfo[];
  readonly outputs: readonly OutputInfo[];
  readonly labels: readonly string[];
  readonly card: Readonly<Record<string, unknown>>;
  readonly stats: Stats;
}

const LABELS = 258;
const CARD = 259;

/**
 * A loaded model. Its memory lies in the WebAssembly module: call `free()` when done, or let `using` do it.
 *
 * A run needs no memory of its own and cannot fail on a loaded model; what can be wrong is what you give it, and that is
 * a {@link BantamError}.
 */
export class Model {
  /** The inputs in order. */
  readonly inputs: readonly InputInfo[];
  /** The outputs in order. */
  readonly outputs: readonly OutputInfo[];
  /** Names of the classes, in the order of the first output; empty where the file carries none. */
  readonly labels: readonly string[];
  /** The model card from the file; empty where it carries none. */
  readonly card: Readonly<Record<string, unknown>>;
  // Private to the language, whose names cost a download nothing.
  readonly #runtime: Runtime;
  readonly #fileBytes: number;
  readonly #description: Description;
  #session: Session | undefined;
  #milliseconds = 0;
  #runs = 0;

  private constructor(runtime: Runtime, session: Session, fileBytes: number) {
    this.#runtime = runtime;
    this.#session = session;
    this.#fileBytes = fileBytes;
    this.#description = describe(runtime, session);
    this.inputs = Object.freeze(this.#description.inputs.map((place) => place.info));
    this.outputs = Object.freeze(this.#description.outputs.map((place) => place.info));
    this.labels = Object.freeze(strings(pointed(runtime, session, SECTION, LABELS)));
    this.card = Object.freeze(parseCard(pointed(runtime, session, SECTION, CARD)));
  }

  /** @internal Checks a file and takes the memory it needs. */
  static async open(runtime: Runtime, file: Uint8Array): Promise<Model> {
    const session = runtime.call(() => {
      const session = new runtime.bindings.Session();
      give(runtime, session, file);
      session.open();
      return session;
    });
    const failure = runtime.call(() => notes(runtime, session, FAILURE));
    if (failure.length > 0) {
      session.free();
      throw await explain(failure);
    }
    return runtime.call(() => new Model(runtime, session, file.length));
  }

  /** What the model costs. */
  get stats(): Stats {
    const { arenaBytes, macs, vectors } = this.#description;
    const { build } = this.#runtime;
    return { milliseconds: this.#milliseconds, runs: this.#runs, arenaBytes, fileBytes: this.#fileBytes, macs, build, vectors };
  }

  /**
   * Runs the model and gives the real values of its first output.
   *
   * @param inputs an array for the only input, or arrays by name; what they mean stands at {@link InputArray}
   */
  run(inputs: Inputs): Float32Array {
    this.#runOn(inputs);
    const output = this.#firstOutput();
    return realValues(output.info, view(this.#runtime.memory, output));
  }

  /** Runs the model and gives every output by name, in the model's own numbers (see {@link TensorInfo.scale}). */
  runAll(inputs: Inputs): Record<string, TensorArray> {
    this.#runOn(inputs);
    const { outputs } = this.#description;
    return Object.fromEntries(outputs.map((place) => [place.info.name, view(this.#runtime.memory, place).slice()]));
  }

  /**
   * Prepares an image or named fields as the file says and gives the model's input, in the model's own numbers: what
   * the model sees.
   *
   * @throws BantamError `preprocessing` where the file does not say how to prepare such data
   */
  prepare(source: ImageSource | Fields): TensorArray {
    this.#prepareOn(this.#alive(), source);
    // Preparing has found it.
    return view(this.#runtime.memory, this.#description.inputs[0] as Place<InputInfo>).slice();
  }

  /**
   * Prepares an image or named fields as the file says, runs the model and ranks the classes.
   *
   * @throws BantamError `preprocessing` where the file does not say how to prepare such data
   */
  classify(source: ImageSource | Fields): Classification {
    const session = this.#alive();
    const start = performance.now();
    this.#prepareOn(session, source);
    this.#execute(session, start);
    const output = this.#firstOutput();
    return rank(output.info, realValues(output.info, view(this.#runtime.memory, output)), this.labels);
  }

  /** Sets what the model keeps between runs to its initial values; nothing happens to models without such a state. */
  reset(): void {
    const session = this.#alive();
    this.#runtime.call(() => session.reset());
  }

  /** Gives the model's memory back. Calling it again does nothing. */
  free(): void {
    const session = this.#session;
    this.#session = undefined;
    if (session !== undefined && !this.#runtime.dead) {
      session.free();
    }
  }

  /** @internal */
  get info(): ModelInfo {
    const { inputs, outputs, labels, card, stats } = this;
    return { inputs, outputs, labels, card, stats };
  }

  #alive(): Session {
    if (this.#session === undefined) {
      throw new BantamError("freed", "the model was freed; load it again");
    }
    return this.#session;
  }

  #firstOutput(): Place<OutputInfo> {
    // Every artifact has an output: rule 53.
    return this.#description.outputs[0] as Place<OutputInfo>;
  }

  #runOn(inputs: Inputs): void {
    const session = this.#alive();
    const start = performance.now();
    const arrays = arrange(this.inputs, inputs);
    arrays.forEach((values, index) => check(this.inputs[index] as InputInfo, values));
    this.#filled(() => this.#description.inputs.every((place, index) => fill(this.#runtime, session, index, place, arrays[index] ?? [])));
    this.#execute(session, start);
  }

  #prepareOn(session: Session, source: ImageSource | Fields): void {
    const input = this.#description.inputs[0];
    const way = input?.info.preprocessing ?? "raw";
    if (input === undefined || this.inputs.length !== 1 || way === "raw") {
      const text = "the file does not say how to prepare its input: give that to run(), or shrink the model with " +
        "[input.image] or [input.fields] in bantam.toml";
      throw new BantamError("preprocessing", text);
    }
    if (isImage(source) !== (way === "image")) {
      const expected = way === "image" ? "an image" : "numbers by field";
      throw new BantamError("preprocessing", `the model takes ${expected}, got ${kind(source)}`);
    }
    if (IMAGES && way === "image") {
      this.#prepareImage(session, pixelsOf(source as ImageSource));
    } else if (FIELDS) {
      const values = fieldValues(input.info, source as Fields);
      this.#filled(() => give(this.#runtime, session, values) && session.prepareFields(0));
    }
  }

  #prepareImage(session: Session, { data, width, height }: Pixels): void {
    if (width > MAX_SIDE || height > MAX_SIDE) {
      const text = `expected at most ${MAX_SIDE} x ${MAX_SIDE} pixels, got ${width} x ${height}`;
      throw new BantamError("image", text);
    }
    const bytes = data instanceof Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.length);
    this.#filled(() => give(this.#runtime, session, bytes) && session.prepareImage(0, width, height));
  }

  /** What was given is checked before, so only memory can be missing. */
  #filled(action: () => boolean): void {
    if (!this.#runtime.call(action)) {
      throw new BantamError("memory", "there is not enough memory for the input");
    }
  }

  #execute(session: Session, start: number): void {
    const done = this.#runtime.call(() => session.run());
    if (!done) {
      throw new BantamError("crashed", "the runtime and the file disagree; please report this model");
    }
    this.#milliseconds = performance.now() - start;
    this.#runs += 1;
  }
}

/** Of images; as in the runtime. */
const MAX_SIDE = 8192;

// `using model = await load(...)` where the language has it; older engines get on without.
if (typeof Symbol.dispose === "symbol") {
  Object.defineProperty(Model.prototype, Symbol.dispose, { value: Model.prototype.free });
}

/** Frees the model at the end of a `using` block. */
export interface Model {
  [Symbol.dispose](): void;
}

function parseCard(bytes: Uint8Array): Record<string, unknown> {
  try {
    const card: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof card === "object" && card !== null ? (card as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
