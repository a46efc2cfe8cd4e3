// The comparison itself, the same in Node.js and in a page: nothing here but the bindings and arrays.

/** Files of a fixture directory: the artifact, int8 inputs one after another, the host's int8 outputs likewise. */
export const FILES = ["digits.bantam", "inputs.bin", "outputs.bin"];

/**
 * Runs every input and counts the inputs whose output is not, bit for bit, the host's.
 *
 * @param {{Session: new (artifact: Uint8Array) => object}} bantam the initialised bindings
 * @param {Uint8Array[]} files the contents of FILES, in that order
 * @returns {{inputs: number, differences: number}}
 */
export function compare({ Session }, [artifact, inputs, outputs]) {
  const session = new Session(artifact);
  const inputLength = session.inputLength(0);
  const count = inputs.length / inputLength;
  const outputLength = outputs.length / count;
  if (!Number.isInteger(count) || !Number.isInteger(outputLength)) {
    throw new Error(`${inputs.length} and ${outputs.length} bytes are not whole inputs and outputs`);
  }
  let differences = 0;
  for (let i = 0; i < count; i++) {
    session.setInput(0, new Int8Array(inputs.slice(i * inputLength, (i + 1) * inputLength).buffer));
    session.run();
    const output = session.output(0);
    const expected = new Int8Array(outputs.slice(i * outputLength, (i + 1) * outputLength).buffer);
    const same = output.length === outputLength && output.every((value, at) => value === expected[at]);
    differences += same ? 0 : 1;
  }
  session.free();
  return { inputs: count, differences };
}

/** Prints the result on one line and sets the exit code. */
export function conclude(engine, { inputs, differences }) {
  console.log(`wasm parity (${engine}): ${inputs} inputs, ${differences} differences`);
  process.exitCode = inputs > 0 && differences === 0 ? 0 : 1;
}
