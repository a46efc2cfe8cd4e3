/** The near side of a worker: a file of its own, fetched when a worker is asked for. */

import type { Classification, Fields } from "./classify.js";
import type { BantamError } from "./errors.js";
import type { ImageSource } from "./image.js";
import type { Inputs } from "./inputs.js";
import type { Call, Reply } from "./messages.js";
import type { ModelInfo, Stats } from "./model.js";
import type { Platform, Runtime, RuntimeOptions, WorkerPort } from "./runtime.js";
import type { ModelSource, SourceOptions } from "./source.js";
import type { Tools } from "./tools.js";
import type { InputInfo, OutputInfo, TensorArray } from "./tensor.js";

/** How to start a worker. */
export interface WorkerOptions extends RuntimeOptions {
  /** Where the package's `worker.js` is: for bundlers that do not find it by themselves (esbuild). */
  workerUrl?: string | URL;
}

/** Models off the main thread: the same interface as the package itself, with promises. */
export interface BantamWorker {
  /** Loads a model into the worker. The download happens on this side. */
  load(source: ModelSource, options?: SourceOptions): Promise<WorkerModel>;
  /** Ends the worker with all its models; what is under way fails with the code `worker`. */
  terminate(): void;
}

/** A call without the number it is told apart by. */
type Request = Call extends infer Each ? (Each extends Call ? Omit<Each, "id"> : never) : never;

class Connection implements BantamWorker {
  private readonly waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: BantamError) => void }>();
  private calls = 0;
  private models = 0;
  private ended: string | undefined;

  constructor(
    readonly tools: Tools,
    private readonly platform: Platform,
    private readonly port: WorkerPort,
  ) {
    port.listen(
      (message) => {
        const reply = message as Reply;
        const { resolve, reject } = this.waiting.get(reply.id) ?? {};
        this.waiting.delete(reply.id);
        port.busy(this.waiting.size > 0);
        const { failure } = reply;
        if (failure === undefined) {
          resolve?.(reply);
        } else {
          reject?.(new this.tools.BantamError(failure.code, failure.message, { rule: failure.rule }));
        }
      },
      (reason) => this.end(`the worker failed: ${reason}`),
    );
  }

  async load(source: ModelSource, options: SourceOptions = {}): Promise<WorkerModel> {
    const file = (await this.tools.readSource(this.platform, source, options)).slice();
    const model = this.models++;
    const reply = await this.call({ method: "load", model, file }, [file.buffer as ArrayBuffer]);
    return new WorkerModel(this, model, reply.value as ModelInfo);
  }

  terminate(): void {
    this.end("the worker was terminated");
  }

  call(request: Request, transfer: Transferable[] = []): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.ended !== undefined) {
        reject(new this.tools.BantamError("worker", this.ended));
        return;
      }
      const id = this.calls++;
      this.waiting.set(id, { resolve, reject });
      this.port.busy(true);
      this.port.post({ ...request, id }, transfer);
    });
  }

  private end(reason: string): void {
    this.ended ??= reason;
    this.port.terminate();
    for (const { reject } of this.waiting.values()) {
      reject(new this.tools.BantamError("worker", reason));
    }
    this.waiting.clear();
  }
}

/** A model in a worker: as {@link Model}, with promises. Arrays are copied, results move over without a copy. */
export class WorkerModel {
  readonly inputs: readonly InputInfo[];
  readonly outputs: readonly OutputInfo[];
  readonly labels: readonly string[];
  readonly card: Readonly<Record<string, unknown>>;
  /** As of the last answer. */
  stats: Stats;

  /** @internal */
  constructor(
    private readonly connection: Connection,
    private readonly model: number,
    info: ModelInfo,
  ) {
    ({ inputs: this.inputs, outputs: this.outputs, labels: this.labels, card: this.card, stats: this.stats } = info);
  }

  /** As {@link Model.run}. */
  run(input: Inputs): Promise<Float32Array> {
    return this.ask({ method: "run", model: this.model, input });
  }

  /** As {@link Model.runAll}. */
  runAll(input: Inputs): Promise<Record<string, TensorArray>> {
    return this.ask({ method: "runAll", model: this.model, input });
  }

  /** As {@link Model.prepare}. */
  prepare(source: ImageSource | Fields): Promise<TensorArray> {
    return this.askAbout("prepare", source);
  }

  /** As {@link Model.classify}. Pixels are read on this side and move over without a copy where they are ours. */
  classify(source: ImageSource | Fields): Promise<Classification> {
    return this.askAbout("classify", source);
  }

  /** As {@link Model.reset}. */
  reset(): Promise<void> {
    return this.ask({ method: "reset", model: this.model });
  }

  /** As {@link Model.free}. */
  async free(): Promise<void> {
    await this.ask({ method: "free", model: this.model });
  }

  private async askAbout<T>(method: "prepare" | "classify", source: ImageSource | Fields): Promise<T> {
    const { isImage, pixelsOf } = this.connection.tools;
    if (!isImage(source)) {
      return this.ask({ method, model: this.model, source });
    }
    const { data, width, height } = pixelsOf(source);
    const own = "data" in source ? data.slice() : data;
    return this.ask({ method, model: this.model, source: { data: own, width, height } }, [own.buffer as ArrayBuffer]);
  }

  private async ask<T>(request: Request, transfer?: Transferable[]): Promise<T> {
    const reply = await this.connection.call(request, transfer);
    this.stats = reply.stats ?? this.stats;
    return reply.value as T;
  }
}

/** @internal Starts a worker and sends it the compiled module. */
export async function connect(tools: Tools, platform: Platform, runtime: Runtime, url?: string | URL): Promise<BantamWorker> {
  let port: WorkerPort;
  try {
    port = platform.startWorker(url);
  } catch (cause) {
    throw new tools.BantamError("worker", `cannot start the worker: ${String(cause)}`, { cause });
  }
  const connection = new Connection(tools, platform, port);
  await connection.call({ method: "start", build: runtime.build, module: runtime.module });
  return connection;
}
