// Usage: node bench/sweep.mjs <folder> <name>..., as `cargo xtask bench sweep` calls it.
//
// Runs the models <folder>/<name>.bantam, of one 8-bit input each, in a page of headless Chromium, inputs copied in and outputs
// out, and prints as JSON: the browser's version, the build that the page got, and the nanoseconds of a run of each model: of
// the least of many batches, for which the models take turns.

import { join } from "node:path";

import { WASM, launch, serve } from "../tests/chromium.mjs";

const [folder, ...names] = process.argv.slice(2);
if (names.length === 0) {
  throw new Error("usage: node bench/sweep.mjs <folder> <name>...");
}
const ROUNDS = 61;
const BATCH_MS = 5;

// Isolated pages have a finer clock.
const isolated = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
const server = await serve({ dist: join(WASM, "dist"), models: folder }, undefined, isolated);
const browser = await launch();
try {
  const page = await browser.newPage();
  await page.goto(server.origin);
  const measured = await page.evaluate(
    async ([names, rounds, batchMs]) => {
      const { load } = await import("/dist/index.js");
      const layers = [];
      for (const name of names) {
        const model = await load(`/models/${name}.bantam`);
        const values = Int8Array.from({ length: model.inputs[0].length }, (_, at) => at * 37);
        const inputs = { [model.inputs[0].name]: values };
        layers.push({ run: () => model.runAll(inputs), batch: 1, least: Infinity, build: model.stats.build });
      }
      const sample = ({ run, batch }) => {
        const start = performance.now();
        for (let count = 0; count < batch; count++) {
          run();
        }
        return performance.now() - start;
      };
      for (const layer of layers) {
        // Also long enough for the optimising compiler.
        for (const end = performance.now() + 200; performance.now() < end; ) {
          const taken = sample(layer);
          if (taken < batchMs) {
            layer.batch = Math.ceil(layer.batch * Math.min(4, (1.2 * batchMs) / Math.max(taken, 0.1)));
          }
        }
      }
      for (let round = 0; round < rounds; round++) {
        for (const layer of layers) {
          layer.least = Math.min(layer.least, sample(layer) / layer.batch);
        }
      }
      return { build: layers[0].build, nanoseconds: layers.map(({ least }) => least * 1e6) };
    },
    [names, ROUNDS, BATCH_MS],
  );
  console.log(JSON.stringify({ version: browser.version(), ...measured }));
} finally {
  await browser.close();
  server.close();
}
