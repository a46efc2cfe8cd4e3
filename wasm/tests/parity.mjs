// The comparison itself, the same in Node.js and in a page: nothing here but the package and arrays.

/** Bytes of one element. */
const BYTES = { int8: 1, int16: 2, int32: 4, float32: 4 };
const ARRAYS = { int8: Int8Array, int16: Int16Array, int32: Int32Array, float32: Float32Array };

/** Whether floats are those of the host but for rounding: relaxed vectors multiply and add in one step. */
function near(array, expected) {
  if (!(array instanceof Float32Array)) {
    return false;
  }
  const floats = new Float32Array(expected.buffer);
  const largest = floats.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return array.every((value, i) => Object.is(value, floats[i]) || Math.abs(value - floats[i]) <= 1e-5 * largest);
}

/**
 * Runs every case and counts the runs whose outputs are not, bit for bit, the host's; floats of the relaxed build may be
 * rounded otherwise.
 *
 * @param {object} bantam the package
 * @param {string} build which build of the runtime
 * @param {{name: string, artifact: Uint8Array, inputs: Uint8Array, outputs: Uint8Array}[]} cases the raw bytes of all
 *   inputs of one run after another, and of all outputs likewise
 */
export async function compare(bantam, build, cases, options = {}) {
  let [runs, differences, moved] = [0, 0, 0];
  for (const { name, artifact, inputs, outputs } of cases) {
    const model = await bantam.load(artifact, { build, ...options });
    const size = (tensors) => tensors.reduce((sum, tensor) => sum + tensor.length * BYTES[tensor.type], 0);
    const [inputBytes, outputBytes] = [size(model.inputs), size(model.outputs)];
    const count = inputs.length / inputBytes;
    // What the builds with vectors leave out runs on the complete one.
    if (![build, "scalar"].includes(model.stats.build) || !(count >= 1) || outputs.length !== count * outputBytes) {
      throw new Error(`${name}: ${inputs.length} and ${outputs.length} bytes for ${model.stats.build} are not whole runs`);
    }
    const fused = model.stats.build === "relaxed";
    moved += model.stats.build === build ? 0 : 1;
    for (let run = 0; run < count; run++) {
      let at = run * inputBytes;
      const values = {};
      for (const tensor of model.inputs) {
        const bytes = tensor.length * BYTES[tensor.type];
        values[tensor.name] = new ARRAYS[tensor.type](inputs.slice(at, at + bytes).buffer);
        at += bytes;
      }
      const given = model.runAll(values);
      at = run * outputBytes;
      let same = true;
      for (const tensor of model.outputs) {
        const array = given[tensor.name];
        const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
        const expected = outputs.slice(at, at + bytes.length);
        const equal = bytes.every((byte, i) => byte === expected[i]);
        same &&= bytes.length === tensor.length * BYTES[tensor.type] && (equal || (fused && near(array, expected)));
        at += bytes.length;
      }
      runs += 1;
      differences += same ? 0 : 1;
      if (!same) {
        console.error(`${name}: run ${run} differs with ${build}`);
      }
    }
    model.free();
  }
  return { cases: cases.length, runs, differences, moved };
}
