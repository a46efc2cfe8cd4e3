// Usage: node tests/page.mjs <fixture folder>
// The checks of api.mjs on the package in wasm/dist/, and those that need a page, in headless Chromium. The page has a
// strict content security policy: WebAssembly is all it allows beyond its own files.

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

import { WASM, launch, serve } from "./chromium.mjs";

const [fixtures] = process.argv.slice(2);
if (fixtures === undefined) {
  throw new Error("usage: node tests/page.mjs <fixture folder>");
}
const images = (await readdir(join(fixtures, "images"))).sort();
const digits = await readFile(join(fixtures, "digits.bantam"));
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' blob:; worker-src 'self'; img-src 'self' data:";

/** Answers that a good server would not give. */
async function misbehave(path, response) {
  if (path.startsWith("/plain/") || path.startsWith("/module/")) {
    // A wrong type for modules; a server that only knows the right one must do as well.
    const type = path.startsWith("/plain/") ? "text/plain" : "application/wasm; charset=x";
    response.writeHead(200, { "content-type": type }).end(await readFile(join(WASM, "dist", path.split("/").at(-1))));
  } else if (path === "/broken-off.bantam") {
    response.writeHead(200, { "content-length": digits.length });
    response.write(digits.subarray(0, 2000));
    setTimeout(() => response.destroy(), 50);
  } else if (path === "/never-ends.bantam") {
    response.writeHead(200, { "content-length": digits.length });
    response.write(digits.subarray(0, 2000));
  } else if (path === "/cut.bantam") {
    response.writeHead(200).end(digits.subarray(0, 2000));
  } else if (path === "/page.bantam") {
    response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>welcome</title>".repeat(10));
  } else {
    return false;
  }
  return true;
}

const mounts = { dist: join(WASM, "dist"), tests: join(WASM, "tests"), fixtures };
const server = await serve(mounts, misbehave, { "content-security-policy": POLICY });
const browser = await launch();
try {
  const page = await browser.newPage();
  const violations = [];
  page.on("console", (message) => message.text().includes("Content Security Policy") && violations.push(message.text()));
  await page.addInitScript(() => {
    // What a model's memory is, is the module's business: its size is looked up behind the package's back.
    globalThis.memories = [];
    const { instantiate } = WebAssembly;
    WebAssembly.instantiate = async (...given) => {
      const instance = await instantiate(...given);
      memories.push(instance.exports.memory);
      return instance;
    };
  });
  await page.goto(server.origin);
  const results = await page.evaluate(async (images) => {
    const [bantam, { checks }, { pageChecks }] = await Promise.all(
      ["/dist/index.js", "/tests/api.mjs", "/tests/page-checks.mjs"].map((path) => import(path)),
    );
    const read = async (path) => new Uint8Array(await (await fetch(`/fixtures/${path}`)).arrayBuffer());
    const files = {
      digits: await read("digits.bantam"),
      cancer: await read("cases/breast-cancer.bantam"),
      images: await Promise.all(images.map((name) => read(`images/${name}`))),
    };
    const size = () => memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
    const results = [];
    for (const [name, check] of Object.entries({ ...checks, ...pageChecks })) {
      try {
        await check(bantam, files, size);
        results.push([name]);
      } catch (error) {
        results.push([name, error.stack]);
      }
    }
    return results;
  }, images);
  const failed = results.filter(([, error]) => error !== undefined);
  for (const [name, error] of failed) {
    console.error(`${name}: ${error}`);
  }
  violations.forEach((text) => console.error(text));
  console.log(`package in Chromium ${browser.version()}: ${results.length} checks, ${failed.length + violations.length} failed`);
  process.exitCode = results.length > 0 && failed.length + violations.length === 0 ? 0 : 1;
} finally {
  await browser.close();
  server.close();
}
