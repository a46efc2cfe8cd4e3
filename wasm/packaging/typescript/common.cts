import {
  BantamError,
  bestBuild,
  createWorker,
  load,
  type BantamErrorCode,
  type Classification,
  type InputInfo,
  type Model,
  type Ranked,
  type TensorArray,
  type WorkerModel,
} from "bantam-wasm";

export async function main(path: string): Promise<string> {
  const controller = new AbortController();
  using model: Model = await load(path, {
    build: bestBuild(),
    signal: controller.signal,
    onProgress: ({ loaded, total }) => console.error(loaded + (total ?? 0)),
    wasmUrl: (build) => new URL(`file:///${build}.wasm`),
  });
  const input: InputInfo | undefined = model.inputs[0];
  const values: Float32Array = model.run(new Int8Array(input?.length ?? 0));
  const all: Record<string, TensorArray> = model.runAll({ image: [1, 2, 3] });
  const answer: Classification = model.classify({ data: new Uint8Array(4), width: 2, height: 2 });
  const best: Ranked | undefined = answer.ranked[0];
  const worker = await createWorker();
  const far: WorkerModel = await worker.load(new Blob([]));
  await far.classify({ age: 3 });
  try {
    // @ts-expect-error: text is no input
    model.run("text");
    // @ts-expect-error: a number is no model
    await load(3);
  } catch (error) {
    if (error instanceof BantamError) {
      const code: BantamErrorCode = error.code;
      return code;
    }
  }
  // @ts-expect-error: what a model is cannot be changed
  model.labels = [];
  return `${values.length} ${Object.keys(all).length} ${best?.label} ${model.stats.milliseconds}`;
}
