// Usage: node tests/node.mjs [--dist=<folder>] <folder of cases>…
// Compares the package in wasm/dist/, or in that folder, with the host, in Node.js: every build this Node.js can run.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { conclude, readCases } from "./cases.mjs";
import { compare } from "./parity.mjs";

const DIST = "--dist=";
const [first] = process.argv.slice(2);
const chosen = first?.startsWith(DIST);
const folders = process.argv.slice(chosen ? 3 : 2);
const bantam = await import(chosen ? pathToFileURL(join(first.slice(DIST.length), "node.js")).href : "../dist/node.js");
if (folders.length === 0) {
  throw new Error("usage: node tests/node.mjs [--dist=<folder>] <folder of cases>…");
}
const cases = await readCases(folders);
// Node.js 20 knows relaxed vectors behind a flag only; the browser's test runs those builds.
const builds = ["scalar", "simd128"];
const total = { cases: cases.length, runs: 0, differences: 0 };
for (const build of builds) {
  const { runs, differences } = await compare(bantam, build, cases);
  total.runs += runs;
  total.differences += differences;
}
conclude(`Node.js ${process.versions.node}`, builds, total);
