const { createWorker, load } = require("bantam-wasm");

async function main() {
  const { picture } = await import("../pixels.js");
  const path = process.argv[2];
  const model = await load(path);
  const worker = await createWorker();
  const far = await worker.load(path);
  console.log([model.classify(picture), await far.classify(picture)].map(({ label }) => label).join());
}

main();
