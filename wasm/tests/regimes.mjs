// The relaxed build with its product of bytes in software, as the engines do it on which it is exact: so that it is tested on
// every machine, whatever its own engine does.

import { execFileSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { WASM } from "./chromium.mjs";

/** How the second operand is read: as Arm does it, and as x86 with VNNI. */
export const REGIMES = { signed: "s", unsigned: "u" };

const FEATURES = [
  ...["simd", "relaxed-simd", "bulk-memory", "reference-types", "multivalue", "nontrapping-float-to-int", "sign-ext"],
  "mutable-globals",
].map((feature) => `--enable-${feature}`);

/** Sums of four products in each lane, added to the third operand; exact in 16-bit pairs. */
const model = (sign) => `
 (func $modelled_dot (param $a v128) (param $b v128) (param $sums v128) (result v128)
  (local $low v128) (local $high v128)
  (local.set $low (i32x4.dot_i16x8_s (i16x8.extend_low_i8x16_s (local.get $a)) (i16x8.extend_low_i8x16_${sign} (local.get $b))))
  (local.set $high (i32x4.dot_i16x8_s (i16x8.extend_high_i8x16_s (local.get $a)) (i16x8.extend_high_i8x16_${sign} (local.get $b))))
  (i32x4.add (local.get $sums) (i32x4.add
   (i8x16.shuffle 0 1 2 3 8 9 10 11 16 17 18 19 24 25 26 27 (local.get $low) (local.get $high))
   (i8x16.shuffle 4 5 6 7 12 13 14 15 20 21 22 23 28 29 30 31 (local.get $low) (local.get $high)))))
`;

/** Writes a module for each regime into a folder and returns them by name. */
export async function modelledModules(folder) {
  const tool = (name, args) => execFileSync(join(WASM, "node_modules/.bin", name), [...FEATURES, ...args]);
  const text = join(folder, "relaxed.wat");
  tool("wasm-dis", [join(WASM, "dist/bantam_relaxed.wasm"), "-o", text]);
  const [plain, modules] = [await readFile(text, "utf8"), {}];
  const instruction = "(i32x4.relaxed_dot_i8x16_i7x16_add_s";
  if (!plain.includes(instruction)) {
    throw new Error("the relaxed build has no relaxed product of bytes");
  }
  for (const [regime, sign] of Object.entries(REGIMES)) {
    const end = plain.lastIndexOf(")");
    await writeFile(text, `${plain.slice(0, end).replaceAll(instruction, "(call $modelled_dot")}${model(sign)})`);
    const module = join(folder, `${regime}.wasm`);
    tool("wasm-as", [text, "-o", module]);
    modules[regime] = await readFile(module);
  }
  return modules;
}
