// The cases of a folder: NAME.bantam with NAME.input and NAME.output, as tests/golden/ and the fixtures hold them.

import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

/** Every case of these folders, read. */
export async function readCases(folders) {
  const cases = [];
  for (const folder of folders) {
    for (const file of (await readdir(folder)).sort()) {
      if (!file.endsWith(".bantam")) {
        continue;
      }
      const name = file.slice(0, -".bantam".length);
      const read = async (ending) => new Uint8Array(await readFile(join(folder, name + ending)));
      const [artifact, inputs, outputs] = await Promise.all([".bantam", ".input", ".output"].map(read));
      cases.push({ name, artifact, inputs, outputs });
    }
  }
  return cases;
}

/** Prints the result on one line and sets the exit code. */
export function conclude(engine, builds, { cases, runs, differences, moved }) {
  console.log(`wasm parity (${engine}, ${builds.join(", ")}): ${cases} models, ${runs} runs, ${differences} differences; ${moved} models moved to the complete build`);
  if (!(runs > 0 && differences === 0)) {
    process.exitCode = 1;
  }
}
