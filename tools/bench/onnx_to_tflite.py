"""Writes ONNX networks as .tflite files, so that LiteRT runs the same layers, weights and scales as the other engines.

    python onnx_to_tflite.py NETWORK.onnx NETWORK.tflite [NETWORK.onnx NETWORK.tflite ...]

Takes the operators that the networks of `cargo xtask bench` are made of, in floats or between QuantizeLinear and
DequantizeLinear with weights per channel, and refuses any other by name. Each file is run once beside its source, and
only kept where both answer alike. Files that are there are kept.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from onnx import numpy_helper, shape_inference

sys.path.append(str(Path(__file__).resolve().parents[1] / "oracle" / "tflite"))
from model import Model  # noqa: E402

SAME, VALID = 0, 1
ACTIVATIONS = {None: 0, "Relu": 1, "Clip": 3}
# What the two may differ by: floats sum in another order, and each 8-bit layer of LiteRT rounds once more.
FLOAT_TOLERANCE, STEPS = 1e-3, 2.0


class Conversion:
    """One network on its way. Values of rank 4 change from channels first to channels last."""

    def __init__(self, source):
        graph = shape_inference.infer_shapes(source).graph
        self.graph, self.model = graph, Model()
        self.constants = {it.name: numpy_helper.to_array(it) for it in graph.initializer}
        values = [*graph.value_info, *graph.input, *graph.output]
        self.shapes = {it.name: [size.dim_value for size in it.type.tensor_type.shape.dim] for it in values}
        self.uses = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self.uses[name].append(node)
        # Of each value the name under which it is known, its scale and zero point, and its tensor.
        self.known_as, self.quantization, self.tensors = {}, {}, {}
        self.weights = {}
        self.fused = set()

    def convert(self):
        for node in self.graph.node:
            if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                self.quantize(node)
        [given], [wanted] = self.graph.input, self.graph.output
        shape = self.shapes[given.name]
        # What is reshaped first is no image yet.
        raw = any(node.op_type == "Reshape" for node in self.uses[given.name])
        self.model.inputs = [self.tensor(given.name, shape if raw else self.layout(shape))]
        for node in self.graph.node:
            if node.output[0] not in self.fused and node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
                getattr(self, node.op_type.lower(), self.refuse)(node)
        self.model.outputs = [self.tensors[self.name(wanted.name)]]
        return self.model.write()

    def refuse(self, node):
        raise SystemExit(f"{self.graph.name}: no counterpart of {node.op_type} ({node.name})")

    def quantize(self, node):
        """What lies between the two is one 8-bit tensor under the name of what was quantised, or weights."""
        source, target = node.input[0], node.output[0]
        scale, zero = (self.constants[name] for name in node.input[1:3])
        if source in self.constants:
            if np.any(zero):
                self.refuse(node)
            self.weights[target] = (self.constants[source], scale)
            return
        source = self.name(source)
        self.known_as[target] = source
        # Unsigned bytes lie 128 higher.
        self.quantization[source] = (float(scale), int(zero) - (128 if zero.dtype == np.uint8 else 0))

    def name(self, value):
        return self.known_as.get(value, value)

    @staticmethod
    def layout(shape):
        return [shape[0], *shape[2:], shape[1]] if len(shape) == 4 else shape

    def tensor(self, name, shape):
        """The tensor that holds a value from here on."""
        quantization = self.quantization.get(name)
        self.tensors[name] = self.model.tensor(shape, *(("i8", *quantization) if quantization else ("f32",)))
        return self.tensors[name]

    def emit(self, operator, node, constants=(), options=None, inputs=1, **fields):
        """An operator with the node's first inputs, and its output as the activation behind it leaves it."""
        output = node.output[0]
        if "fusedActivationFunction" in fields:
            following = self.uses[output]
            activation = following[0] if len(following) == 1 and following[0].op_type in ("Relu", "Clip") else None
            if activation is not None:
                if activation.op_type == "Clip" and [float(self.constants[it]) for it in activation.input[1:]] != [0, 6]:
                    self.refuse(activation)
                output = activation.output[0]
                self.fused.add(output)
            fields["fusedActivationFunction"] = ACTIVATIONS[activation and activation.op_type]
        operands = [self.tensors[self.name(it)] for it in node.input[:inputs]]
        output = self.name(output)
        result = self.tensor(output, self.layout(self.shapes[output]))
        self.model.operator(operator, [*operands, *constants], [result], options, **fields)

    def parameters(self, node, arrange, axis):
        """Weights as `arrange` turns them, with the channels of the outputs along `axis`, and biases."""
        weights, biases = node.input[1:3]
        if weights in self.constants:
            return [self.model.constant(arrange(self.constants[weights]), "f32"), self.model.constant(self.constants[biases], "f32")]
        values, scale = self.weights[weights]
        sums, sum_scale = self.weights[biases]
        return [self.model.constant(arrange(values), "i8", scale, 0, axis), self.model.constant(sums, "i32", sum_scale)]

    def conv(self, node):
        attributes = {it.name: onnx.helper.get_attribute_value(it) for it in node.attribute}
        stride_height, stride_width = attributes.get("strides", [1, 1])
        groups, kernel = attributes.get("group", 1), attributes["kernel_shape"]
        _, channels, *sizes = self.shapes[self.name(node.input[0])]
        pads = attributes.get("pads", [0] * 4)
        totals = [max((-(-size // stride) - 1) * stride + taps - size, 0)
                  for size, stride, taps in zip(sizes, (stride_height, stride_width), kernel)]
        same = [total // 2 for total in totals] + [total - total // 2 for total in totals]
        if pads != same and any(pads) or groups not in (1, channels) or any(it != 1 for it in attributes.get("dilations", [])):
            self.refuse(node)
        fields = {"padding": SAME if pads == same else VALID, "strideH": stride_height, "strideW": stride_width,
                  "fusedActivationFunction": 0}
        if groups == 1:
            parameters = self.parameters(node, lambda it: it.transpose(0, 2, 3, 1), 0)
            self.emit("CONV_2D", node, parameters, "Conv2DOptions", **fields)
        else:
            parameters = self.parameters(node, lambda it: it.transpose(1, 2, 3, 0), 3)
            self.emit("DEPTHWISE_CONV_2D", node, parameters, "DepthwiseConv2DOptions", depthMultiplier=1, **fields)

    def gemm(self, node):
        transposed = any(it.name == "transB" and it.i for it in node.attribute)
        parameters = self.parameters(node, lambda it: it if transposed else it.T, 0)
        self.emit("FULLY_CONNECTED", node, parameters, "FullyConnectedOptions", fusedActivationFunction=0)

    def add(self, node):
        self.emit("ADD", node, (), "AddOptions", inputs=2, fusedActivationFunction=0)

    def globalaveragepool(self, node):
        self.emit("MEAN", node, [self.model.constant([1, 2])], "ReducerOptions", keepDims=True)

    def averagepool(self, node):
        attributes = {it.name: onnx.helper.get_attribute_value(it) for it in node.attribute}
        if any(attributes.get("pads", [])):
            self.refuse(node)
        (height, width), (down, right) = attributes["kernel_shape"], attributes["strides"]
        self.emit("AVERAGE_POOL_2D", node, (), "Pool2DOptions", padding=VALID, filterHeight=height, filterWidth=width,
                  strideH=down, strideW=right, fusedActivationFunction=0)

    def reshape(self, node):
        """Only where the layout makes no difference."""
        for _, channels, *sizes in (it for it in (self.shapes[self.name(node.input[0])], self.shapes[node.output[0]]) if len(it) == 4):
            if channels != 1 and sizes != [1, 1] and node.input[0] != self.graph.input[0].name:
                self.refuse(node)
        shape = self.layout(self.shapes[node.output[0]])
        self.emit("RESHAPE", node, [self.model.constant(shape)], "ReshapeOptions", newShape=shape)

    flatten = reshape

    def softmax(self, node):
        output = self.name(node.output[0])
        if output in self.quantization:
            # The only ones that TensorFlow Lite has.
            self.quantization[output] = (1 / 256, -128)
        self.emit("SOFTMAX", node, (), "SoftmaxOptions", beta=1.0)


def answer_alike(source, file):
    """Whether LiteRT gives for a seeded input what onnxruntime gives, and by how much they differ."""
    session = onnxruntime.InferenceSession(source.SerializeToString(), providers=["CPUExecutionProvider"])
    [port] = session.get_inputs()
    values = np.random.default_rng(5).normal(0, 1, [size if isinstance(size, int) else 1 for size in port.shape]).astype(np.float32)
    [expected] = session.run(None, {port.name: values})
    interpreter = Interpreter(model_content=file)
    interpreter.allocate_tensors()
    [given], [wanted] = interpreter.get_input_details(), interpreter.get_output_details()
    if values.ndim == 4 and list(values.shape) != list(given["shape"]):
        values = values.transpose(0, 2, 3, 1)
    scale, zero = given["quantization"]
    if given["dtype"] == np.int8:
        values = np.clip(np.rint(values / np.float32(scale)) + zero, -128, 127).astype(np.int8)
    interpreter.set_tensor(given["index"], values)
    interpreter.invoke()
    got = interpreter.get_tensor(wanted["index"]).astype(np.float64)
    scale, zero = wanted["quantization"]
    if wanted["dtype"] == np.int8:
        difference = np.abs(got - np.rint(expected / scale) - zero).mean()
        return difference <= STEPS, f"{difference:.2f} steps of 8 bits apart"
    difference = np.abs(got - expected).max() / np.abs(expected).max()
    return difference <= FLOAT_TOLERANCE, f"{difference:.1e} apart"


def main(paths):
    for source, target in zip(paths[::2], paths[1::2], strict=True):
        if target.exists():
            continue
        network = onnx.load(source)
        file = Conversion(network).convert()
        alike, difference = answer_alike(network, file)
        print(f"{target.name}: LiteRT and onnxruntime are {difference}", file=sys.stderr)
        if not alike:
            raise SystemExit(f"{target.name} would be another network than {source.name}")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file)


if __name__ == "__main__":
    main([Path(it) for it in sys.argv[1:]])
