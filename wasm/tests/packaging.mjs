// Usage: node tests/packaging.mjs <work folder> <digits.bantam> [<project>…]
//
// Packs wasm/dist/ as npm would publish it, installs it beside the tools that wasm/packaging/package-lock.json pins,
// then builds and runs every mini-project: each must recognise the same digit, on the page and in a worker.

import { execFile, spawn } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

import { PAGE_FILES } from "../builds.mjs";
import { WASM, launch, serve } from "./chromium.mjs";

const [work, digits, ...wanted] = process.argv.slice(2);
if (digits === undefined) {
  throw new Error("usage: node tests/packaging.mjs <work folder> <digits.bantam> [<project>…]");
}
const EXPECTED = "3,3";
const run = promisify(execFile);
const modules = join(work, "node_modules");
const environment = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production" };

/** Installs the pinned tools unless they are there already: the folder is kept between runs. */
async function install() {
  await mkdir(work, { recursive: true });
  const lock = await readFile(join(WASM, "packaging/package-lock.json"), "utf8");
  const installed = await readFile(join(work, "installed.json"), "utf8").catch(() => "");
  if (installed !== lock) {
    for (const name of ["package.json", "package-lock.json", ".npmrc"]) {
      await cp(join(WASM, "packaging", name), join(work, name));
    }
    await run("npm", ["ci", "--prefer-offline", "--no-audit", "--no-fund"], { cwd: work });
    await writeFile(join(work, "installed.json"), lock);
  }
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", work], { cwd: join(WASM, "dist") });
  const [{ filename }] = JSON.parse(stdout);
  const target = join(modules, "bantam-wasm");
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  await run("tar", ["-xzf", join(work, filename), "-C", target, "--strip-components=1"]);
}

const browser = await launch();

/** What the page at an address says in `data-result`. */
async function result(address) {
  const page = await browser.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.stack ?? String(error)));
  try {
    await page.goto(address);
    await page.waitForFunction(() => document.body?.dataset.result !== undefined, undefined, { timeout: 30_000 });
    return await page.evaluate(() => document.body.dataset.result);
  } catch (error) {
    throw new Error(`${error.message}\n${complaints.join("\n")}`);
  } finally {
    await page.close();
  }
}

/** Serves a folder at the root, the model beside it, and gives what its page says. */
async function served(folder, files = {}) {
  const at = { "/digits.bantam": digits, "/": join(folder, "index.html"), ...files };
  const server = await serve({}, async (path, response) => {
    const type = { html: "text/html", js: "text/javascript", wasm: "application/wasm" }[path.split(".").at(-1)];
    const file = at[path] ?? join(folder, path);
    const body = await readFile(file);
    response.writeHead(200, { "content-type": type ?? (path === "/" ? "text/html" : "application/octet-stream") }).end(body);
    return true;
  });
  try {
    return await result(`${server.origin}/`);
  } finally {
    server.close();
  }
}

const tool = (name) => join(modules, ".bin", name);

const projects = {
  async vite(folder) {
    await run(tool("vite"), ["build", "--outDir", "dist", "--logLevel", "warn"], { cwd: folder, env: environment });
    return served(join(folder, "dist"));
  },

  async webpack(folder) {
    const require = createRequire(join(work, "package.json"));
    const { default: configuration } = await import(join(folder, "webpack.config.mjs"));
    const stats = await new Promise((done, failed) =>
      require("webpack")(configuration, (error, stats) => (error ? failed(error) : done(stats))),
    );
    if (stats.hasErrors() || stats.hasWarnings()) {
      throw new Error(stats.toString("errors-warnings"));
    }
    await cp(join(folder, "index.html"), join(folder, "dist/index.html"));
    return served(join(folder, "dist"));
  },

  async esbuild(folder) {
    const options = ["--bundle", "--format=esm", "--loader:.wasm=file", "--outdir=dist", "--log-level=warning"];
    await run(tool("esbuild"), ["main.js", "worker=bantam-wasm/worker.js", ...options], { cwd: folder });
    await cp(join(folder, "index.html"), join(folder, "dist/index.html"));
    return served(join(folder, "dist"), { "/main.js": join(folder, "dist/main.js") });
  },

  async next(folder) {
    await mkdir(join(folder, "public"), { recursive: true });
    await cp(digits, join(folder, "public/digits.bantam"));
    await run(tool("next"), ["build"], { cwd: folder, env: environment });
    const server = spawn(tool("next"), ["start", "-H", "127.0.0.1", "-p", "0"], { cwd: folder, env: environment });
    try {
      const origin = await new Promise((found, failed) => {
        let text = "";
        server.stdout.on("data", (data) => {
          text += data;
          const [address] = text.match(/http:\/\/127\.0\.0\.1:\d+/) ?? [];
          address !== undefined && found(address);
        });
        server.on("exit", () => failed(new Error(`the server has ended: ${text}`)));
      });
      const html = await (await fetch(origin)).text();
      if (!/id="server">rendered with/.test(html) || !html.includes("bantam-wasm") || !/id="client">loading/.test(html)) {
        throw new Error(`the server rendered ${html}`);
      }
      return await result(origin);
    } finally {
      server.kill();
    }
  },

  async "node-esm"(folder) {
    return (await run("node", ["main.mjs", digits], { cwd: folder })).stdout.trim();
  },

  async "node-cjs"(folder) {
    return (await run("node", ["main.cjs", digits], { cwd: folder })).stdout.trim();
  },

  async script(folder) {
    const files = { "/pixels.js": join(work, "pixels.js") };
    for (const name of PAGE_FILES) {
      files[`/bantam-wasm/${name}`] = join(modules, "bantam-wasm", name);
    }
    return served(folder, files);
  },

  async typescript(folder) {
    for (const configuration of ["tsconfig.json", "tsconfig.bundler.json"]) {
      await run(tool("tsc"), ["-p", configuration], { cwd: folder }).catch(({ stdout }) => {
        throw new Error(stdout);
      });
    }
    return EXPECTED;
  },
};

let failures = 0;
try {
  await install();
  await cp(join(WASM, "packaging/pixels.js"), join(work, "pixels.js"));
  const names = wanted.length > 0 ? wanted : Object.keys(projects);
  for (const name of names) {
    const folder = join(work, name);
    const start = performance.now();
    try {
      // Build output of an earlier run is kept where a tool builds upon it.
      await cp(join(WASM, "packaging", name), folder, { recursive: true });
      const answer = await projects[name](folder);
      if (answer !== EXPECTED) {
        throw new Error(`expected ${EXPECTED}, got ${answer}`);
      }
      console.log(`${name}: works, ${((performance.now() - start) / 1000).toFixed(1)} s`);
    } catch (error) {
      failures += 1;
      console.log(`${name}: ${error.stack}\n${error.stdout ?? ""}${error.stderr ?? ""}`);
    }
  }
  console.log(`packaging: ${names.length} projects, ${failures} failed`);
} finally {
  await browser.close();
}
process.exitCode = failures === 0 ? 0 : 1;
