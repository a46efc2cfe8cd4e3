// What is measured inside a page.

import { INSTRUCTIONS, ceiling } from "./ceilings.mjs";
import { engines } from "./engines.mjs";

/** Long enough for the optimising compiler. */
const WARM_UP_MS = 500;

/** Milliseconds from navigation to a model that has run once, and the bytes that came meanwhile. */
export async function ready(engine, files) {
  const { run } = await engines[engine](files);
  await run();
  const ready_ms = performance.now();
  const resources = performance.getEntriesByType("resource").filter(({ name }) => !name.includes("/bench/"));
  return { ready_ms, download_bytes: resources.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0) };
}

/** Milliseconds of a batch of runs. */
async function sample({ run, batch }) {
  const start = performance.now();
  for (let count = 0; count < batch; count++) {
    const pending = run();
    if (pending instanceof Promise) {
      await pending;
    }
  }
  return performance.now() - start;
}

/** Loads the model into each engine, then takes `rounds` samples of `sampleMs` or more of each engine and each ceiling in turn. */
export async function alternate(names, files, rounds, sampleMs) {
  const runners = [];
  for (const name of names) {
    runners.push({ name, ...(await engines[name](files)) });
  }
  for (const name of INSTRUCTIONS) {
    const kernel = ceiling(name);
    if (kernel !== null) {
      runners.push({ name, ...kernel });
    }
  }
  for (const runner of runners) {
    Object.assign(runner, { batch: 1, times: [] });
    for (const end = performance.now() + WARM_UP_MS; performance.now() < end; ) {
      const taken = await sample(runner);
      const factor = Math.min(4, (1.5 * sampleMs) / Math.max(taken, 0.1));
      runner.batch = taken < 1.3 * sampleMs ? Math.ceil(runner.batch * factor) : runner.batch;
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const runner of runners) {
      let taken = await sample(runner);
      while (taken < sampleMs) {
        runner.batch *= 2;
        taken = await sample(runner);
      }
      runner.times.push(taken / runner.batch);
    }
  }
  return runners.map(({ name, build, macs, times }) => ({ name, build, macs, times }));
}
