// The engines of the comparison, each behind the same face. Runs in a page.

/** Arbitrary values, the same for every engine; in a plain loop, since a page is not ready before. */
function fill(values, size) {
  for (let at = 0; at < values.length; at++) {
    values[at] = Math.sin(at * 12.9898) * size;
  }
  return values;
}

const reals = (length) => fill(new Float32Array(length), 2);
const bytes = (length) => fill(new Int8Array(length), 120);

async function bantam(url, options) {
  const { load } = await import("/dist/index.js");
  const model = await load(url, options);
  const values = ({ type, length }) => (type === "int8" ? bytes(length) : reals(length));
  const inputs = Object.fromEntries(model.inputs.map((input) => [input.name, values(input)]));
  const { build, macs } = model.stats;
  return { run: () => model.runAll(inputs), build, macs };
}

async function litert(url, script) {
  // A query makes another instance of the package: each can hold one build of LiteRT.js.
  const { Tensor, loadAndCompile, loadLiteRt, supportsFeature } = await import(`/modules/@litertjs/core/dist/index.js?${script}`);
  const relaxed = script === "" && (await supportsFeature("relaxedSimd"));
  await loadLiteRt(`/modules/@litertjs/core/wasm/${script}`);
  const model = await loadAndCompile(url, { accelerator: "wasm" });
  const details = model.getInputDetails();
  const data = details.map(({ shape }) => reals(Array.from(shape).reduce((a, b) => a * b, 1)));
  const run = async () => {
    const inputs = details.map(({ shape }, index) => new Tensor(data[index], Array.from(shape)));
    const outputs = await model.run(inputs);
    for (const tensor of outputs) {
      await tensor.data();
      tensor.delete();
    }
    inputs.forEach((tensor) => tensor.delete());
  };
  return { run, build: relaxed ? "relaxed" : "simd128" };
}

/**
 * Name to a function that loads a model and gives what runs it once, inputs filled and outputs read, and which vector
 * instructions that is built with; bantam also tells how many multiply-accumulates a run takes.
 */
export const engines = {
  /** No engine: what a page takes by itself. */
  async empty() {
    return { run() {} };
  },

  bantam: ({ bantam: url }) => bantam(url, {}),
  "bantam-simd128": ({ bantam: url }) => bantam(url, { build: "simd128" }),

  async "onnxruntime-web"({ onnx }) {
    const ort = await import("/modules/onnxruntime-web/dist/ort.wasm.min.mjs");
    ort.env.wasm.wasmPaths = "/modules/onnxruntime-web/dist/";
    ort.env.wasm.numThreads = 1;
    const session = await ort.InferenceSession.create(onnx, { executionProviders: ["wasm"] });
    const feeds = {};
    for (const { name, type, shape } of session.inputMetadata) {
      // A free batch dimension has a name instead of a size.
      const sizes = shape.map((size) => (typeof size === "number" && size > 0 ? size : 1));
      const length = sizes.reduce((a, b) => a * b, 1);
      feeds[name] = new ort.Tensor(type, type === "float32" ? reals(length) : bytes(length), sizes);
    }
    const run = async () => {
      const outputs = await session.run(feeds);
      for (const name of session.outputNames) {
        await outputs[name].getData();
      }
    };
    return { run, build: "simd128" };
  },

  litert: ({ tflite }) => litert(tflite, ""),
  /** The build for browsers without relaxed vector instructions. */
  "litert-compat": ({ tflite }) => litert(tflite, "litert_wasm_compat_internal.js"),
};
