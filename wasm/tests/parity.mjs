// The comparison itself, the same in Node.js and in a page: nothing here but the package and arrays.

/** Bytes of one element. */
const BYTES = { int8: 1, int16: 2, int32: 4, float32: 4 };
const ARRAYS = { int8: Int8Array, int16: Int16Array, int32: Int32Array, float32: Float32Array };

/**
 * Runs every case and counts the runs whose outputs are not, bit for bit, the host's. Relaxed vector instructions may
 * round a product of floats and its sum once: what that gives is expected, to the bit, in `fused`. Fails where another
 * build runs or where that does not use the instructions it is made for.
 *
 * @param {object} bantam the package
 * @param {string} build which build of the runtime
 * @param {{name: string, artifact: Uint8Array, inputs: Uint8Array, outputs: Uint8Array, fused?: Uint8Array}[]} cases the raw bytes of all
 *   inputs of one run after another, and of all outputs likewise
 */
export async function compare(bantam, build, cases, options = {}) {
  let [runs, differences] = [0, 0];
  for (const { name, artifact, inputs, outputs, fused } of cases) {
    const model = await bantam.load(artifact, { build, ...options });
    const size = (tensors) => tensors.reduce((sum, tensor) => sum + tensor.length * BYTES[tensor.type], 0);
    const [inputBytes, outputBytes] = [size(model.inputs), size(model.outputs)];
    const count = inputs.length / inputBytes;
    if (model.stats.build !== build || !(count >= 1) || outputs.length !== count * outputBytes) {
      throw new Error(`${name}: ${inputs.length} and ${outputs.length} bytes for ${model.stats.build} are not whole runs`);
    }
    if (model.stats.vectors !== (build !== "scalar")) {
      throw new Error(`${name}: the build ${build} runs ${model.stats.vectors ? "with" : "without"} vector instructions`);
    }
    const expected = ["fused", "relaxed"].includes(build) && fused !== undefined ? [outputs, fused] : [outputs];
    for (let run = 0; run < count; run++) {
      let at = run * inputBytes;
      const values = {};
      for (const tensor of model.inputs) {
        const bytes = tensor.length * BYTES[tensor.type];
        values[tensor.name] = new ARRAYS[tensor.type](inputs.slice(at, at + bytes).buffer);
        at += bytes;
      }
      const given = model.runAll(values);
      const same = expected.some((outputs) => {
        let at = run * outputBytes;
        return model.outputs.every((tensor) => {
          const array = given[tensor.name];
          const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
          const start = at;
          at += bytes.length;
          return bytes.length === tensor.length * BYTES[tensor.type] && bytes.every((byte, i) => byte === outputs[start + i]);
        });
      });
      runs += 1;
      differences += same ? 0 : 1;
      if (!same) {
        console.error(`${name}: run ${run} differs with ${build}`);
      }
    }
    model.free();
  }
  return { cases: cases.length, runs, differences };
}
