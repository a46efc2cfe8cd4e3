// Usage: node sizes.mjs <dist> <budget>, as `cargo xtask web` calls it.
//
// Prints what a page downloads: the loader and one of the modules, in bytes of the bodies as the browser's network log
// counts them for a server that compresses as well as it can. Fails where that is more than the budget after brotli.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { BUILDS } from "./builds.mjs";

const [dist, budget] = process.argv.slice(2);
if (budget === undefined) {
  throw new Error("usage: node sizes.mjs <dist> <budget>");
}

const brotli = (bytes) =>
  brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  });

/** Raw, gzip, brotli. */
async function sizes(name) {
  const bytes = await readFile(join(dist, name));
  return [bytes.length, gzipSync(bytes, { level: 9 }).length, brotli(bytes).length];
}

const print = (cells) => console.log(cells.map((cell, at) => (at === 0 ? cell.padEnd(30) : cell.padStart(10))).join(""));
const number = (value) => value.toLocaleString("en");
print(["bytes", "raw", "gzip", "brotli"]);
const loader = await sizes("index.js");
print(["index.js", ...loader.map(number)]);
const totals = [];
for (const build of Object.keys(BUILDS)) {
  const module = await sizes(`bantam_${build}.wasm`);
  const total = module.map((bytes, at) => bytes + loader[at]);
  print([`bantam_${build}.wasm`, ...module.map(number)]);
  totals.push([`a page with ${build}`, total]);
}
totals.forEach(([name, total]) => print([name, ...total.map(number)]));
const largest = Math.max(...totals.map(([, total]) => total[2]));
const fits = largest <= Number(budget);
console.log(`a page downloads ${number(largest)} of at most ${number(Number(budget))} bytes after brotli${fits ? "" : ": too much"}`);
process.exitCode = fits ? 0 : 1;
