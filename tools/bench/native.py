"""Times models on bantam and on its peers, one thread each, alternating: every round takes one sample of each engine.

    python native.py --bantam BANTAM --work FOLDER [--tract PROGRAM] [--rounds N] [--json] MODEL...

A MODEL is NAME:DTYPE:FILE.onnx[:FILE.tflite]. A sample is a batch of runs of at least 10 ms. Ratios are medians of
bantam's time over the peer's in the same round; only they carry over to another machine.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

SAMPLE_SECONDS = 0.01


def batch_of(run):
    """How many runs make up a sample."""
    count = 1
    while True:
        start = time.perf_counter()
        for _ in range(count):
            run()
        spent = time.perf_counter() - start
        if spent >= SAMPLE_SECONDS:
            return count
        count = max(count + 1, min(20 * count, int(count * SAMPLE_SECONDS * 1.2 / max(spent, 1e-6))))


class InProcess:
    """A peer that is called from here. `load` reads a model's file and gives what runs it."""

    def __init__(self, version, load):
        self.version = version
        load()  # Its libraries are in memory from here on.
        start = time.perf_counter()
        self.run = load()
        self.ready_ms = (time.perf_counter() - start) * 1e3
        self.count = batch_of(self.run)

    def sample(self):
        start = time.perf_counter()
        for _ in range(self.count):
            self.run()
        return (time.perf_counter() - start) * 1e3 / self.count


class Command:
    """An engine that is a program which takes a sample and prints it as JSON."""

    def __init__(self, command):
        self.command = command
        first = self.call()
        self.version, self.ready_ms = first["version"], first.get("ready_ms")

    def call(self):
        return json.loads(subprocess.run(self.command, check=True, capture_output=True, text=True).stdout)

    def sample(self):
        return self.call()["median_ms"]


def random_input(shape, dtype):
    random = np.random.default_rng(0)
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        return random.integers(limits.min, limits.max + 1, shape).astype(dtype)
    return random.normal(0, 1, shape).astype(dtype)


def onnx_runtime(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": np.float32, "tensor(int8)": np.int8, "tensor(uint8)": np.uint8}
    shape = lambda port: [size if isinstance(size, int) else 1 for size in port.shape]
    # Bound once, so that nothing is copied or allocated while time is taken.
    binding = session.io_binding()
    for port in session.get_inputs():
        binding.bind_cpu_input(port.name, random_input(shape(port), kinds[port.type]))
    for port in session.get_outputs():
        binding.bind_output(port.name, "cpu")
    return lambda: session.run_with_iobinding(binding)


def litert(path):
    interpreter = Interpreter(model_path=path, num_threads=1)
    interpreter.allocate_tensors()
    for port in interpreter.get_input_details():
        interpreter.set_tensor(port["index"], random_input(port["shape"], port["dtype"]))
    return interpreter.invoke


def engines(arguments, dtype, onnx, tflite):
    artifact = Path(arguments.work) / (Path(onnx).stem + ".bantam")
    shrink = [arguments.bantam, "shrink", onnx, "-o", str(artifact)]
    if dtype == "float32":
        shrink.append("--float")
    subprocess.run(shrink, check=True, capture_output=True)
    found = {"bantam": Command([arguments.bantam, "bench", str(artifact), "--samples", "1", "--json"])}
    found["onnxruntime"] = InProcess(onnxruntime.__version__, lambda: onnx_runtime(onnx))
    if tflite:
        found["litert"] = InProcess(importlib.metadata.version("ai-edge-litert"), lambda: litert(tflite))
    if arguments.tract:
        found["tract"] = Command([arguments.tract, onnx])
    return found


def machine():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    vectors = [name for name in ("avx2", "fma", "avx_vnni", "avx512f", "avx512_vnni") if name in flags]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, {' '.join(vectors)}, {platform.platform()}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+")
    parser.add_argument("--bantam", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--tract")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    say = (lambda text: print(text, file=sys.stderr)) if arguments.json else print
    say(f"machine: {machine()}; medians of {arguments.rounds} alternating samples (tenth to ninetieth percentile)")
    rows = []
    for text in arguments.models:
        name, dtype, onnx, tflite, *_ = (text + ":").split(":")
        found = engines(arguments, dtype, onnx, tflite)
        samples = {engine: [] for engine in found}
        for _ in range(arguments.rounds):
            for engine, one in found.items():
                samples[engine].append(one.sample())
        ours = np.array(samples["bantam"])
        say(f"\n{name} {dtype}")
        for engine, taken in samples.items():
            p10, median, p90 = np.percentile(taken, [10, 50, 90])
            ratio = np.median(ours / np.array(taken))
            version, ready = found[engine].version, found[engine].ready_ms
            ready = "" if ready is None else f"  ready in {ready:.2f} ms"
            say(f"  {engine:12} {version:8} {median:9.4f} ms ({p10:.4f} to {p90:.4f})  bantam / it {ratio:.2f}" + ready)
            rows.append({
                "model": name, "dtype": dtype, "engine": engine, "version": version,
                "median_ms": median, "p10_ms": p10, "p90_ms": p90, "ratio": ratio, "ready_ms": found[engine].ready_ms,
            })
    if arguments.json:
        print(json.dumps({"machine": machine(), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
