"use client";

import { createWorker, load } from "bantam-wasm";
import { useEffect, useState } from "react";

import { picture } from "../../pixels.js";

export default function Answer() {
  const [answer, setAnswer] = useState("loading");
  useEffect(() => {
    async function classify() {
      const model = await load("/digits.bantam");
      const worker = await createWorker();
      const far = await worker.load("/digits.bantam");
      const answers = [model.classify(picture), await far.classify(picture)];
      worker.terminate();
      document.body.dataset.result = answers.map(({ label }) => label).join();
      setAnswer(document.body.dataset.result);
    }
    classify().catch((error) => (document.body.dataset.result = String(error)));
  }, []);
  return <p id="client">{answer}</p>;
}
