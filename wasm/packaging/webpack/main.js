import { createWorker, load } from "bantam-wasm";

import { picture } from "../pixels.js";

const model = await load("/digits.bantam");
const worker = await createWorker();
const far = await worker.load("/digits.bantam");
const answers = [model.classify(picture), await far.classify(picture)];
worker.terminate();
document.body.dataset.result = answers.map(({ label }) => label).join();
