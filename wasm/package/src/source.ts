import { BantamError, reason } from "./errors.js";
import type { Platform } from "./runtime.js";

/** What a model can be loaded from. A `Response` or `Blob` is read as a stream. */
export type ModelSource = string | URL | Response | Blob | ArrayBuffer | ArrayBufferView;

/** How far a download is. */
export interface Progress {
  /** Bytes so far, uncompressed. */
  loaded: number;
  /** Bytes in all, where the server says so. */
  total: number | undefined;
}

/** How to read a source. */
export interface SourceOptions {
  /** Stops the download. */
  signal?: AbortSignal;
  /** Told of every piece that arrives. */
  onProgress?: (progress: Progress) => void;
}

const is = (value: unknown, name: string): boolean => Object.prototype.toString.call(value) === `[object ${name}]`;

/** @internal Every byte of a source. */
export async function readSource(platform: Platform, source: ModelSource, options: SourceOptions): Promise<Uint8Array> {
  const { signal, onProgress } = options;
  throwIfAborted(signal);
  if (ArrayBuffer.isView(source)) {
    return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  }
  // By name, so that buffers of other frames are known too.
  if (is(source, "ArrayBuffer")) {
    return new Uint8Array(source as ArrayBuffer);
  }
  if (is(source, "Blob") || is(source, "File")) {
    const blob = source as Blob;
    return readStream(blob.stream(), blob.size, "the blob", signal, onProgress);
  }
  const isAddress = typeof source === "string" || is(source, "URL");
  if (!isAddress && !is(source, "Response")) {
    const given = source === null ? "null" : typeof source;
    throw new BantamError("source", `expected a URL, Response, Blob or ArrayBuffer to load a model from, got ${given}`);
  }
  const response = isAddress ? await fetchModel(platform, source as string | URL, signal) : (source as Response);
  const name = response.url === "" ? String(isAddress ? source : "the response") : response.url;
  if (!response.ok) {
    throw new BantamError("download", `cannot load ${name}: the server answered ${response.status}`);
  }
  if (response.bodyUsed) {
    throw new BantamError("source", `the body of ${name} has been read already; give load() a fresh response`);
  }
  // The length of a compressed body is not that of the file.
  const length = response.headers.get("content-encoding") === null ? response.headers.get("content-length") : null;
  const total = length === null ? undefined : Number(length);
  return readStream(response.body, total, name, signal, onProgress);
}

async function fetchModel(platform: Platform, url: string | URL, signal: AbortSignal | undefined): Promise<Response> {
  try {
    return await platform.fetch(url, signal);
  } catch (cause) {
    throwIfAborted(signal);
    throw new BantamError("download", `cannot load ${url}: ${reason(cause)}`, { cause });
  }
}

async function readStream(
  stream: ReadableStream<Uint8Array> | null,
  total: number | undefined,
  name: string,
  signal: AbortSignal | undefined,
  onProgress: ((progress: Progress) => void) | undefined,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let loaded = 0;
  if (stream !== null) {
    const reader = stream.getReader();
    const stop = (): void => void reader.cancel().catch(() => undefined);
    signal?.addEventListener("abort", stop);
    try {
      for (;;) {
        const { done, value } = await reader.read().catch((cause: unknown) => {
          throwIfAborted(signal);
          throw new BantamError("download", `${name} broke off after ${loaded} bytes: ${reason(cause)}`, { cause });
        });
        throwIfAborted(signal);
        if (done) {
          break;
        }
        chunks.push(value);
        loaded += value.length;
        onProgress?.({ loaded, total });
      }
    } finally {
      signal?.removeEventListener("abort", stop);
    }
  }
  const bytes = new Uint8Array(loaded);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/** @internal */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new BantamError("aborted", "loading was aborted", { cause: signal.reason });
  }
}
