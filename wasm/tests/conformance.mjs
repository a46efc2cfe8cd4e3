// Usage: node wasm/tests/conformance.mjs <folder>
// Repeats the runs that `cargo xtask conformance` recorded into the folder, and compares every output bit for bit with
// the host's. Prints one line of JSON: cases, outputs, and the names of the cases that differ.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import * as bantam from "../dist/node.js";

/** Views of bytes as the elements of each type. */
const ARRAYS = { I8: Int8Array, F32: Float32Array, I32: Int32Array };

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  throw new Error("usage: node wasm/tests/conformance.mjs <folder>");
}

/** The bytes of a file, in a buffer of their own. */
const bytesOf = async (file) => Uint8Array.from(await readFile(join(folder, file)));

/** Runs one case; true if every output has the host's bits. */
async function repeat({ artifact, inputs, outputs }) {
  const model = await bantam.load(await bytesOf(artifact));
  const values = {};
  for (const [index, { type, file }] of inputs.entries()) {
    values[model.inputs[index].name] = new ARRAYS[type]((await bytesOf(file)).buffer);
  }
  const results = model.runAll(values);
  let same = true;
  for (const [index, { file }] of outputs.entries()) {
    const output = results[model.outputs[index].name];
    same &&= Buffer.from(output.buffer, output.byteOffset, output.byteLength).equals(await bytesOf(file));
  }
  model.free();
  return same;
}

const { cases } = JSON.parse(await readFile(join(folder, "index.json"), "utf8"));
const differences = [];
for (const one of cases) {
  if (!(await repeat(one))) {
    differences.push(one.name);
  }
}
const outputs = cases.reduce((count, one) => count + one.outputs.length, 0);
console.log(JSON.stringify({ cases: cases.length, outputs, differences }));
process.exitCode = cases.length > 0 && differences.length === 0 ? 0 : 1;
