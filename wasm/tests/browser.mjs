// Usage: node tests/browser.mjs <folder of fused outputs> <folder of cases>…
// Compares the package in wasm/dist/ with the host, in headless Chromium: every build; the relaxed one also with its product
// of bytes in software, in each way that is exact. Fails where the package would not choose the fastest exact build.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { conclude, readCases } from "./cases.mjs";
import { WASM, launch, serve } from "./chromium.mjs";
import { REGIMES, modelledModules } from "./regimes.mjs";

const [fusedFolder, ...folders] = process.argv.slice(2);
if (folders.length === 0) {
  throw new Error("usage: node tests/browser.mjs <folder of fused outputs> <folder of cases>…");
}
const cases = await readCases(folders, fusedFolder);
const scratch = await mkdtemp(join(tmpdir(), "bantam-regimes-"));
const modules = await modelledModules(scratch).finally(() => rm(scratch, { recursive: true }));
const server = await serve({ dist: join(WASM, "dist"), tests: join(WASM, "tests") }, (path, response) => {
  const [, regime] = path.match(/^\/modelled\/(\w+)\.wasm$/) ?? [];
  if (regime in modules) {
    response.writeHead(200, { "content-type": "application/wasm" }).end(modules[regime]);
    return true;
  }
  const [, index, part] = path.match(/^\/cases\/(\d+)\/(artifact|inputs|outputs|fused)$/) ?? [];
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
  const list = cases.map(({ name, fused }) => ({ name, isFused: fused !== undefined }));
  const { builds, ...total } = await page.evaluate(
    async ([list, regimes]) => {
      const [bantam, { compare }] = await Promise.all([import("/dist/index.js"), import("/tests/parity.mjs")]);
      const part = async (index, part) => new Uint8Array(await (await fetch(`/cases/${index}/${part}`)).arrayBuffer());
      const cases = [];
      // One after the other: a browser has no room for a thousand requests.
      for (const [index, { name, isFused }] of list.entries()) {
        const parts = ["artifact", "inputs", "outputs", ...(isFused ? ["fused"] : [])];
        const [artifact, inputs, outputs, fused] = await Promise.all(parts.map((it) => part(index, it)));
        cases.push({ name, artifact, inputs, outputs, fused });
      }
      // The loader asks a small module how the engine multiplies: here the answer of another engine.
      const { Instance } = WebAssembly;
      let answer;
      WebAssembly.Instance = function (module, imports) {
        const instance = new Instance(module, imports);
        answer ??= instance.exports.p(127, 255);
        const given = answer;
        return { exports: { p: () => given } };
      };
      const exact = [4 * 127 * -1, 4 * 127 * 255];
      const best = bantam.bestBuild();
      if (best !== (exact.includes(answer) ? "relaxed" : "fused")) {
        throw new Error(`the package chooses ${best} where four products of 127 and 255 are ${answer}`);
      }
      const total = { cases: cases.length, runs: 0, differences: 0, builds: [] };
      const run = async (name, build, options) => {
        const { runs, differences } = await compare(bantam, build, cases, options);
        total.runs += runs;
        total.differences += differences;
        total.builds.push(name);
      };
      await run("scalar", "scalar");
      await run("simd128", "simd128");
      await run("fused", "fused");
      if (best === "relaxed") {
        await run("relaxed", "relaxed");
      } else {
        const refused = await bantam.load(cases[0].artifact, { build: "relaxed" }).catch((error) => error.code);
        if (refused !== "runtime") {
          throw new Error("the relaxed build runs on an engine whose products are not exact");
        }
      }
      for (const [index, regime] of regimes.entries()) {
        answer = exact[index];
        await run(`relaxed with ${regime} products`, "relaxed", { wasmUrl: `/modelled/${regime}.wasm` });
      }
      return total;
    },
    [list, Object.keys(REGIMES)],
  );
  conclude(`Chromium ${browser.version()}`, builds, total);
} finally {
  await browser.close();
  server.close();
}
