/**
 * Which build of the runtime a page gets. They give the same integers; they differ in speed, and
 * the last two may round a product of floats and its sum once.
 *
 * - `scalar` runs wherever WebAssembly does,
 * - `simd128` needs 128-bit vectors: every browser since 2023,
 * - `fused` needs relaxed vector instructions (Chrome 114, Firefox 146): floats are multiplied and added in one step,
 * - `relaxed` needs such whose product of bytes is exact, too.
 */
export type Build = "scalar" | "simd128" | "fused" | "relaxed";

/** (module (func (param v128) (drop (i8x16.popcnt (local.get 0))))) */
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 1, 123, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 32, 0, 253, 98, 26, 11];

/**
 * (module (func (export "p") (param i32 i32) (result i32)
 *   (i32x4.extract_lane 0 (i32x4.relaxed_dot_i8x16_i7x16_add_s
 *     (i8x16.splat (local.get 0)) (i8x16.splat (local.get 1)) (i32x4.splat (i32.const 0))))))
 */
const RELAXED = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 112, 0, 0, 10, 22, 1, 20, 0,
  32, 0, 253, 15, 32, 1, 253, 15, 65, 0, 253, 17, 253, 147, 2, 253, 27, 0, 11,
];

/**
 * Whether this engine has a relaxed product of bytes that is exact: the standard leaves open what one is where the second
 * operand has its top bit set, signed, unsigned or saturating. Asks by summing four products of 127 and the byte 255.
 */
export function multipliesExactly(): boolean {
  if (!runs(RELAXED)) {
    return false;
  }
  const module = new WebAssembly.Module(new Uint8Array(RELAXED));
  const probe = new WebAssembly.Instance(module).exports["p"] as (a: number, b: number) => number;
  const sum = probe(127, 255);
  return sum === 4 * 127 * -1 || sum === 4 * 127 * 255;
}

function runs(module: readonly number[]): boolean {
  return WebAssembly.validate(new Uint8Array(module));
}

/** The fastest build this engine can run. */
export function bestBuild(): Build {
  return multipliesExactly() ? "relaxed" : runs(RELAXED) ? "fused" : runs(SIMD) ? "simd128" : "scalar";
}
