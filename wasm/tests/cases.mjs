// The cases of a folder: NAME.bantam with NAME.input and NAME.output, as tests/golden/ and the fixtures hold them.

import { existsSync } from "node:fs";
import { readFile, readdir } from "node:fs/promises";
import { basename, join } from "node:path";

/**
 * Every case of these folders, read; `fused` of a case is what it gives where products of floats are rounded with their
 * sums, if that is something else.
 */
export async function readCases(folders, fusedFolder) {
  const cases = [];
  for (const folder of folders) {
    for (const file of (await readdir(folder)).sort()) {
      if (!file.endsWith(".bantam")) {
        continue;
      }
      const name = file.slice(0, -".bantam".length);
      const read = async (ending) => new Uint8Array(await readFile(join(folder, name + ending)));
      const [artifact, inputs, outputs] = await Promise.all([".bantam", ".input", ".output"].map(read));
      const other = fusedFolder && join(fusedFolder, basename(folder), `${name}.output`);
      const fused = other && existsSync(other) ? new Uint8Array(await readFile(other)) : undefined;
      cases.push({ name, artifact, inputs, outputs, fused });
    }
  }
  return cases;
}

/** Prints the result on one line and sets the exit code. */
export function conclude(engine, builds, { cases, runs, differences }) {
  console.log(`wasm parity (${engine}, ${builds.join(", ")}): ${cases} models, ${runs} runs, ${differences} differences`);
  if (!(runs > 0 && differences === 0)) {
    process.exitCode = 1;
  }
}
