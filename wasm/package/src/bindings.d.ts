/** What `cargo xtask web` writes into bindings.js: the glue of the WebAssembly module, one set per call. */

export interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly __wbindgen_start?: () => void;
}

/** The bindings of wasm/src/lib.rs. */
export interface Session {
  /** Where the file belongs before it is opened; 0 where there is no memory for it. */
  readonly address: number;
  open(): void;
  /** Where the answers of `ask` are; it gives how many numbers. */
  readonly notes: number;
  ask(question: number, index: number): number;
  fill(input: number, values: Float32Array): boolean;
  prepareImage(input: number, pixels: Uint8Array, width: number, height: number): boolean;
  prepareFields(input: number, fields: Float32Array): boolean;
  run(): boolean;
  reset(): void;
  free(): void;
}

export interface Bindings {
  readonly Session: new (length: number) => Session;
  __wbg_set_wasm(exports: Exports): void;
}

export function bind(): Bindings;
