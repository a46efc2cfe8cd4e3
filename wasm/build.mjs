// Usage: node build.mjs <stage> <dist> <parts>, as `cargo xtask web` calls it; parts are those of BANTAM_SECTIONS.
//
// Makes the npm package out of the builds of the module in <stage> (one folder for each, with bantam_bg.wasm and
// bindings.js, and generated.js beside them): optimises the modules, bundles the TypeScript, writes the types.

import { execFileSync } from "node:child_process";
import { cp, mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { BUILDS } from "./builds.mjs";
import { withNames } from "./order.mjs";

const [stage, dist, parts] = process.argv.slice(2);
if (parts === undefined) {
  throw new Error("usage: node build.mjs <stage> <dist> <parts>");
}
const has = (part) => String(parts.split(" ").includes(part));
const define = { IMAGES: has("images"), FIELDS: has("fields") };
const here = fileURLToPath(new URL(".", import.meta.url));
const source = join(here, "package/src");

/** What every build may contain. */
const ALWAYS = ["bulk-memory", "sign-ext", "nontrapping-float-to-int", "mutable-globals", "reference-types", "multivalue"];

await rm(dist, { recursive: true, force: true });
await mkdir(dist, { recursive: true });
const bindings = new Set();
for (const [name, features] of Object.entries(BUILDS)) {
  const folder = join(stage, name);
  bindings.add(await readFile(join(folder, "bindings.js"), "utf8"));
  // Twice, with what parameters, equal code and writes without a reader cost taken out between, and functions that are called often
  // first, where their numbers are short: measured after brotli, which the higher levels make worse. Then functions are sorted once more.
  // The stack ends at address 0, so nothing lies in the first kilobyte: constants added to addresses become offsets of the accesses.
  const between = ["--dae-optimizing", "--duplicate-function-elimination", "--code-folding"];
  const again = ["--simplify-locals", "--precompute-propagate", "--rse", "--vacuum"];
  const last = ["--optimize-added-constants-propagate", "--code-folding", "--remove-unused-brs", "--reorder-functions"];
  const written = ["--generate-stack-ir", "--optimize-stack-ir"];
  const may = ["--mvp-features", ...ALWAYS.map((feature) => `--enable-${feature}`), ...features];
  const optimize = (passes, from, to) =>
    execFileSync(join(here, "node_modules/.bin/wasm-opt"), [...passes, ...written, ...may, from, "-o", to]);
  const [sorted, named] = [join(folder, "sorted.wasm"), join(folder, "named.wasm")];
  const strip = ["--strip-target-features", "--strip-producers"];
  optimize(["--low-memory-unused", "-O1", ...between, ...again, "-O1", ...last, ...strip], join(folder, "bantam_bg.wasm"), sorted);
  await writeFile(named, withNames(await readFile(sorted)));
  optimize(["--reorder-functions-by-name"], named, join(dist, `bantam_${name}.wasm`));
}
if (bindings.size !== 1) {
  throw new Error("the builds of the module have different bindings");
}

// The two generated files come from the stage, everything else from the sources.
const generated = { bindings: join(stage, "scalar/bindings.js"), generated: join(stage, "generated.js") };
const fromStage = {
  name: "from-stage",
  setup: ({ onResolve }) => onResolve({ filter: /^\.\/(bindings|generated)\.js$/ }, ({ path }) => ({ path: generated[path.slice(2, -3)] })),
};
const bundle = (entry, output, options) =>
  build({
    entryPoints: [join(source, entry)],
    outfile: join(dist, output),
    bundle: true,
    minify: true,
    charset: "utf8",
    target: "es2022",
    format: "esm",
    plugins: [fromStage],
    logLevel: "warning",
    ...options,
    define: { ...define, ...options.define },
  });
// The prose is fetched when there is something to explain, a worker's near side when there is a worker.
const apart = { external: ["./rules.js", "./remote.js"] };
const node = { ...apart, platform: "node" };
await Promise.all([
  bundle("index.ts", "index.js", apart),
  bundle("worker-browser.ts", "worker.js", apart),
  bundle("rules.ts", "rules.js", {}),
  bundle("remote.ts", "remote.js", {}),
  bundle("node.ts", "node.js", node),
  bundle("worker-node.ts", "worker-node.js", node),
  bundle("node.ts", "node.cjs", {
    platform: "node",
    format: "cjs",
    define: { "import.meta.url": "__here" },
    banner: { js: 'const __here = require("node:url").pathToFileURL(__filename).href;' },
  }),
]);

const types = join(dist, "types");
execFileSync(join(here, "node_modules/.bin/tsc"), ["-p", join(here, "package"), "--outDir", types], { stdio: "inherit" });
for (const name of await readdir(types)) {
  // The same for CommonJS: a file of types belongs to the kind of module its name ends in.
  const text = await readFile(join(types, name), "utf8");
  await writeFile(join(types, name.replace(/\.d\.ts$/, ".d.cts")), text.replaceAll(/"(\.\/[\w-]+)\.js"/g, '"$1.cjs"'));
}

const manifest = JSON.parse(await readFile(join(here, "package/package.json"), "utf8"));
const cargo = await readFile(join(here, "../Cargo.toml"), "utf8");
manifest.version = cargo.match(/^version = "(.*)"$/m)[1];
await writeFile(join(dist, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
for (const file of ["package/README.md", "../LICENSE-MIT", "../LICENSE-APACHE"]) {
  await cp(join(here, file), join(dist, file.split("/").at(-1)));
}
