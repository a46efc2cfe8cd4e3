// Usage: node tests/api-node.mjs <fixture folder>
// The checks of api.mjs on the package in wasm/dist/, in Node.js.

import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

// What a model's memory is, is the module's business: its size is looked up behind the package's back.
const memories = [];
const { instantiate } = WebAssembly;
WebAssembly.instantiate = async (...given) => {
  const instance = await instantiate(...given);
  memories.push(instance.exports.memory);
  return instance;
};
const bantam = await import("../dist/node.js");
const { assert, checks, failure } = await import("./api.mjs");

const [fixtures] = process.argv.slice(2);
if (fixtures === undefined) {
  throw new Error("usage: node tests/api-node.mjs <fixture folder>");
}
const read = async (name) => new Uint8Array(await readFile(join(fixtures, name)));
const files = {
  digits: await read("digits.bantam"),
  cancer: await read("cases/breast-cancer.bantam"),
  images: await Promise.all((await readdir(join(fixtures, "images"))).sort().map((name) => read(join("images", name)))),
};

const own = {
  async "paths and file URLs load"() {
    const path = join(fixtures, "digits.bantam");
    for (const source of [path, pathToFileURL(path), pathToFileURL(path).href]) {
      (await bantam.load(source)).free();
    }
    await failure(bantam, "download", () => bantam.load(join(fixtures, "nothing.bantam")), ["nothing.bantam"]);
    await failure(bantam, "runtime", () => bantam.load(path, { wasmUrl: join(fixtures, "nothing.wasm") }), ["nothing.wasm"]);
    await failure(bantam, "runtime", () => bantam.load(path, { wasmUrl: path }));
  },

  async "CommonJS has the same"() {
    const common = createRequire(import.meta.url)("../dist/node.cjs");
    const model = await common.load(join(fixtures, "digits.bantam"));
    assert(model.run(new Int8Array(64)).length === 10, "run");
    model.free();
    await failure(common, "not-a-model", () => common.load(new Uint8Array(3)), ["rule 1"]);
    const worker = await common.createWorker();
    const far = await worker.load(files.digits);
    assert((await far.run(new Int8Array(64))).length === 10, "run in a worker");
    worker.terminate();
    assert(Object.keys(common).sort().join() === Object.keys(bantam).sort().join(), "the same names");
  },
};

const all = Object.entries({ ...checks, ...own });
for (const [name, check] of all) {
  try {
    await check(bantam, files, () => memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0));
  } catch (error) {
    console.error(`${name}: ${error.stack}`);
    process.exitCode = 1;
  }
}
console.log(`package in Node.js ${process.versions.node}: ${all.length} checks${process.exitCode === 1 ? ", some failed" : ""}`);
