// How many multiply-accumulates a second vector instructions reach on registers alone: what no engine that uses them can exceed.
// Runs in a page.

const CHAINS = 12;
/** Rounds of a kernel's loop in one call. */
const ROUNDS = 50_000;

// Parts of the binary format of WebAssembly.
const I32 = 127;
const V128 = 123;
const [LOOP, END, BR_IF, GET, SET, TEE, I32_CONST, F32_CONST, I32_SUB] = [3, 11, 13, 32, 33, 34, 65, 67, 107];

/** An unsigned number in groups of seven bits, lowest first. */
const number = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...number(value >> 7)]);
const vector = (opcode, ...operands) => [253, ...number(opcode), ...operands];
const sized = (bytes) => [...number(bytes.length), ...bytes];

const I8X16_SPLAT = vector(15);
const F32X4_SPLAT = vector(19);
const HALF = [F32_CONST, 0, 0, 0, 63, ...F32X4_SPLAT];
const THREES = [I32_CONST, 3, ...I8X16_SPLAT];
const I32X4_SPLAT = vector(17);
const I32X4_ADD = vector(174);
const FIRST_I32 = vector(27, 0);

// Parameter 0 counts; then two operands and the sums, each a local.
const [COUNT, A, B, FIRST_SUM] = [0, 1, 2, 3];
const get = (local) => [GET, local];

/**
 * Kernels by the instructions they are made of: multiply-accumulates of one step, the operands, and the step, which leaves the new
 * sum. Where multiplication and addition are apart, the product is one of the sum, or it would be computed once for all rounds.
 */
const KERNELS = {
  "i32x4.relaxed_dot_i8x16_i7x16_add_s": { macs: 16, operand: THREES, step: (sum) => [...get(A), ...get(B), ...get(sum), ...vector(0x113)] },
  "i32x4.dot_i16x8_s + i32x4.add": { macs: 8, operand: THREES, step: (sum) => [...get(sum), ...get(A), ...vector(186), ...get(B), ...I32X4_ADD] },
  "f32x4.relaxed_madd": { macs: 4, operand: HALF, step: (sum) => [...get(A), ...get(B), ...get(sum), ...vector(0x105)] },
  "f32x4.mul + f32x4.add": { macs: 4, operand: HALF, step: (sum) => [...get(sum), ...get(A), ...vector(230), ...get(B), ...vector(228)] },
};

/** The names of all kernels. */
export const INSTRUCTIONS = Object.keys(KERNELS);

/** (module (func (export "run") (param i32) (result i32) …)): chains of steps that do not wait for each other. */
function moduleOf({ operand, step }) {
  const sums = Array.from({ length: CHAINS }, (_, index) => FIRST_SUM + index);
  const code = [
    ...[1, ...number(2 + CHAINS), V128],
    ...[...operand, SET, A, ...operand, SET, B],
    ...sums.flatMap((sum) => [I32_CONST, sum, ...I32X4_SPLAT, SET, sum]),
    ...[LOOP, 64, ...sums.flatMap((sum) => [...step(sum), SET, sum])],
    ...[...get(COUNT), I32_CONST, 1, I32_SUB, TEE, COUNT, BR_IF, 0, END],
    ...sums.flatMap((sum, index) => [...get(sum), ...(index === 0 ? [] : I32X4_ADD)]),
    ...[...FIRST_I32, END],
  ];
  const sections = [
    [1, [1, 96, 1, I32, 1, I32]], // type
    [3, [1, 0]], // function
    [7, [1, 3, ...new TextEncoder().encode("run"), 0, 0]], // export
    [10, [1, ...sized(code)]], // code
  ];
  return new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, ...sections.flatMap(([id, content]) => [id, ...sized(content)])]);
}

/** What runs a kernel once, and its multiply-accumulates; null where the browser has no such instruction. */
export function ceiling(instruction) {
  const kernel = KERNELS[instruction];
  const bytes = moduleOf(kernel);
  if (!WebAssembly.validate(bytes)) {
    return null;
  }
  const { run } = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  return { run: () => run(ROUNDS), macs: ROUNDS * CHAINS * kernel.macs };
}
