// What holds in a page only: canvases, videos, downloads, servers that misbehave.

import { assert, failure, readImage } from "./api.mjs";

/** A canvas with the pixels of the largest fixture that has alpha, made opaque: canvases keep those exactly. */
function drawing(images) {
  const { width, height, data } = images.map(readImage).findLast(({ width, height, data }) => data.length === width * height * 4);
  const pixels = new ImageData(new Uint8ClampedArray(data.map((byte, at) => (at % 4 === 3 ? 255 : byte))), width, height);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return { canvas, pixels, width, height };
}

export const pageChecks = {
  async "every kind of picture gives what its pixels give"(bantam, { digits, images }) {
    const model = await bantam.load(digits);
    const { canvas, pixels, width, height } = drawing(images);
    const expected = JSON.stringify(model.classify(pixels));
    const offscreen = new OffscreenCanvas(width, height);
    offscreen.getContext("2d").putImageData(pixels, 0, 0);
    const image = new Image();
    image.src = canvas.toDataURL();
    await image.decode();
    const bitmap = await createImageBitmap(pixels);
    const frame = new VideoFrame(canvas, { timestamp: 0 });
    const foreign = document.createElement("canvas");
    [foreign.width, foreign.height] = [width, height];
    foreign.getContext("bitmaprenderer").transferFromImageBitmap(await createImageBitmap(pixels));
    const sources = { canvas, offscreen, image, bitmap, frame, foreign };
    for (const [name, source] of Object.entries(sources)) {
      assert(JSON.stringify(model.classify(source)) === expected, name);
    }
    const worker = await bantam.createWorker();
    const far = await worker.load(digits);
    assert(JSON.stringify(await far.classify(canvas)) === expected, "canvas in a worker");
    worker.terminate();
    frame.close();
    bitmap.close();
    await failure(bantam, "image", () => model.classify(bitmap), ["0 x 0"]);
    await failure(bantam, "image", () => model.classify(new Image()));
    await failure(bantam, "image", () => model.classify(document.createElement("video")), ["no pixels yet"]);
    model.free();
  },

  async "a video gives its frame"(bantam, { digits, images }) {
    const model = await bantam.load(digits);
    const { canvas } = drawing(images);
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = canvas.captureStream(10);
    await video.play();
    assert(model.classify(video).ranked.length === 10, "a ranking");
    video.srcObject = null;
    model.free();
  },

  async "downloads tell how far they are"(bantam, { digits }) {
    const progress = [];
    const model = await bantam.load("/fixtures/digits.bantam", { onProgress: ({ loaded }) => progress.push(loaded) });
    assert(progress.at(-1) === digits.length, progress.join());
    model.free();
    const again = await bantam.load(new URL("/fixtures/digits.bantam", location.href));
    again.free();
    (await bantam.load(await fetch("/fixtures/digits.bantam"))).free();
  },

  async "servers that misbehave are told apart"(bantam, { digits }) {
    const missing = await failure(bantam, "download", () => bantam.load("/fixtures/none.bantam"), ["404", "none.bantam"]);
    assert(missing.rule === undefined, "no rule");
    await failure(bantam, "download", () => bantam.load("/broken-off.bantam"), ["2000"]);
    await failure(bantam, "truncated", () => bantam.load("/cut.bantam"), ["2000", String(digits.length)]);
    await failure(bantam, "not-a-model", () => bantam.load("/page.bantam"));
    for (const place of ["plain", "module"]) {
      const wasmUrl = (build) => `/${place}/bantam_${build}.wasm`;
      const model = await bantam.load(digits, { wasmUrl });
      assert(model.run(new Int8Array(64)).length === 10, place);
      model.free();
    }
    await failure(bantam, "runtime", () => bantam.load(digits, { wasmUrl: "/none.wasm" }), ["404", "/none.wasm"]);
    await failure(bantam, "runtime", () => bantam.load(digits, { wasmUrl: "/page.bantam" }));
    await failure(bantam, "worker", async () => {
      const worker = await bantam.createWorker({ workerUrl: "/none.js" });
      await worker.load(digits);
    });
    (await bantam.load(digits)).free();
  },

  async "a download under way can be aborted"(bantam) {
    const controller = new AbortController();
    const loading = bantam.load("/never-ends.bantam", {
      signal: controller.signal,
      onProgress: () => setTimeout(() => controller.abort(), 10),
    });
    await failure(bantam, "aborted", () => loading);
    const waiting = new AbortController();
    const second = bantam.load(await fetch("/never-ends.bantam"), { signal: waiting.signal });
    setTimeout(() => waiting.abort(), 30);
    await failure(bantam, "aborted", () => second);
  },

  async "the fastest build is chosen, and only it is downloaded"(bantam, { digits }) {
    const model = await bantam.load(digits);
    assert(model.stats.build === bantam.bestBuild() && model.stats.build !== "scalar", model.stats.build);
    model.free();
    const modules = performance.getEntriesByType("resource").filter(({ name }) => /\/dist\/.*\.wasm/.test(name));
    assert(modules.length === 1 && modules[0].name.includes(bantam.bestBuild()), modules.map(({ name }) => name).join());
  },
};
