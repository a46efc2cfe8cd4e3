"""Writes networks that are too large for the repository, with seeded random weights, for measuring speed only.

    python models.py FOLDER

For each network FOLDER/NAME-float32.onnx and FOLDER/NAME-int8.onnx, quantised statically by onnxruntime (operators
between QuantizeLinear and DequantizeLinear, weights per channel). Files that are there are kept.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

OPSET = 17


class Network:
    """Builds a network layer by layer; `shape` is that of the last value, channels first."""

    def __init__(self, name, shape, seed):
        self.name, self.shape, self.input_shape = name, list(shape), [1, *shape]
        self.random = np.random.default_rng(seed)
        self.nodes, self.initializers, self.value = [], [], "input"

    def constant(self, name, values):
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, op, inputs, **attributes):
        name = f"{op.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name + ".out"], name=name, **attributes))
        self.value = name + ".out"
        return self.value

    def weights(self, shape, fan_in):
        index = len(self.initializers)
        weights = self.random.normal(0, np.sqrt(2 / fan_in), shape).astype(np.float32)
        bias = self.random.normal(0, 0.1, shape[0]).astype(np.float32)
        return self.constant(f"w{index}", weights), self.constant(f"b{index}", bias)

    def convolution(self, channels, kernel=1, stride=1, depthwise=False, activation=True):
        inputs, height, width = self.shape
        groups = inputs if depthwise else 1
        channels = inputs if depthwise else channels
        # As SAME padding: the surplus goes behind.
        total = [max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in (height, width)]
        pads = [total[0] // 2, total[1] // 2, total[0] - total[0] // 2, total[1] - total[1] // 2]
        taps = kernel * kernel * inputs // groups
        weights = self.weights([channels, inputs // groups, kernel, kernel], taps)
        attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": pads, "group": groups}
        self.node("Conv", [self.value, *weights], **attributes)
        self.shape = [channels, -(-height // stride), -(-width // stride)]
        if activation:
            low, high = self.constant(f"low{len(self.nodes)}", np.float32(0)), None
            high = self.constant(f"high{len(self.nodes)}", np.float32(6))
            self.node("Clip", [self.value, low, high])

    def dense(self, outputs, activation=None):
        weights = self.weights([outputs, self.shape[0]], self.shape[0])
        self.node("Gemm", [self.value, *weights], transB=1)
        self.shape = [outputs]
        if activation:
            self.node(activation, [self.value])

    def pool(self):
        self.node("GlobalAveragePool", [self.value])
        self.node("Flatten", [self.value])
        self.shape = self.shape[:1]

    def model(self):
        value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        graph = helper.make_graph(
            self.nodes, self.name, [value("input", self.input_shape)], [value(self.value, [1, *self.shape])],
            self.initializers,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model


def mobilenet_v1():
    """MobileNetV1 0.25 on 96 x 96 x 3 with two classes (Howard and others, 2017): the person detector of MLPerf Tiny."""
    network = Network("mobilenet-v1-025-96", [3, 96, 96], 1)
    network.convolution(8, 3, 2)
    for channels, stride in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)] + [(128, 1)] * 5 + [(256, 2), (256, 1)]:
        network.convolution(0, 3, stride, depthwise=True)
        network.convolution(channels)
    network.pool()
    network.dense(2)
    network.node("Softmax", [network.value], axis=1)
    return network


def mobilenet_v2():
    """MobileNetV2 1.0 on 224 x 224 x 3 with a thousand classes (Sandler and others, 2018)."""
    network = Network("mobilenet-v2-100-224", [3, 224, 224], 2)
    network.convolution(32, 3, 2)
    stages = [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]
    for expansion, channels, repeats, first_stride in stages:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            start, inputs = network.value, network.shape[0]
            if expansion > 1:
                network.convolution(inputs * expansion)
            network.convolution(0, 3, stride, depthwise=True)
            network.convolution(channels, activation=False)
            if stride == 1 and inputs == channels:
                network.node("Add", [network.value, start])
    network.convolution(1280)
    network.pool()
    network.dense(1000)
    network.node("Softmax", [network.value], axis=1)
    return network


def autoencoder():
    """The anomaly detector of MLPerf Tiny: dense layers 640 - 128 x 4 - 8 - 128 x 4 - 640."""
    network = Network("autoencoder", [640], 3)
    for outputs in [128] * 4 + [8] + [128] * 4:
        network.dense(outputs, "Relu")
    network.dense(640)
    return network


class Samples(CalibrationDataReader):
    """Eight inputs of normal noise."""

    def __init__(self, shape):
        random = np.random.default_rng(4)
        self.left = [{"input": random.normal(0, 1, shape).astype(np.float32)} for _ in range(8)]

    def get_next(self):
        return self.left.pop() if self.left else None


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for network in (mobilenet_v1(), mobilenet_v2(), autoencoder()):
        plain, quantised = (folder / f"{network.name}-{dtype}.onnx" for dtype in ("float32", "int8"))
        if plain.exists() and quantised.exists():
            continue
        plain.write_bytes(network.model().SerializeToString(deterministic=True))
        with tempfile.TemporaryDirectory() as temporary:
            # Named as it is known when it is whole.
            target = Path(temporary) / quantised.name
            quantize_static(
                plain, target, Samples(network.input_shape), quant_format=QuantFormat.QDQ, per_channel=True,
                activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
            )
            quantised.write_bytes(target.read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
