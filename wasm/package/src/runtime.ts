import { bind, type Bindings, type Exports } from "./bindings.js";
import { BantamError, reason } from "./errors.js";
import { bestBuild, multipliesExactly, type Build } from "./features.js";

/** @internal What differs between browsers and Node.js. */
export interface Platform {
  /** Where the module of a build is when the caller does not say. */
  readonly wasmUrl: (build: Build) => string | URL;
  /** Fetches, files included where there are files. */
  readonly fetch: (url: string | URL, signal?: AbortSignal) => Promise<Response>;
  /** Starts the worker script of the package, or another one. */
  readonly startWorker: (url?: string | URL) => WorkerPort;
}

/** @internal The part of a worker that is the same in browsers and Node.js. */
export interface WorkerPort {
  post(message: unknown, transfer: Transferable[]): void;
  listen(onMessage: (message: unknown) => void, onFailure: (reason: string) => void): void;
  /** Whether answers are awaited: an idle worker must not keep a process alive. */
  busy(busy: boolean): void;
  terminate(): void;
}

/** Where to find the WebAssembly module, and which. */
export interface RuntimeOptions {
  /**
   * Where the module is: for bundlers that do not copy `new URL("./x.wasm", import.meta.url)` by themselves (esbuild), or
   * to serve it from elsewhere. A function is told which build will run.
   */
  wasmUrl?: string | URL | ((build: Build) => string | URL);
  /** Which build to run; the fastest one the engine can run if not given. */
  build?: Build;
}

/** @internal One instance of the module. Every model loaded on it lives in its memory. */
export class Runtime {
  /** Set once the instance has trapped: its memory may then hold anything. */
  dead = false;
  private constructor(
    readonly build: Build,
    readonly module: WebAssembly.Module,
    readonly bindings: Bindings,
    private readonly exports: Exports,
  ) {}

  static async start(build: Build, module: WebAssembly.Module): Promise<Runtime> {
    const bindings = bind();
    const instance = await WebAssembly.instantiate(module, { "./bantam_bg.js": bindings as unknown as WebAssembly.ModuleImports });
    const exports = instance.exports as unknown as Exports;
    bindings.__wbg_set_wasm(exports);
    exports.__wbindgen_start?.();
    return new Runtime(build, module, bindings, exports);
  }

  /** The module's memory; to be asked for anew after every call, since growing replaces it. */
  get memory(): ArrayBuffer {
    return this.exports.memory.buffer;
  }

  /** Calls into the module. A trap ends the instance. */
  call<T>(action: () => T): T {
    if (this.dead) {
      throw new BantamError("crashed", "the runtime stopped earlier; load the model again");
    }
    try {
      return action();
    } catch (cause) {
      this.dead = true;
      const text = `the runtime stopped (${reason(cause)}); load the model again`;
      throw new BantamError("crashed", text, { cause });
    }
  }
}

/** One instance per module address, kept for all models of a page. */
const running = new Map<string, Promise<Runtime>>();

/** @internal The instance for these options, started if need be. */
export async function runtimeFor(platform: Platform, options: RuntimeOptions): Promise<Runtime> {
  const build = options.build ?? bestBuild();
  if (build === "relaxed" && !multipliesExactly()) {
    throw new BantamError("runtime", "the relaxed build is not exact on this engine: leave out the option build");
  }
  const wasmUrl = options.wasmUrl ?? platform.wasmUrl;
  const url = typeof wasmUrl === "function" ? wasmUrl(build) : wasmUrl;
  const key = `${build} ${url}`;
  const known = running.get(key);
  if (known !== undefined) {
    const runtime = await known;
    if (!runtime.dead) {
      return runtime;
    }
  }
  const started = compile(platform, url).then((module) => Runtime.start(build, module));
  running.set(key, started);
  try {
    return await started;
  } catch (cause) {
    running.delete(key);
    if (cause instanceof BantamError) {
      throw cause;
    }
    throw new BantamError("runtime", `cannot start the module at ${url}: ${reason(cause)}`, { cause });
  }
}

/** Compiles while it downloads, where the server names the right type; afterwards otherwise. */
async function compile(platform: Platform, url: string | URL): Promise<WebAssembly.Module> {
  let response: Response;
  try {
    response = await platform.fetch(url);
  } catch (cause) {
    throw new BantamError("runtime", `cannot fetch the module at ${url}: ${reason(cause)}`, { cause });
  }
  if (!response.ok) {
    const text = `cannot fetch the module at ${url}: the server answered ${response.status}; serve the .wasm files or set wasmUrl`;
    throw new BantamError("runtime", text);
  }
  const type = response.headers.get("content-type") ?? "";
  return /^application\/wasm$/i.test(type)
    ? WebAssembly.compileStreaming(response)
    : WebAssembly.compile(await response.arrayBuffer());
}
