// Usage: node bench/bench.mjs <folder with node_modules> <models.json> [--json], as `cargo xtask bench web` calls it.
//
// Compares bantam with onnxruntime-web and LiteRT.js in one run of headless Chromium: single thread, cross-origin isolated,
// samples of the engines alternating, each a batch of at least 10 ms, and beside them kernels of the instructions that the
// engines could use, on registers alone. Ratios are of samples of the same round. Then each engine is started in fresh pages,
// in turn with an empty one. models.json is an array of { model, dtype, bantam, onnx, tflite }, the last three paths or null;
// what an engine has no file for is n/a.

import { readFile } from "node:fs/promises";
import { join, sep } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

import { WASM, launch, serve } from "../tests/chromium.mjs";

const [folder, list, flag] = process.argv.slice(2);
if (list === undefined) {
  throw new Error("usage: node bench/bench.mjs <folder with node_modules> <models.json> [--json]");
}
/** Samples of each engine, and pages opened for it. */
const ROUNDS = 31;
const PAGES = 5;
/** A busy machine takes its time to open a page. */
const PATIENCE_MS = 300_000;
const SAMPLE_MS = 10;

/**
 * What is measured: the kind of file an engine takes, what its time is held against, and whether a page with it is opened anew to see
 * when it is ready. Builds that users do not choose are measured in one page with the others.
 */
const ENGINES = {
  bantam: { file: "bantam", opened: true },
  "onnxruntime-web": { file: "onnx", rival: "bantam", opened: true },
  litert: { file: "tflite", rival: "bantam", opened: true },
  "bantam-simd128": { file: "bantam" },
  "litert-compat": { file: "tflite", rival: "bantam-simd128" },
};
/** What products and sums an engine could be made of, by its build and the numbers of the model. */
const INSTRUCTIONS = {
  relaxed: { int8: "i32x4.relaxed_dot_i8x16_i7x16_add_s", float32: "f32x4.relaxed_madd" },
  fused: { int8: "i32x4.dot_i16x8_s + i32x4.add", float32: "f32x4.relaxed_madd" },
  simd128: { int8: "i32x4.dot_i16x8_s + i32x4.add", float32: "f32x4.mul + f32x4.add" },
};

const models = JSON.parse(await readFile(list, "utf8"));
const version = async (path) => JSON.parse(await readFile(path, "utf8")).version;
const own = await version(join(WASM, "dist/package.json"));
const litert = await version(join(folder, "node_modules/@litertjs/core/package.json"));
const versions = {
  bantam: own,
  "bantam-simd128": own,
  "onnxruntime-web": await version(join(folder, "node_modules/onnxruntime-web/package.json")),
  litert,
  "litert-compat": litert,
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

/** In a browser context that has seen nothing. */
async function ready(browser, engine, files) {
  const context = await browser.newContext();
  try {
    return await inPage(await context.newPage(), "ready", engine, files);
  } finally {
    await context.close();
  }
}

/** Calls a function of `page.mjs` in a page. */
async function inPage(page, name, ...values) {
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(server.origin);
  return page.evaluate(async ([name, values]) => (await import("/bench/page.mjs"))[name](...values), [name, values]);
}

/** The middle of some numbers, and what a tenth of them are below and above. */
function spread(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const [p10, median, p90] = [0.1, 0.5, 0.9].map((share) => sorted[Math.round(share * (sorted.length - 1))]);
  return { median, p10, p90 };
}

/** The same with names: `ratio`, `ratio_p10`, `ratio_p90`. */
function named(name, numbers) {
  const { median, p10, p90 } = spread(numbers);
  return { [name]: median, [`${name}_p10`]: p10, [`${name}_p90`]: p90 };
}

/** Rows of one model: time, ratio to bantam's in the same round, and what share of its instruction's ceiling that is. */
async function race(browser, paths, files, dtype) {
  const names = Object.keys(ENGINES).filter((engine) => paths[ENGINES[engine].file] != null);
  const page = await browser.newPage();
  const measured = await inPage(page, "alternate", names, files, ROUNDS, SAMPLE_MS);
  await page.close();
  const taken = Object.fromEntries(measured.map((it) => [it.name, it]));
  const macs = taken.bantam?.macs ?? null;
  return names.map((engine) => {
    const { build, times } = taken[engine];
    const { median, p10, p90 } = spread(times);
    const row = { engine, build, median_ms: median, p10_ms: p10, p90_ms: p90, macs };
    const rival = taken[ENGINES[engine].rival];
    if (rival !== undefined) {
      Object.assign(row, { against: rival.name }, named("ratio", times.map((time, round) => rival.times[round] / time)));
    }
    // A model whose numbers we do not know may be of either kind.
    const instruction = INSTRUCTIONS[build][dtype];
    const kernel = taken[instruction];
    if (kernel !== undefined && macs !== null) {
      const ceilings = kernel.times.map((time) => kernel.macs / time / 1e6);
      const rates = times.map((time) => macs / time / 1e6);
      Object.assign(row, { instruction, ceiling_gmacs: spread(ceilings).median, gmacs: spread(rates).median });
      Object.assign(row, named("ceiling_share", rates.map((rate, round) => rate / ceilings[round])));
    }
    return row;
  });
}

/** By engine, when a page with it is ready, how long after an empty one that was opened in the same round, and what it took. */
async function openings(browser, paths, files) {
  const names = ["empty", ...Object.keys(ENGINES).filter((engine) => ENGINES[engine].opened && paths[ENGINES[engine].file] != null)];
  const pages = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < PAGES; round++) {
    for (const name of names) {
      pages[name].push(await ready(browser, name, files));
    }
  }
  const times = (name) => pages[name].map(({ ready_ms }) => ready_ms);
  const rows = names.map((name) => {
    const { median, p10, p90 } = spread(times(name));
    const row = { ready_ms: median, ready_p10_ms: p10, ready_p90_ms: p90, download_bytes: pages[name][0].download_bytes };
    const later = times(name).map((time, round) => time - pages.empty[round].ready_ms);
    return [name, name === "empty" ? row : { ...row, ...named("above_empty_ms", later) }];
  });
  return Object.fromEntries(rows);
}

const NOTHING = { median_ms: null, p10_ms: null, p90_ms: null, ready_ms: null, download_bytes: null };
const rows = [];
const browser = await launch();
const browserVersion = browser.version();
try {
  for (const [index, { model, dtype, ...paths }] of models.entries()) {
    const files = Object.fromEntries(Object.keys(paths).map((kind) => [kind, `/models/${index}/${kind}`]));
    console.error(`${index + 1} of ${models.length}: ${model} ${dtype}, time per run`);
    const raced = await race(browser, paths, files, dtype);
    console.error(`${index + 1} of ${models.length}: ${model} ${dtype}, opening pages`);
    const opened = await openings(browser, paths, files);
    for (const engine of [...Object.keys(ENGINES), "empty"]) {
      const version = versions[engine] ?? null;
      rows.push({ model, dtype, engine, version, browser: browserVersion, ...NOTHING, ...raced.find((it) => it.engine === engine), ...opened[engine] });
    }
  }
} finally {
  await browser.close();
  server.close();
}

function print(rows) {
  /** Rounded; what rounds to nought has no sign. */
  const format = (value, digits) =>
    (Number(value.toFixed(digits)) + 0).toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits });
  const number = (value, digits) => (value == null ? "" : format(value, digits));
  /** As many digits as a duration deserves. */
  const places = (milliseconds) => (milliseconds < 10 ? 3 : milliseconds < 100 ? 2 : 1);
  const range = (low, high, digits) => (low == null ? "" : `(${format(low, digits)} to ${format(high, digits)})`);
  const line = (cells, widths) =>
    console.log(cells.map((cell, at) => (widths[at] < 0 ? cell.padEnd(-widths[at]) : cell.padStart(widths[at]))).join("").trimEnd());
  const room = Math.max("model".length, ...rows.map(({ model }) => model.length)) + 2;

  console.log("time per run, and bantam's as a ratio to it in the same round: medians (tenth to ninetieth percentile)\n");
  const race = [-room, -9, -17, -9, 10, -22, 7, -17, 9, 8];
  line(["model", "dtype", "engine", "build", "median ms", "", "ratio", "", "GMAC/s", "share"], race);
  for (const row of rows.filter(({ engine }) => engine !== "empty")) {
    const share = row.ceiling_share === undefined ? "" : `${number(100 * row.ceiling_share, 0)} %`;
    const digits = places(row.median_ms);
    line(
      [row.model, row.dtype, row.engine, row.build ?? "n/a",
        number(row.median_ms, digits), ` ${range(row.p10_ms, row.p90_ms, digits)}`,
        number(row.ratio, 2), ` ${range(row.ratio_p10, row.ratio_p90, 2)}`, number(row.gmacs, 1), share],
      race,
    );
  }

  console.log("\nGMAC/s of a kernel on registers, beside each model: what the share is of\n");
  for (const instruction of new Set(Object.values(INSTRUCTIONS).flatMap(Object.values))) {
    const ceilings = rows.filter((row) => row.instruction === instruction).map((row) => row.ceiling_gmacs);
    const { median, p10, p90 } = ceilings.length > 0 ? spread(ceilings) : {};
    line([instruction, number(median, 1), ` ${range(p10, p90, 1)}`], [-38, 7, -20]);
  }

  console.log(`\nready: from navigation to a model that has run once, medians of ${PAGES} fresh pages in turn with an empty one\n`);
  const page = [-room, -9, -17, 10, 16, -18, 14];
  line(["model", "dtype", "engine", "ready ms", "above empty ms", "", "bytes down"], page);
  for (const row of rows.filter(({ ready_ms }) => ready_ms !== null)) {
    line(
      [row.model, row.dtype, row.engine, number(row.ready_ms, 0), number(row.above_empty_ms, 0),
        ` ${range(row.above_empty_ms_p10, row.above_empty_ms_p90, 0)}`, number(row.download_bytes, 0)],
      page,
    );
  }

  console.log("\nin one table: bantam over the other (tenth to ninetieth percentile), milliseconds until ready above an empty page\n");
  const peers = ["onnxruntime-web", "LiteRT.js"];
  const columns = ["model", "type", "bantam, ms", "of its ceiling", ...peers, "simd128 : LiteRT.js without relaxed"];
  console.log(`| ${[...columns, ...["bantam", ...peers].map((name) => `ready: ${name}`)].join(" | ")} |`);
  console.log("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|");
  for (let start = 0; start < rows.length; start += Object.keys(ENGINES).length + 1) {
    const of = Object.fromEntries(rows.slice(start, start + Object.keys(ENGINES).length).map((row) => [row.engine, row]));
    const { bantam: own, "onnxruntime-web": onnx, litert, "litert-compat": compat } = of;
    const ratio = ({ ratio, ratio_p10, ratio_p90 }) => (ratio === undefined ? "" : `${number(ratio, 2)} ${range(ratio_p10, ratio_p90, 2)}`);
    const share = own.ceiling_share === undefined ? "" : `${number(100 * own.ceiling_share, 0)} %`;
    const cells = [own.model, own.dtype, number(own.median_ms, places(own.median_ms)), share, ratio(onnx), ratio(litert), ratio(compat)];
    console.log(`| ${[...cells, ...[own, onnx, litert].map((row) => number(row.above_empty_ms, 0))].join(" | ")} |`);
  }

  const chosen = rows.find(({ engine, build }) => engine === "bantam" && build !== undefined)?.build;
  console.log(`\nThe loader of bantam takes its build ${chosen} in this browser. Ratios above 1: bantam is slower.`);
  console.log("litert-compat, the build without relaxed vector instructions, is held against bantam-simd128, the others against bantam.");
  console.log("Single thread, cross-origin isolated. In 8-bit models bantam gets and gives integers, the others floats, as LiteRT.js asks.");
  const packages = Object.entries(versions).filter(([name]) => ENGINES[name].opened);
  console.log(packages.map(([name, version]) => `${name} ${version}`).join(", "), "in Chromium", browserVersion);
}

if (flag === "--json") {
  console.log(JSON.stringify(rows, null, 2));
} else {
  print(rows);
}
