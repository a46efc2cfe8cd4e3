// esbuild follows no `new URL("./x.wasm", import.meta.url)`: it is told where the files are, with its loader "file".
import { createWorker, load } from "bantam-wasm";
import fused from "bantam-wasm/bantam_fused.wasm";
import relaxed from "bantam-wasm/bantam_relaxed.wasm";
import scalar from "bantam-wasm/bantam_scalar.wasm";
import simd128 from "bantam-wasm/bantam_simd128.wasm";

import { picture } from "../pixels.js";

const modules = { fused, relaxed, scalar, simd128 };
const wasmUrl = (build) => new URL(modules[build], import.meta.url);
const model = await load("/digits.bantam", { wasmUrl });
const worker = await createWorker({ wasmUrl, workerUrl: new URL("./worker.js", import.meta.url) });
const far = await worker.load("/digits.bantam");
const answers = [model.classify(picture), await far.classify(picture)];
worker.terminate();
document.body.dataset.result = answers.map(({ label }) => label).join();
