// Usage: node wasm/tests/conformance.mjs <folder>
// Repeats the runs that `cargo xtask conformance` recorded into the folder, and compares every output bit for bit with
// the host's. Prints one line of JSON: cases, outputs, and the names of the cases that differ.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import * as bantam from "../dist/bantam_wasm.js";

/** How the bindings take and give each type of elements. */
const ACCESS = {
  I8: {
    set: (session, index, bytes) => session.setInput(index, new Int8Array(bytes)),
    get: (session, index) => session.output(index),
  },
  F32: {
    set: (session, index, bytes) => session.setFloatInput(index, new Float32Array(bytes)),
    get: (session, index) => session.floatOutput(index),
  },
  I32: {
    set: (session, index, bytes) => session.setIntegerInput(index, new Int32Array(bytes)),
    get: (session, index) => session.integerOutput(index),
  },
};

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  throw new Error("usage: node wasm/tests/conformance.mjs <folder>");
}
bantam.initSync({ module: await readFile(new URL("../dist/bantam_wasm_bg.wasm", import.meta.url)) });

/** The bytes of a file, in a buffer of their own. */
const bytesOf = async (file) => Uint8Array.from(await readFile(join(folder, file)));

/** Runs one case; true if every output has the host's bits. */
async function repeat({ artifact, inputs, outputs }) {
  const session = new bantam.Session(await bytesOf(artifact));
  for (const [index, { type, file }] of inputs.entries()) {
    ACCESS[type].set(session, index, (await bytesOf(file)).buffer);
  }
  session.run();
  let same = true;
  for (const [index, { type, file }] of outputs.entries()) {
    const output = ACCESS[type].get(session, index);
    const got = Buffer.from(output.buffer, output.byteOffset, output.byteLength);
    same &&= got.equals(await bytesOf(file));
  }
  session.free();
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
