// Usage: node wasm/tests/node.mjs <fixture directory>
// Compares the module in wasm/dist/ with the host, in Node.js.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import * as bantam from "../dist/bantam_wasm.js";
import { compare, conclude } from "./parity.mjs";

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  throw new Error("usage: node wasm/tests/node.mjs <fixture directory>");
}
const module = await readFile(new URL("../dist/bantam_wasm_bg.wasm", import.meta.url));
bantam.initSync({ module });
conclude("node", await compare(bantam, async (name) => Uint8Array.from(await readFile(join(directory, "cases", name)))));
