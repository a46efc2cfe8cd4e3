"""Runs what `bantam shrink --emit-onnx` wrote in ONNX Runtime, beside the artifact.

    python exported_onnx.py MODEL.onnx DATA.npz OUTPUTS.npy [ROWS]

OUTPUTS.npy is what `bantam run MODEL.bantam --input DATA.npz --raw -o OUTPUTS.npy` wrote: the artifact's outputs as integers. Signed
activations stay signed, so that ONNX Runtime's integer kernels see what the artifact's see. Printed is how many integers of
the output are the same, how far others are apart, and on how many rows the class is; the exit code is 1 where the class of more than
one row in a hundred differs, or an integer by more than its share of one step per operator that ONNX Runtime does not
compute exactly.
"""

import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

# One step of the output for each of these between the input and the output: ONNX Runtime's own instruction sets disagree there.
INEXACT = ("Add", "Sub", "Mul", "AveragePool", "GlobalAveragePool", "ReduceMean", "Softmax", "Sigmoid", "Tanh", "LeakyRelu")


def session(path: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def main(model: str, data: str, outputs: str, limit: int) -> int:
    graph = onnx.load(model).graph
    onnx.checker.check_model(onnx.load(model))
    made = session(model)
    port = made.get_inputs()[0]
    arrays = np.load(data)
    rows = arrays[port.name] if port.name in arrays else arrays["x"]
    if rows.ndim == 4 and list(rows.shape[1:]) != list(port.shape[1:]):
        rows = rows.transpose(0, 3, 1, 2)
    rows = rows[:limit].astype(np.float32)
    expected = np.load(outputs)[: len(rows)].reshape(len(rows), -1)

    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    last = [node for node in graph.node if node.op_type == "QuantizeLinear"][-1]
    scale, zero_point = constants[last.input[1]], int(constants[last.input[2]])
    found = np.stack([made.run(None, {port.name: row[None]})[0].reshape(-1) for row in rows])
    integers = np.rint(found / scale).astype(np.int32) + zero_point

    steps = sum(node.op_type in INEXACT for node in graph.node)
    apart = np.abs(integers - expected.astype(np.int32))
    agree = float(np.mean(integers.argmax(1) == expected.argmax(1)))
    print(f"{len(rows)} rows, {expected.size} integers: {np.count_nonzero(apart)} differ, by {int(apart.max())} at most")
    print(f"the same class on {agree:.2%} of the rows; {steps} operators are not exact in ONNX Runtime {ort.__version__}")
    return 0 if agree >= 0.99 and (steps > 0 or apart.max() == 0) else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4], int(sys.argv[4]) if len(sys.argv) > 4 else 1000))
