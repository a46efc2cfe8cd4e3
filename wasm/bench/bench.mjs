// Usage: node bench/bench.mjs <folder with node_modules> <models.json> [--json], as `cargo xtask bench web` calls it.
//
// Compares bantam with onnxruntime-web and LiteRT.js in one run of headless Chromium: single thread, cross-origin isolated,
// samples of the engines alternating, each a batch of at least 10 ms. models.json is an array of { model, dtype, bantam,
// onnx, tflite }, the last three paths or null; what an engine has no file for is n/a.

import { readFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

import { WASM, launch, serve } from "../tests/chromium.mjs";

const [folder, list, flag] = process.argv.slice(2);
if (list === undefined) {
  throw new Error("usage: node bench/bench.mjs <folder with node_modules> <models.json> [--json]");
}
const ROUNDS = 31;
/** A busy machine takes its time to open a page. */
const PATIENCE_MS = 300_000;
const SAMPLE_MS = 10;
const FILES = { bantam: "bantam", "onnxruntime-web": "onnx", litert: "tflite" };

const models = JSON.parse(await readFile(list, "utf8"));
const version = async (path) => JSON.parse(await readFile(path, "utf8")).version;
const versions = {
  bantam: await version(join(WASM, "dist/package.json")),
  "onnxruntime-web": await version(join(folder, "node_modules/onnxruntime-web/package.json")),
  litert: await version(join(folder, "node_modules/@litertjs/core/package.json")),
};

const roots = { dist: join(WASM, "dist"), bench: join(WASM, "bench"), modules: join(folder, "node_modules") };
const TYPES = { js: "text/javascript", mjs: "text/javascript", wasm: "application/wasm" };
const isolated = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };
const bodies = new Map();
const server = await serve(
  {},
  async (path, response) => {
    if (path === "/") {
      // LiteRT.js names a package of its own; a page without a bundler says where that is.
      const imports = { "@litertjs/wasm-utils": "/modules/@litertjs/wasm-utils/dist/index.js" };
      const page = `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script>`;
      response.writeHead(200, { "content-type": "text/html", ...isolated }).end(page);
      return true;
    }
    const [, root, rest] = path.match(/^\/(\w+)\/(.+)$/) ?? [];
    const file = root === "models" ? models[Number(rest.split("/")[0])][rest.split("/")[1]] : roots[root] && join(roots[root], rest);
    if (file === undefined || rest.split(sep).includes("..")) {
      return false;
    }
    if (!bodies.has(file)) {
      // As well as a server compresses what it serves often. Level 9 where 11 would take minutes changes 2.3 MB by 3 %.
      const body = await readFile(file);
      const quality = body.length > 1 << 21 ? 9 : 11;
      bodies.set(file, brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } }));
    }
    const type = TYPES[file.split(".").at(-1)] ?? "application/octet-stream";
    response.writeHead(200, { "content-type": type, "content-encoding": "br", ...isolated }).end(bodies.get(file));
    return true;
  },
  isolated,
);

/** From navigation to a model that has run once, in a browser context that has seen nothing. */
async function ready(browser, engine, files) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(server.origin);
    return await page.evaluate(
      async ([engine, files]) => {
        const { engines } = await import("/bench/engines.mjs");
        await (await engines[engine](files))();
        const ready_ms = performance.now();
        const resources = performance.getEntriesByType("resource").filter(({ name }) => !name.includes("/bench/"));
        return { ready_ms, download_bytes: resources.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0) };
      },
      [engine, files],
    );
  } finally {
    await context.close();
  }
}

/** Milliseconds of one run, a list for each engine, alternating. */
async function alternate(browser, engines, files) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  try {
    await page.goto(server.origin);
    return await page.evaluate(
      async ([names, files, rounds, sampleMs]) => {
        const { engines } = await import("/bench/engines.mjs");
        const runners = [];
        for (const name of names) {
          runners.push({ run: await engines[name](files), batch: 1, times: [] });
        }
        const sample = async ({ run, batch }) => {
          const start = performance.now();
          for (let count = 0; count < batch; count++) {
            const pending = run();
            if (pending instanceof Promise) {
              await pending;
            }
          }
          return performance.now() - start;
        };
        for (const runner of runners) {
          // Long enough for the optimising compiler, and until a batch is long enough to be measured.
          for (const end = performance.now() + 500; performance.now() < end; ) {
            const taken = await sample(runner);
            runner.batch = taken < 1.3 * sampleMs ? Math.ceil(runner.batch * Math.min(4, (1.5 * sampleMs) / Math.max(taken, 0.1))) : runner.batch;
          }
        }
        for (let round = 0; round < rounds; round++) {
          for (const runner of runners) {
            runner.times.push((await sample(runner)) / runner.batch);
          }
        }
        return runners.map(({ times }) => times);
      },
      [engines, files, ROUNDS, SAMPLE_MS],
    );
  } finally {
    await page.close();
  }
}

const rows = [];
const browser = await launch();
const browserVersion = browser.version();
try {
  for (const [index, { model, dtype, ...paths }] of models.entries()) {
    const files = Object.fromEntries(Object.keys(paths).map((kind) => [kind, `/models/${index}/${kind}`]));
    const names = Object.keys(FILES).filter((engine) => paths[FILES[engine]] != null);
    const times = await alternate(browser, names, files);
    for (const engine of Object.keys(FILES)) {
      const row = { model, dtype, engine, version: versions[engine], median_ms: null, p10_ms: null, p90_ms: null, ready_ms: null, download_bytes: null };
      const at = names.indexOf(engine);
      if (at >= 0) {
        const sorted = times[at].toSorted?.((a, b) => a - b) ?? [...times[at]].sort((a, b) => a - b);
        const part = (share) => sorted[Math.round(share * (sorted.length - 1))];
        Object.assign(row, { median_ms: part(0.5), p10_ms: part(0.1), p90_ms: part(0.9) }, await ready(browser, engine, files));
      }
      rows.push(row);
    }
    const { ready_ms, download_bytes } = await ready(browser, "empty", {});
    rows.push({ model, dtype, engine: "empty", version: null, median_ms: null, p10_ms: null, p90_ms: null, ready_ms, download_bytes });
  }
} finally {
  await browser.close();
  server.close();
}

if (flag === "--json") {
  console.log(JSON.stringify(rows, null, 2));
} else {
  const number = (value, digits) => (value === null ? "n/a" : value.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits }));
  const widths = [Math.max(...rows.map(({ model }) => model.length)) + 2, 9, 17, 11, 22, 10, 12, 13];
  const print = (cells) => console.log(cells.map((cell, at) => (at < 3 ? cell.padEnd(widths[at]) : cell.padStart(widths[at]))).join(""));
  print(["model", "dtype", "engine", "median ms", "p10 to p90", "ready ms", "bytes down", "bantam : it"]);
  for (const row of rows) {
    const own = rows.find(({ model, dtype, engine }) => model === row.model && dtype === row.dtype && engine === "bantam");
    const ratio = row.median_ms === null || own.median_ms === null || row === own ? "" : `${(own.median_ms / row.median_ms).toFixed(2)}`;
    const spread = row.median_ms === null ? "n/a" : `${number(row.p10_ms, 3)} to ${number(row.p90_ms, 3)}`;
    print([row.model, row.dtype, row.engine, number(row.median_ms, 3), spread, number(row.ready_ms, 0), number(row.download_bytes, 0), ratio]);
  }
  console.log("single thread, cross-origin isolated; the last column above 1: bantam is slower; empty is a page without an engine");
  console.log(Object.entries(versions).map(([name, version]) => `${name} ${version}`).join(", "), "in Chromium", browserVersion);
}
