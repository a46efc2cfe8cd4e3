// Usage: node tests/node.mjs <folder of cases>…
// Compares the package in wasm/dist/ with the host, in Node.js: every build this Node.js can run.

import * as bantam from "../dist/node.js";
import { conclude, readCases } from "./cases.mjs";
import { compare } from "./parity.mjs";

const folders = process.argv.slice(2);
if (folders.length === 0) {
  throw new Error("usage: node tests/node.mjs <folder of cases>…");
}
const cases = await readCases(folders);
// Node.js 20 knows relaxed vectors behind a flag only; the browser's test runs that build.
const builds = ["scalar", "simd128"];
const total = { cases: cases.length, runs: 0, differences: 0 };
for (const build of builds) {
  const { runs, differences } = await compare(bantam, build, cases);
  total.runs += runs;
  total.differences += differences;
}
conclude(`Node.js ${process.versions.node}`, builds, total);
