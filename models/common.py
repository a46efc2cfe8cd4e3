"""What the training scripts share: settings for repeatable runs, and writing and checking a model folder.

Import this before jax: it sets flags that jax reads once, at start.
"""

import hashlib
import os

# The order of float additions must not depend on the machine: one thread, whatever the number of cores; AVX2, whatever
# else the processor has; and no YNNPACK, which picks its kernels by processor.
os.environ["NPROC"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type="
os.environ["JAX_PLATFORMS"] = "cpu"

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper, shape_inference

OPSET = 17
IR_VERSION = 8


class GraphBuilder:
    """Collects nodes and initializers, and gives each node one output named after it."""

    def __init__(self):
        self.nodes = []
        self.initializers = []

    def constant(self, name, value):
        """Adds a float32 initializer and returns its name."""
        self.initializers.append(numpy_helper.from_array(np.asarray(value, np.float32, order="C"), name))
        return name

    def node(self, op, name, inputs, output=None, **attributes):
        """Adds a node and returns the name of its output."""
        output = output or name + ".out"
        self.nodes.append(helper.make_node(op, inputs, [output], name=name, **attributes))
        return output

    def model(self, name, input_name, input_shape, output_name, output_shape):
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, input_shape)],
            [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, output_shape)],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="bantam-models")
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model


def write_model(path, model):
    path.write_bytes(model.SerializeToString(deterministic=True))


def write_npz(path, **arrays):
    # Stored, not deflated: the bytes then do not depend on the zlib build. numpy writes a fixed date.
    np.savez(path, **arrays)


def write_sums(folder, names=("calibration.npz", "evaluation.npz", "model.onnx")):
    """Writes SHA256SUMS in the format of sha256sum; check with `sha256sum -c SHA256SUMS`."""
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))


def run(path, x):
    """The probabilities the ONNX file gives for x, in onnxruntime, on one thread and without graph optimisations."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x.astype(np.float32)})[0]


def assert_same(path, x, expected, limit=1e-5):
    """Fails unless the ONNX file gives what the training framework's own forward pass gave."""
    difference = float(np.abs(run(path, x) - np.asarray(expected)).max())
    assert difference < limit, f"ONNX and the training framework differ by {difference}"
    print(f"largest difference to the training framework: {difference:.1e} over {len(x)} inputs")


def cost(model):
    """(trained and constant parameters, weights of convolution and dense layers, MACs for one input)."""
    sizes = {t.name: int(np.prod(t.dims)) for t in model.graph.initializer}
    inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in (*inferred.graph.value_info, *inferred.graph.output)
    }
    weights = macs = 0
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm", "MatMul"):
            size = sizes[node.input[1]]
            # A dense layer uses each weight once; a convolution once per output position.
            positions = int(np.prod(shapes[node.output[0]][2:])) if node.op_type == "Conv" else 1
            weights += size
            macs += size * positions
    return sum(sizes.values()), weights, macs


def describe(folder, model):
    """Prints the node list, the counts and the file sizes that the card quotes."""
    for node in model.graph.node:
        print(f"  {node.op_type:<20} {node.name}")
    parameters, weights, macs = cost(model)
    print(f"parameters {parameters}, of which weights {weights}; MACs {macs}")
    for name in ("model.onnx", "calibration.npz", "evaluation.npz"):
        print(f"{name}: {(folder / name).stat().st_size} bytes")
