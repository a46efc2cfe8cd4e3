// Usage: node tests/demo.mjs <site folder> <digits.bantam> [--picture]
//
// Puts the demo together and uses it as a person does: held-out digits, strokes, the switch, a dropped file, no network.
// Then compares its picture with .assets/demo.webp, coarsely, as fonts differ; --picture writes that file anew.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { assemble, serveSite } from "../demo.mjs";
import { assert } from "./api.mjs";
import { WASM, launch } from "./chromium.mjs";

const [site, model, flag] = process.argv.slice(2);
if (model === undefined) {
  throw new Error("usage: node tests/demo.mjs <site folder> <digits.bantam> [--picture]");
}
const PICTURE = join(WASM, "../.assets/demo.webp");
/** Held-out digits out of 100 that must be recognised; what the host recognises is the same. */
const RECOGNISED = 97;
/** Mean difference of brightness, 0 to 255, between blocks of two pictures that show the same. */
const TOLERANCE = 12;

await assemble(site, model);
const server = await serveSite(site, 0);
const address = `http://127.0.0.1:${server.address().port}/`;
const browser = await launch();
try {
  const context = await browser.newContext({ viewport: { width: 1080, height: 900 }, colorScheme: "light" });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  const open = async () => {
    await page.goto(address);
    await page.waitForSelector("body[data-ready]");
  };
  const text = (selector) => page.locator(selector).textContent();
  const nextExample = async () => {
    await page.evaluate(() => delete document.getElementById("canvas").dataset.digit);
    await page.click("#example");
    await page.waitForSelector("#canvas[data-digit]");
    return [await text("#label"), await page.locator("#canvas").getAttribute("data-digit")];
  };

  await open();
  let right = 0;
  for (let round = 0; round < 100; round++) {
    const [answer, truth] = await nextExample();
    right += answer === truth ? 1 : 0;
  }
  assert(right >= RECOGNISED, `recognised ${right} of 100 held-out digits`);

  // A stroke from top to bottom is a one, in every engine.
  const { x, y, width, height } = await page.locator("#canvas").boundingBox();
  for (const engine of ["scalar", "worker", "simd"]) {
    await page.check(`#engine input[value=${engine}]`, { force: true });
    // The relaxed build is for engines whose product of bytes is exact, the one for fused floats for others.
    await page.waitForFunction((name) => new RegExp(name).test(document.getElementById("model-name").textContent), {
      scalar: "build scalar",
      worker: "in a worker",
      simd: "build (simd128|fused|relaxed)",
    }[engine]);
    await page.click("#clear");
    assert((await text("#label")) === "?", "cleared");
    await page.mouse.move(x + width * 0.52, y + height * 0.12);
    await page.mouse.down();
    await page.mouse.move(x + width * 0.5, y + height * 0.5, { steps: 6 });
    await page.mouse.move(x + width * 0.48, y + height * 0.88, { steps: 6 });
    await page.mouse.up();
    await page.waitForFunction(() => document.getElementById("label").textContent === "1", undefined, { timeout: 5000 });
  }

  await page.setInputFiles("#choose", model);
  await page.waitForSelector("#inspect:not([hidden])");
  assert((await text("#inspect-rows")).includes("1 x 8 x 8 x 1"), "the file is described");
  await page.setInputFiles("#choose", { name: "x.bantam", mimeType: "", buffer: Buffer.from("not a model at all") });
  await page.waitForSelector("#problem:not([hidden])");
  assert((await text("#problem")).includes("no .bantam file"), "a wrong file is explained");

  // The worker that keeps the page has had its time; from now on there is no network.
  await page.waitForFunction(async () => {
    const kept = await (await caches.open("bantam-demo")).keys();
    return ["digits.bantam", "index.js", "relaxed.wasm", "examples.bin"].every((name) => kept.some(({ url }) => url.endsWith(name)));
  });
  await context.setOffline(true);
  await open();
  const [answer, truth] = await nextExample();
  assert(answer === truth, `offline: ${answer} for a ${truth}`);
  await context.setOffline(false);

  await open();
  for (let round = 0; round < 8; round++) {
    await nextExample();
  }
  await page.mouse.move(0, 0);
  await page.evaluate(() => {
    document.getElementById("time").textContent = "70 µs";
    document.activeElement.blur();
  });
  await page.waitForTimeout(500);
  const picture = await page.screenshot({ fullPage: true });
  const dataUrl = (bytes, type) => `data:image/${type};base64,${bytes.toString("base64")}`;
  const blank = await context.newPage();
  if (flag === "--picture") {
    const webp = await blank.evaluate(async (url) => {
      const image = Object.assign(new Image(), { src: url });
      await image.decode();
      const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
      canvas.getContext("2d").drawImage(image, 0, 0);
      return canvas.toDataURL("image/webp", 0.9);
    }, dataUrl(picture, "png"));
    await writeFile(PICTURE, Buffer.from(webp.split(",")[1], "base64"));
  }
  const [difference, sizes] = await blank.evaluate(async (urls) => {
    const [across, down] = [24, 20];
    const images = await Promise.all(
      urls.map(async (url) => {
        const image = Object.assign(new Image(), { src: url });
        await image.decode();
        return image;
      }),
    );
    const blocks = images.map((image) => {
      const canvas = Object.assign(document.createElement("canvas"), { width: across, height: down });
      const pen = canvas.getContext("2d");
      pen.imageSmoothingQuality = "high";
      pen.drawImage(image, 0, 0, across, down);
      return pen.getImageData(0, 0, across, down).data;
    });
    const sum = blocks[0].reduce((sum, value, at) => sum + Math.abs(value - blocks[1][at]), 0);
    return [sum / (across * down * 3), images.map(({ width, height }) => `${width} x ${height}`)];
  }, [dataUrl(picture, "png"), dataUrl(await readFile(PICTURE), "webp")]);
  if (difference > TOLERANCE) {
    await writeFile(join(site, "picture.png"), picture);
  }
  assert(difference <= TOLERANCE, `the picture (${sizes.join(" and ")}) differs by ${difference.toFixed(1)}: see picture.png in ${site}`);
  assert(complaints.every((complaint) => /ERR_INTERNET_DISCONNECTED/.test(complaint)), complaints.join("\n"));
  console.log(`demo in Chromium ${browser.version()}: ${right} of 100 held-out digits, picture differs by ${difference.toFixed(1)} of 255`);
} finally {
  await browser.close();
  server.close();
}
