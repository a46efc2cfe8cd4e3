/** What `cargo xtask web` writes into bindings.js: the glue of the WebAssembly module, one set per call. */

export interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly __wbindgen_start?: () => void;
}

/** Memory for a file. Opening takes it. */
export interface Artifact {
  readonly address: number;
  open(): Session;
  free(): void;
}

/** The bindings of wasm/src/lib.rs. */
export interface Session {
  /** Where the answers of the next five are; each gives how many numbers. */
  readonly notes: number;
  failure(): number;
  describe(): number;
  tensor(index: number): number;
  section(kind: number): number;
  fieldNames(input: number): number;
  fill(input: number, values: Float32Array): boolean;
  prepareImage(input: number, pixels: Uint8Array, width: number, height: number): boolean;
  prepareFields(input: number, fields: Float32Array): boolean;
  run(): boolean;
  reset(): void;
  free(): void;
}

export interface Bindings {
  readonly Artifact: new (length: number) => Artifact;
  __wbg_set_wasm(exports: Exports): void;
}

export function bind(): Bindings;
