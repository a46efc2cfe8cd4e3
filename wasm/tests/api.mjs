// What holds in Node.js and in a page alike. Every check is a function that throws where something does not hold.

export function assert(condition, message) {
  if (!condition) {
    throw new Error(message);
  }
}

/** Runs what must fail and returns the error, which must be a BantamError with this code. */
export async function failure(bantam, code, action, words = []) {
  try {
    await action();
  } catch (error) {
    assert(error instanceof bantam.BantamError, `expected a BantamError, got ${error}`);
    assert(error.name === "BantamError" && error.code === code, `expected the code ${code}, got ${error.code}: ${error.message}`);
    for (const word of words) {
      assert(error.message.includes(word), `"${word}" is not in: ${error.message}`);
    }
    return error;
  }
  throw new Error(`expected a BantamError with the code ${code}, got none`);
}

/** The same numbers from a generator with a seed. */
export function numbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) {
    byte = byte & 1 ? (byte >>> 1) ^ 0x82f63b78 : byte >>> 1;
  }
  return byte;
});

/** Puts the right checksum into a file, so that what is broken in it is found behind the checksum. */
export function seal(file) {
  file.fill(0, 12, 16);
  const crc = file.reduce((crc, byte) => (crc >>> 8) ^ TABLE[(crc ^ byte) & 255], 0xffffffff);
  new DataView(file.buffer, file.byteOffset).setUint32(12, ~crc >>> 0, true);
  return file;
}

/** Images of the fixtures: pixels with the probabilities that the host gets from them. */
export function readImage(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [width, height, channels] = [0, 4, 8].map((at) => view.getUint32(at, true));
  const end = 12 + width * height * channels;
  return { width, height, data: bytes.slice(12, end), input: new Int8Array(bytes.slice(end, end + 64).buffer), output: new Int8Array(bytes.slice(end + 64).buffer) };
}

/**
 * @param {object} bantam the package
 * @param {{digits: Uint8Array, cancer: Uint8Array, images: Uint8Array[]}} files
 */
export const checks = {
  async "a model tells what it is"(bantam, { digits }) {
    const model = await bantam.load(digits);
    const [input, output] = [model.inputs[0], model.outputs[0]];
    assert(model.inputs.length === 1 && input.name === "image" && input.shape.join() === "1,8,8,1", JSON.stringify(input));
    assert(input.type === "int8" && input.length === 64 && input.preprocessing === "image", JSON.stringify(input));
    assert(output.name === "probabilities" && output.probabilities && output.length === 10, JSON.stringify(output));
    assert(model.labels.join("") === "0123456789" && model.card.name === "digits", JSON.stringify(model.card));
    const { milliseconds, runs, arenaBytes, fileBytes, macs } = model.stats;
    assert(milliseconds === 0 && runs === 0 && arenaBytes > 500 && fileBytes === digits.length && macs === 41024, "stats");
    model.free();
  },

  async "real values, the model's integers and pixels give the same"(bantam, { digits, images }) {
    const model = await bantam.load(digits);
    const { scale, zeroPoint } = model.outputs[0];
    for (const { width, height, data, input, output } of images.map(readImage)) {
      const expected = Float32Array.from(output, (q) => (q - zeroPoint) * scale);
      const reals = Float32Array.from(input, (q) => (q - model.inputs[0].zeroPoint) * model.inputs[0].scale);
      for (const given of [input, reals, Array.from(reals), { image: input }]) {
        assert(model.run(given).join() === expected.join(), `${width} x ${height}: run`);
      }
      assert(model.runAll(input).probabilities.join() === output.join(), `${width} x ${height}: runAll`);
      const { label, index, probability, ranked } = model.classify({ width, height, data });
      assert(model.prepare({ width, height, data }).join() === input.join(), `${width} x ${height}: prepare`);
      assert(ranked.length === 10 && ranked.every(({ index, probability }) => probability === expected[index]), `${width} x ${height}: classify`);
      assert(label === String(index) && probability === Math.max(...expected), `${width} x ${height}: best`);
      assert(ranked.every((one, at) => at === 0 || one.probability <= ranked[at - 1].probability), "ranking");
    }
    assert(model.stats.runs === images.length * 6 && model.stats.milliseconds > 0, "counted runs");
    model.free();
  },

  async "fields by name and in order give the same"(bantam, { cancer }) {
    const model = await bantam.load(cancer);
    const [input] = model.inputs;
    assert(input.preprocessing === "fields" && input.fields.length === 30, JSON.stringify(input));
    const values = Array.from({ length: 30 }, (_, index) => index + 0.25);
    const named = Object.fromEntries(input.fields.map((name, index) => [name, values[index]]).reverse());
    const [a, b] = [model.classify(values), model.classify(named)];
    assert(JSON.stringify(a) === JSON.stringify(b) && model.labels.includes(a.label), JSON.stringify([a, b]));
    await failure(bantam, "input-name", () => model.classify({ ...named, age: 3 }), ["age"]);
    const { [input.fields[4]]: _, ...others } = named;
    await failure(bantam, "input-name", () => model.classify(others), [input.fields[4]]);
    await failure(bantam, "input-value", () => model.classify({ ...named, [input.fields[0]]: NaN }), [input.fields[0], "NaN"]);
    await failure(bantam, "input-length", () => model.classify([1, 2]), ["30", "2"]);
    await failure(bantam, "preprocessing", () => model.classify({ data: new Uint8Array(4), width: 2, height: 2 }));
    model.free();
  },

  async "wrong inputs are explained"(bantam, { digits }) {
    const model = await bantam.load(digits);
    await failure(bantam, "input-length", () => model.run(new Float32Array(63)), ["64", "63", "1 x 8 x 8 x 1"]);
    await failure(bantam, "input-length", () => model.run(new Int8Array(0)));
    const detached = new Float32Array(64);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    await failure(bantam, "input-length", () => model.run(detached), ["got 0"]);
    await failure(bantam, "input-value", () => model.run(new Float32Array(64).fill(NaN, 9, 10)), ["NaN", "9"]);
    await failure(bantam, "input-value", () => model.run(Array(64).fill("1")));
    await failure(bantam, "input-value", () => model.run(Array(64)));
    for (const wrong of [undefined, null, 3, "x", new BigInt64Array(64), new DataView(new ArrayBuffer(64)), new ArrayBuffer(64), Symbol()]) {
      const code = Object.prototype.toString.call(wrong) === "[object ArrayBuffer]" ? "input-name" : "input-type";
      await failure(bantam, code, () => model.run(wrong));
    }
    await failure(bantam, "input-name", () => model.run({ picture: new Int8Array(64) }), ["picture", "image"]);
    await failure(bantam, "input-name", () => model.run({}), ["image"]);
    await failure(bantam, "input-type", () => model.run({ image: "x" }));
    await failure(bantam, "image", () => model.classify({ data: new Uint8Array(5), width: 2, height: 2 }), ["5"]);
    await failure(bantam, "image", () => model.classify({ data: new Uint8Array(0), width: 0, height: 0 }));
    await failure(bantam, "image", () => model.classify({ data: new Uint8Array(9000), width: 9000, height: 1 }), ["8192"]);
    await failure(bantam, "preprocessing", () => model.classify([1, 2]), ["image"]);
    assert(model.run(new Int8Array(64)).length === 10, "the model still runs");
    model.free();
  },

  async "a freed model says so, and freeing twice is harmless"(bantam, { digits }) {
    const model = await bantam.load(digits);
    model.free();
    model.free();
    await failure(bantam, "freed", () => model.run(new Int8Array(64)));
    await failure(bantam, "freed", () => model.classify({ data: new Uint8Array(4), width: 2, height: 2 }));
    await failure(bantam, "freed", () => model.reset());
    if (typeof Symbol.dispose === "symbol") {
      const other = await bantam.load(digits);
      other[Symbol.dispose]();
      await failure(bantam, "freed", () => other.run(new Int8Array(64)));
    }
  },

  async "every kind of source loads"(bantam, { digits }) {
    const progress = [];
    const buffer = digits.slice().buffer;
    const sources = [buffer, digits, new DataView(buffer), new Blob([digits]), new Response(digits)];
    for (const source of sources) {
      (await bantam.load(source, { onProgress: (it) => progress.push(it) })).free();
    }
    assert(progress.some(({ loaded, total }) => loaded === digits.length && total === digits.length), JSON.stringify(progress));
    for (const wrong of [undefined, null, 3, {}, []]) {
      await failure(bantam, "source", () => bantam.load(wrong));
    }
    const used = new Response(digits);
    await used.arrayBuffer();
    await failure(bantam, "source", () => bantam.load(used), ["read already"]);
    await failure(bantam, "download", () => bantam.load(new Response("no", { status: 503 })), ["503"]);
  },

  async "broken files are told apart"(bantam, { digits }) {
    const changed = (change) => {
      const file = digits.slice();
      change(file);
      return file;
    };
    await failure(bantam, "not-a-model", () => bantam.load(new Uint8Array(0)));
    await failure(bantam, "not-a-model", () => bantam.load(new TextEncoder().encode("<!doctype html>".repeat(9))));
    const cut = await failure(bantam, "truncated", () => bantam.load(digits.slice(0, 1600)), [String(digits.length), "1600"]);
    assert(cut.rule === 5, `rule ${cut.rule}`);
    await failure(bantam, "invalid-model", () => bantam.load(changed((file) => (file[8] -= 16))));
    await failure(bantam, "damaged", () => bantam.load(changed((file) => (file[900] ^= 1))));
    await failure(bantam, "newer-format", () => bantam.load(changed((file) => (file[4] = 2))), ["2"]);
    await failure(bantam, "newer-format", () => bantam.load(seal(changed((file) => (file[16] = 4)))), ["rule 7"]);
    await failure(bantam, "limit", () => bantam.load(seal(changed((file) => (file[27] = 0x7f)))), ["rule 20"]);
  },

  async "2,000 hostile files leave the instance whole"(bantam, { digits, cancer }) {
    const below = numbers(7);
    const good = await bantam.load(digits);
    const input = Int8Array.from({ length: 64 }, () => below(256) - 128);
    const expected = good.run(input).join();
    const image = { data: new Uint8Array(300).fill(9), width: 10, height: 10 };
    let [refused, accepted] = [0, 0];
    for (let round = 0; round < 2000; round++) {
      const from = round % 4 === 3 ? cancer : digits;
      let file = from.slice(0, round % 5 === 4 ? below(from.length) : from.length);
      for (let flips = below(4); flips >= 0 && file.length > 0; flips--) {
        // Half of them among the first bytes, where the structure is.
        const at = below(flips % 2 === 0 ? Math.min(file.length, 1200) : file.length);
        file[at] = round % 3 === 0 ? below(256) : file[at] ^ (1 << below(8));
      }
      if (file.length >= 16 && round % 8 !== 0) {
        new DataView(file.buffer).setUint32(8, file.length, true);
        file = seal(file);
      }
      try {
        const model = await bantam.load(file);
        accepted += 1;
        try {
          model.run(model.inputs.length === 1 ? new Float32Array(model.inputs[0].length) : {});
          model.classify(image);
        } finally {
          model.free();
        }
      } catch (error) {
        assert(error instanceof bantam.BantamError && error.code !== "crashed", `round ${round}: ${error.stack}`);
        refused += 1;
      }
      assert(good.run(input).join() === expected, `round ${round}: the good model has changed`);
    }
    good.free();
    assert(refused > 1000 && accepted > 50, `${refused} refused, ${accepted} accepted`);
  },

  async "10,000 rounds of load, run and free leave the memory flat"(bantam, { digits }, memory) {
    const input = new Int8Array(64);
    const rounds = async (count) => {
      for (let round = 0; round < count; round++) {
        const model = await bantam.load(digits);
        model.run(input);
        model.free();
      }
    };
    await rounds(100);
    const before = memory();
    await rounds(10_000);
    const after = memory();
    assert(before > 0 && after === before, `the module's memory grew from ${before} to ${after} bytes`);
  },

  async "an aborted load says so"(bantam, { digits }) {
    const controller = new AbortController();
    controller.abort(new Error("no longer needed"));
    const error = await failure(bantam, "aborted", () => bantam.load(digits, { signal: controller.signal }));
    assert(error.cause.message === "no longer needed", "the cause");
    const later = new AbortController();
    const stuck = new Response(new ReadableStream({ start: (stream) => stream.enqueue(digits.slice(0, 100)) }));
    const loading = bantam.load(stuck, { signal: later.signal });
    setTimeout(() => later.abort(), 20);
    await failure(bantam, "aborted", () => loading);
  },

  async "a worker gives the same"(bantam, { digits, cancer, images }) {
    const worker = await bantam.createWorker();
    const [near, far] = [await bantam.load(digits), await worker.load(digits)];
    assert(JSON.stringify(far.inputs) === JSON.stringify(near.inputs) && far.labels.join() === near.labels.join(), "description");
    const { input, data, width, height } = readImage(images[1]);
    const pixels = { data, width, height };
    const { length } = data;
    assert((await far.run(input)).join() === near.run(input).join() && input.length === 64, "run");
    assert((await far.runAll({ image: input })).probabilities.join() === near.runAll(input).probabilities.join(), "runAll");
    assert((await far.prepare(pixels)).join() === input.join(), "prepare");
    assert(JSON.stringify(await far.classify(pixels)) === JSON.stringify(near.classify(pixels)), "classify");
    assert(far.stats.runs === 3 && length > 0 && data.length === length, "stats and data that stays");
    await failure(bantam, "input-length", () => far.run(new Int8Array(3)), ["64", "3"]);
    await failure(bantam, "damaged", () => worker.load(digits.map((byte, at) => (at === 900 ? byte ^ 1 : byte))));
    const other = await worker.load(cancer);
    assert((await Promise.all([other.run(new Float32Array(30)), far.run(input)])).map((it) => it.length).join() === "2,10", "two models");
    await far.free();
    await failure(bantam, "freed", () => far.run(input));
    const under_way = other.run(new Float32Array(30));
    worker.terminate();
    await failure(bantam, "worker", () => under_way, ["terminated"]);
    await failure(bantam, "worker", () => worker.load(digits));
    near.free();
  },
};
