/** What `cargo xtask web` writes into bindings.js: the glue of the WebAssembly module, one set per call. */

export interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly __wbindgen_start?: () => void;
}

/** The bindings of wasm/src/lib.rs. */
export interface Session {
  /** Takes memory for bytes that the next call shall use: where it is, 0 where there is none. */
  reserve(length: number): number;
  open(): void;
  /** Where the answers of `ask` are; it gives how many numbers. */
  readonly notes: number;
  ask(question: number, index: number): number;
  fill(input: number): boolean;
  prepareImage(input: number, width: number, height: number): boolean;
  prepareFields(input: number): boolean;
  run(): boolean;
  reset(): void;
  free(): void;
}

export interface Bindings {
  readonly Session: new () => Session;
  __wbg_set_wasm(exports: Exports): void;
}

export function bind(): Bindings;
