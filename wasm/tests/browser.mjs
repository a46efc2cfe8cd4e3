// Usage: node tests/browser.mjs <folder of cases>…
// Compares the package in wasm/dist/ with the host, in headless Chromium: every build.

import { join } from "node:path";

import { conclude, readCases } from "./cases.mjs";
import { WASM, launch, serve } from "./chromium.mjs";

const folders = process.argv.slice(2);
if (folders.length === 0) {
  throw new Error("usage: node tests/browser.mjs <folder of cases>…");
}
const cases = await readCases(folders);
const server = await serve({ dist: join(WASM, "dist"), tests: join(WASM, "tests") }, (path, response) => {
  const [, index, part] = path.match(/^\/cases\/(\d+)\/(artifact|inputs|outputs)$/) ?? [];
  if (part === undefined) {
    return false;
  }
  response.end(cases[Number(index)][part]);
  return true;
});
const browser = await launch();
try {
  const page = await browser.newPage();
  page.on("console", (message) => console.error(`page: ${message.text()}`));
  await page.goto(server.origin);
  const builds = ["scalar", "simd128", "relaxed"];
  const total = await page.evaluate(
    async ([names, builds]) => {
      const [bantam, { compare }] = await Promise.all([import("/dist/index.js"), import("/tests/parity.mjs")]);
      const part = async (index, part) => new Uint8Array(await (await fetch(`/cases/${index}/${part}`)).arrayBuffer());
      const cases = [];
      // One after the other: a browser has no room for a thousand requests.
      for (const [index, name] of names.entries()) {
        const [artifact, inputs, outputs] = await Promise.all(["artifact", "inputs", "outputs"].map((it) => part(index, it)));
        cases.push({ name, artifact, inputs, outputs });
      }
      const total = { cases: cases.length, runs: 0, differences: 0, moved: 0 };
      for (const build of builds) {
        const { runs, differences, moved } = await compare(bantam, build, cases);
        total.runs += runs;
        total.differences += differences;
        total.moved += moved;
      }
      return total;
    },
    [cases.map(({ name }) => name), builds],
  );
  conclude(`Chromium ${browser.version()}`, builds, total);
} finally {
  await browser.close();
  server.close();
}
