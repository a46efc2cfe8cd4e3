import type { Call, Reply } from "./messages.js";
import { answer } from "./worker.js";

/** The part of a worker's scope that is used; the types of pages and of workers cannot be had together. */
interface Scope {
  onmessage: ((event: MessageEvent<Call>) => void) | null;
  postMessage(reply: Reply, transfer: Transferable[]): void;
}

const scope = self as unknown as Scope;
scope.onmessage = async (event: MessageEvent<Call>) => {
  const [reply, transfer] = await answer(event.data);
  scope.postMessage(reply, transfer);
};
