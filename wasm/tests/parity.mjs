// The comparison itself, the same in Node.js and in a page: nothing here but the bindings and arrays.

/** How the bindings take and give each type of elements. */
const ACCESS = {
  I8: { array: Int8Array, set: "setInput", get: "output" },
  F32: { array: Float32Array, set: "setFloatInput", get: "floatOutput" },
  I32: { array: Int32Array, set: "setIntegerInput", get: "integerOutput" },
};

/**
 * Repeats the host's runs of every case, and gives the names of the cases whose outputs are not, bit for bit, the host's.
 *
 * @param {{Session: new (artifact: Uint8Array) => object}} bantam the initialised bindings
 * @param {(file: string) => Promise<Uint8Array>} read reads a file of the folder of cases
 * @returns {Promise<{cases: number, runs: number, differences: string[]}>}
 */
export async function compare({ Session }, read) {
  const index = JSON.parse(new TextDecoder().decode(await read("index.json")));
  let total = 0;
  const differences = [];
  for (const { name, file, inputs, outputs, runs } of index) {
    const [artifact, given, expected] = await Promise.all(["bantam", "input", "output"].map((ending) => read(`${file}.${ending}`)));
    const session = new Session(artifact);
    let [from, to, same] = [0, 0, true];
    for (let run = 0; run < runs; run++) {
      for (const [place, type] of inputs.entries()) {
        const { array, set } = ACCESS[type];
        const bytes = session.inputLength(place) * array.BYTES_PER_ELEMENT;
        session[set](place, new array(given.slice(from, from + bytes).buffer));
        from += bytes;
      }
      session.run();
      for (const [place, type] of outputs.entries()) {
        const output = session[ACCESS[type].get](place);
        const got = new Uint8Array(output.buffer, output.byteOffset, output.byteLength);
        const start = to;
        same &&= got.every((byte, at) => byte === expected[start + at]);
        to += got.length;
      }
    }
    session.free();
    total += runs;
    if (!same || from !== given.length || to !== expected.length) {
      differences.push(name);
    }
  }
  return { cases: index.length, runs: total, differences };
}

/** Prints the result, on the last line the totals, and sets the exit code. */
export function conclude(engine, { cases, runs, differences }) {
  for (const name of differences) {
    console.log(`different: ${name}`);
  }
  console.log(`wasm parity (${engine}): ${cases} models, ${runs} runs, ${differences.length} differences`);
  process.exitCode = runs > 0 && differences.length === 0 ? 0 : 1;
}
