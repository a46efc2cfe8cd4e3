"""Writes what ONNX Runtime computes for a quantised model on seeded inputs, layer by layer.

    python onnxruntime_goldens.py MODEL.onnx GOLDEN.json

The model is optimised as stated in the golden, so that operators between DequantizeLinear and QuantizeLinear become
integer ones; every intermediate result of the optimised graph is then recorded: 8-bit ones as the first eight digits of
the SHA-256 of their bytes, channels last, the last of them also in full. Additions are the one exception: ONNX Runtime's
integer kernel rounds differently with and without fused multiply-add, so the golden takes them as the standard defines
them, between conversions, and records the last integers with its own kernel beside it (`fused_logits`). Inputs are noise over the range of the model's
first QuantizeLinear, from the generator in `noise`, which tests make again.
"""

import hashlib
import json
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

ROWS = 100
SEED = 1
LEVEL = "ORT_ENABLE_EXTENDED"
# Without it, ONNX Runtime rewrites signed activations as unsigned ones on x86-64, and where one of them has two readers
# leaves the operators around it in floating point; and its products of unsigned and signed bytes saturate at 16 bits on
# machines without VNNI.
CONFIG = {"session.qdqisint8allowed": "1"}


def noise(count: int, low: np.float32, high: np.float32) -> np.ndarray:
    """SplitMix64; the 24 highest bits of each number as a share of the range."""
    mask = (1 << 64) - 1
    state = SEED ^ 0x9E3779B97F4A7C15
    units = np.empty(count, np.float32)
    for index in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
        units[index] = np.float32(((mixed ^ (mixed >> 31)) >> 40) / (1 << 24))
    return low + units * (high - low)


def options(level: str) -> ort.SessionOptions:
    made = ort.SessionOptions()
    made.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    made.intra_op_num_threads = 1
    made.log_severity_level = 3
    for key, value in CONFIG.items():
        made.add_session_config_entry(key, value)
    return made


def optimised(path: pathlib.Path) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as folder:
        made = options(LEVEL)
        made.optimized_model_filepath = f"{folder}/optimised.onnx"
        ort.InferenceSession(str(path), made, providers=["CPUExecutionProvider"])
        return onnx.load(made.optimized_model_filepath)


def unfused(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with additions of integers written as additions between conversions."""
    nodes = []
    for node in model.graph.node:
        if node.op_type != "QLinearAdd":
            nodes.append(node)
            continue
        left, right = f"{node.name}/left", f"{node.name}/right"
        total = f"{node.name}/total"
        nodes.append(helper.make_node("DequantizeLinear", node.input[0:3], [left]))
        nodes.append(helper.make_node("DequantizeLinear", node.input[3:6], [right]))
        nodes.append(helper.make_node("Add", [left, right], [total]))
        nodes.append(helper.make_node("QuantizeLinear", [total, *node.input[6:8]], node.output, name=node.name))
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    return made


def traced(model: onnx.ModelProto) -> ort.InferenceSession:
    """Runs the model as it is, with every intermediate result as an output."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    result = made.graph.output[0].name
    for node in made.graph.node:
        for name in node.output:
            if name != result:
                made.graph.output.append(helper.make_empty_tensor_value_info(name))
    return ort.InferenceSession(made.SerializeToString(), options("ORT_DISABLE_ALL"), providers=["CPUExecutionProvider"])


def main(path: pathlib.Path, golden: pathlib.Path) -> None:
    model = optimised(path)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    result = model.graph.output[0].name
    session, fused = traced(unfused(model)), traced(model)
    whole = ort.InferenceSession(str(path), options(LEVEL), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    port = session.get_inputs()[0]

    first = next(node for node in model.graph.node if node.op_type == "QuantizeLinear")
    scale, zero_point = constants[first.input[1]], int(constants[first.input[2]])
    low = np.float32(scale * (-128 - zero_point))
    high = np.float32(scale * (127 - zero_point))
    inputs = noise(ROWS * int(np.prod(port.shape)), low, high).reshape(ROWS, *port.shape)

    layers: dict[str, dict] = {}
    logits, fused_logits, probabilities = [], [], []
    for row in inputs:
        values = dict(zip(names, session.run(None, {port.name: row})))
        beside = dict(zip((output.name for output in fused.get_outputs()), fused.run(None, {port.name: row})))
        assert np.array_equal(beside[result], whole.run(None, {port.name: row})[0])
        last = None
        for node in model.graph.node:
            value = values[node.output[0]]
            moves = node.op_type in ("Reshape", "Transpose", "QuantizeLinear")
            if value.dtype != np.int8 or moves:
                continue
            last = node.output[0]
            if value.ndim == 4:
                value = np.ascontiguousarray(value.transpose(0, 2, 3, 1))
            digest = hashlib.sha256(value.tobytes()).hexdigest()[:8]
            layer = {"node": node.name, "operator": node.op_type, "sha256": []}
            layers.setdefault(node.name, layer)["sha256"].append(digest)
        logits.append(values[last].flatten().tolist())
        fused_logits.append(beside[last].flatten().tolist())
        probabilities.append([round(float(share), 7) for share in values[result].flatten()])

    golden.write_text(
        json.dumps(
            {
                "onnxruntime": ort.__version__,
                "graph_optimization_level": LEVEL,
                "session_config": CONFIG,
                "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                "seed": SEED,
                "rows": ROWS,
                "low": float(low),
                "high": float(high),
                "layers": list(layers.values()),
                "logits": logits,
                "fused_logits": fused_logits,
                "probabilities": probabilities,
            },
            separators=(",", ":"),
        )
        + "\n"
    )


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
