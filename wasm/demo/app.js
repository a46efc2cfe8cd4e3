// The demo: draw, see the classes move, look at the costs, drop another model.

import { BantamError, createWorker, load } from "./bantam-wasm/index.js";

const element = (id) => document.getElementById(id);
const MODEL = new URL("digits.bantam", import.meta.url);
/** Width of a stroke as a share of the canvas: about that of the data set. */
const BRUSH = 0.085;

const canvas = element("canvas");
const pen = canvas.getContext("2d", { willReadFrequently: true });
const ink = Object.assign(document.createElement("canvas"), { width: 256, height: 256 });
const inkPen = ink.getContext("2d", { willReadFrequently: true });

// ------------------------------------------------------------------------------------------------ running the model

let bytes;
let model;
let worker;

/** Loads the model with the chosen engine. The file is downloaded once. */
async function start(engine) {
  bytes ??= await (await fetch(MODEL)).arrayBuffer();
  const old = model;
  if (engine === "worker") {
    worker ??= await createWorker();
    model = await worker.load(bytes);
  } else {
    model = await load(bytes, engine === "scalar" ? { build: "scalar" } : {});
  }
  old?.free();
  element("model-name").textContent = `${model.card.name ?? "model"}, ${engine === "worker" ? "in a worker" : `build ${model.stats.build}`}`;
  element("file").textContent = size(model.stats.fileBytes);
  element("arena").textContent = size(model.stats.arenaBytes);
  makeRows(model.labels.length > 0 ? model.labels : Array.from({ length: model.outputs[0].length }, (_, index) => String(index)));
  await predict();
  tellBytes();
}

const size = (count) => (count < 1000 ? `${count} bytes` : `${(count / 1000).toFixed(1)} KB`);
const milliseconds = (ms) => (ms < 0.1 ? `${Math.max(1, Math.round(ms * 1000))} µs` : `${ms.toFixed(ms < 10 ? 2 : 0)} ms`);

/** What the network log shows for this page: bodies as they came over the line. */
function tellBytes() {
  const entries = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  const sum = entries.reduce((sum, entry) => sum + (entry.encodedBodySize ?? 0), 0);
  element("bytes").textContent = size(sum);
  const runtime = entries.filter(({ name }) => /bantam-wasm\/(index\.js|.*\.wasm)$/.test(name));
  element("bytes").title = `of which the runtime: ${size(runtime.reduce((sum, entry) => sum + entry.encodedBodySize, 0))}`;
}

let busy = false;
let again = false;

/** Classifies what is drawn; while one prediction is under way, the next one waits, and only the last is made. */
async function predict() {
  if (model === undefined || drawn === undefined) {
    return;
  }
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  try {
    do {
      again = false;
      showInk();
      const current = model;
      const answer = await current.classify(ink);
      show(answer, current.stats.milliseconds);
      showInput(await current.prepare(ink), current.inputs[0]);
    } while (again && drawn !== undefined);
  } catch (error) {
    problem(error);
  } finally {
    busy = false;
  }
}

// ------------------------------------------------------------------------------------------------ the answer

let rows = [];

function makeRows(labels) {
  if (rows.map(({ label }) => label).join("\n") === labels.join("\n")) {
    return;
  }
  const list = element("ranking");
  list.replaceChildren();
  list.style.setProperty("--rows", labels.length);
  rows = labels.map((label, index) => {
    const item = document.createElement("li");
    const [name, bar, share] = ["b", "i", "span"].map((tag) => document.createElement(tag));
    name.textContent = label;
    item.append(name, bar, share);
    item.style.transform = `translateY(${index * 100}%)`;
    list.append(item);
    return { label, item, bar, share };
  });
}

function show({ label, probability, ranked }, time) {
  element("label").textContent = label;
  element("sure").textContent = probability > 0.9 ? "quite sure" : probability > 0.6 ? "fairly sure" : "hard to say";
  element("time").textContent = milliseconds(time);
  ranked.forEach(({ index, probability }, rank) => {
    const { item, bar, share } = rows[index];
    item.style.transform = `translateY(${rank * 100}%)`;
    item.classList.toggle("first", rank === 0);
    bar.style.setProperty("--share", probability);
    share.textContent = `${(probability * 100).toFixed(1)} %`;
  });
}

// ------------------------------------------------------------------------------------------------ drawing

/** The part of the canvas that holds ink: left, top, right, bottom. */
let drawn;
let last;

function clear() {
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  inkPen.fillStyle = "#fff";
  inkPen.fillRect(0, 0, ink.width, ink.height);
  drawn = undefined;
  document.body.classList.remove("inked");
  element("label").textContent = "?";
  element("sure").textContent = "waiting for ink";
  for (const { item, bar, share } of rows) {
    item.classList.remove("first");
    bar.style.setProperty("--share", 0);
    share.textContent = "";
  }
  element("sees").getContext("2d").clearRect(0, 0, 8, 8);
}

function stroke(to) {
  const radius = (canvas.width * BRUSH) / 2;
  const from = last ?? to;
  pen.strokeStyle = "#14100c";
  pen.lineCap = pen.lineJoin = "round";
  pen.lineWidth = 2 * radius;
  pen.beginPath();
  pen.moveTo(...from);
  pen.lineTo(...to);
  pen.stroke();
  for (const [x, y] of [from, to]) {
    const [left, top, right, bottom] = drawn ?? [x, y, x, y];
    drawn = [Math.min(left, x - radius), Math.min(top, y - radius), Math.max(right, x + radius), Math.max(bottom, y + radius)];
  }
  last = to;
  document.body.classList.add("inked");
}

/** The ink as large as it fits, in the middle: that is how the data set was made. */
function showInk() {
  const [left, top, right, bottom] = drawn;
  const scale = ink.width / Math.max(right - left, bottom - top);
  const [width, height] = [(right - left) * scale, (bottom - top) * scale];
  inkPen.fillStyle = "#fff";
  inkPen.fillRect(0, 0, ink.width, ink.height);
  inkPen.imageSmoothingEnabled = scale < 1 || width !== ink.width || height !== ink.height;
  inkPen.drawImage(canvas, left, top, right - left, bottom - top, (ink.width - width) / 2, (ink.height - height) / 2, width, height);
}

/** The model's own input, from the least to the largest value of its type. */
function showInput(values, { shape }) {
  const [, height, width] = shape;
  const image = new ImageData(width, height);
  values.forEach((q, at) => image.data.set([127 - q, 127 - q, 127 - q, 255], at * 4));
  const sees = element("sees");
  [sees.width, sees.height] = [width, height];
  sees.getContext("2d").putImageData(image, 0, 0);
}

function position(event) {
  const { left, top, width, height } = canvas.getBoundingClientRect();
  return [((event.clientX - left) / width) * canvas.width, ((event.clientY - top) / height) * canvas.height];
}

canvas.addEventListener("pointerdown", (event) => {
  if (shown) {
    clear();
    shown = false;
  }
  canvas.setPointerCapture(event.pointerId);
  last = undefined;
  stroke(position(event));
  predict();
});
canvas.addEventListener("pointermove", (event) => {
  if (event.buttons === 0 || last === undefined) {
    return;
  }
  for (const part of event.getCoalescedEvents?.() ?? [event]) {
    stroke(position(part));
  }
  predict();
});
for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, () => (last = undefined));
}
element("clear").addEventListener("click", clear);
addEventListener("keydown", (event) => event.key === "Escape" && clear());

// ------------------------------------------------------------------------------------------------ digits of the data set

/** Held-out images: 64 numbers from 0 (paper) to 16 (ink) each, behind one byte that says which digit it is. */
let examples;
let shown = false;
let next = 0;

element("example").addEventListener("click", async () => {
  try {
    examples ??= new Uint8Array(await (await fetch(new URL("examples.bin", import.meta.url))).arrayBuffer());
    const at = (next++ * 65) % examples.length;
    clear();
    const side = canvas.width / 8;
    for (let pixel = 0; pixel < 64; pixel++) {
      const grey = 255 - Math.round((examples[at + 1 + pixel] * 255) / 16);
      pen.fillStyle = `rgb(${grey} ${grey} ${grey})`;
      pen.fillRect((pixel % 8) * side, Math.floor(pixel / 8) * side, side, side);
    }
    drawn = [0, 0, canvas.width, canvas.height];
    shown = true;
    document.body.classList.add("inked");
    await predict();
    canvas.dataset.digit = String(examples[at]);
  } catch (error) {
    problem(error);
  }
});

// ------------------------------------------------------------------------------------------------ other models

function problem(error) {
  element("problem").hidden = error === undefined;
  if (error !== undefined) {
    element("problem").textContent = error instanceof BantamError ? error.message : String(error);
  }
}

/** Shows what a file holds and runs it a few times on zeros. */
async function inspect(file) {
  problem(undefined);
  element("inspect").hidden = true;
  const other = await load(file);
  try {
    const tensor = ({ name, type, shape, scale, zeroPoint, preprocessing }) => {
      const meaning = type === "int8" ? `, q means ${Number(scale.toPrecision(4))} x (q - ${zeroPoint})` : "";
      return `${name}: ${type} ${shape.join(" x ")}${meaning}${preprocessing === "image" ? ", made from images" : ""}`;
    };
    const table = [
      ...other.inputs.map((it) => ["input", tensor(it)]),
      ...other.outputs.map((it) => ["output", tensor(it)]),
      ["classes", other.labels.slice(0, 12).join(", ") + (other.labels.length > 12 ? `, ${other.labels.length} in all` : "")],
      ["made with", other.card.made_with],
      ["file", size(other.stats.fileBytes)],
      ["memory of a run", size(other.stats.arenaBytes)],
      ["work of a run", `${other.stats.macs.toLocaleString("en")} multiply-accumulates`],
    ].filter(([, value]) => value !== undefined && value !== "");
    element("inspect-name").textContent = `${file.name}${other.card.name === undefined ? "" : `: ${other.card.name}`}`;
    element("inspect-rows").replaceChildren(
      ...table.map((cells) => {
        const row = document.createElement("tr");
        row.append(...cells.map((cell) => Object.assign(document.createElement("td"), { textContent: cell })));
        return row;
      }),
    );
    const zeros = Object.fromEntries(other.inputs.map(({ name, length, type }) => [name, type === "int32" ? new Int32Array(length) : new Float32Array(length)]));
    const times = [];
    for (const end = performance.now() + 200; times.length < 3 || (performance.now() < end && times.length < 1000); ) {
      other.runAll(zeros);
      times.push(other.stats.milliseconds);
    }
    times.sort((a, b) => a - b);
    element("inspect-run").textContent = `${milliseconds(times[times.length >> 1])} a run, the median of ${times.length}`;
    element("inspect").hidden = false;
  } finally {
    other.free();
  }
}

element("choose").addEventListener("change", (event) => {
  const [file] = event.target.files;
  if (file !== undefined) {
    inspect(file).catch(problem);
  }
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", () => document.body.classList.remove("dragging"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  const [file] = event.dataTransfer.files;
  if (file !== undefined) {
    inspect(file).catch(problem);
  }
});

// ------------------------------------------------------------------------------------------------ start

element("engine").addEventListener("change", async (event) => {
  try {
    problem(undefined);
    await start(event.target.value);
  } catch (error) {
    problem(error);
  }
});

function network() {
  element("network").hidden = navigator.onLine;
}
addEventListener("online", network);
addEventListener("offline", network);
network();

clear();
try {
  await start("simd");
  document.body.dataset.ready = "yes";
} catch (error) {
  problem(error);
}

// From the next visit on, without a network. What this visit has loaded is kept now.
if ("serviceWorker" in navigator) {
  const registration = await navigator.serviceWorker.register("service-worker.js");
  await navigator.serviceWorker.ready;
  const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
  registration.active?.postMessage([location.href, ...loaded, new URL("examples.bin", import.meta.url).href]);
}
