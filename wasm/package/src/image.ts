import { BantamError, reason } from "./errors.js";
import { kind } from "./inputs.js";

/** Pixels as bytes, row by row from the top: 1 (grey), 3 (RGB) or 4 (RGBA) bytes each. */
export interface Pixels {
  readonly data: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** What `classify` can look at. A video gives its current frame. */
export type ImageSource =
  | Pixels
  | ImageData
  | ImageBitmap
  | HTMLCanvasElement
  | OffscreenCanvas
  | HTMLImageElement
  | HTMLVideoElement
  | VideoFrame;

const EXPECTED = "ImageData, a canvas, an image, an ImageBitmap, a video or { data, width, height }";

/** The canvas that images without pixels of their own are drawn on, kept for the next one. */
let scratch: HTMLCanvasElement | OffscreenCanvas | undefined;

/** @internal Whether a value is an image rather than fields. */
export function isImage(value: unknown): value is ImageSource {
  return typeof value === "object" && value !== null && !ArrayBuffer.isView(value) &&
    ("width" in value || "displayWidth" in value || "videoWidth" in value);
}

/** @internal The pixels of an image, unscaled. */
export function pixelsOf(source: ImageSource): Pixels {
  if ("data" in source) {
    return checked(source);
  }
  const [width, height] = size(source);
  if (!(width > 0 && height > 0)) {
    throw new BantamError("image", `the ${kind(source)} has no pixels yet: it is ${width} x ${height}`);
  }
  try {
    const own = "getContext" in source ? (source.getContext("2d") as CanvasRenderingContext2D | null) : null;
    return (own ?? draw(source, width, height)).getImageData(0, 0, width, height);
  } catch (cause) {
    throw new BantamError("image", `the pixels of the ${kind(source)} cannot be read: ${reason(cause)}`, { cause });
  }
}

function checked(pixels: Pixels): Pixels {
  const { data, width, height } = pixels;
  const channels = data.length / (width * height);
  if (!(data instanceof Uint8Array || data instanceof Uint8ClampedArray)) {
    throw new BantamError("image", `expected pixels as Uint8Array or Uint8ClampedArray, got ${kind(data)}`);
  }
  if (channels !== 1 && channels !== 3 && channels !== 4) {
    const expected = `1, 3 or 4 bytes for each of ${width} x ${height} pixels`;
    throw new BantamError("image", `expected ${expected}, got ${data.length} bytes`);
  }
  return pixels;
}

function size(source: Exclude<ImageSource, Pixels>): [number, number] {
  if ("videoWidth" in source) {
    return [source.videoWidth, source.videoHeight];
  }
  if ("naturalWidth" in source) {
    return [source.naturalWidth, source.naturalHeight];
  }
  if ("displayWidth" in source) {
    return [source.displayWidth, source.displayHeight];
  }
  if ("width" in source) {
    return [source.width, source.height];
  }
  throw new BantamError("image", `expected ${EXPECTED}, got ${kind(source)}`);
}

function draw(source: CanvasImageSource, width: number, height: number): CanvasRenderingContext2D {
  scratch ??= typeof OffscreenCanvas === "undefined" ? document.createElement("canvas") : new OffscreenCanvas(1, 1);
  // Setting the size clears the canvas.
  scratch.width = width;
  scratch.height = height;
  const context = scratch.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D;
  context.drawImage(source, 0, 0, width, height);
  return context;
}
