import { parentPort } from "node:worker_threads";

import type { Call } from "./messages.js";
import { answer } from "./worker.js";

parentPort?.on("message", async (call: Call) => {
  const [reply, transfer] = await answer(call);
  parentPort?.postMessage(reply, transfer as never);
});
