"""Networks that nothing here was made for: their weights are random, their scales fitted so that activations spread."""

import numpy as np

import engine
from case import SAME, VALID, extent
from model import Model

CALIBRATION_RUNS = 2
# Standard deviation of activations, in integers.
SPREAD = 42.0


class Network:
    """A model in the making: each layer's output scale is chosen after the layers before it have run."""

    def __init__(self, shape, seed, scale=0.02, zero=0):
        self.model, self.rng = Model(), np.random.default_rng(seed)
        self.model.input(shape, "i8", scale, zero)
        self.values = {self.model.inputs[0]: (shape, scale, zero)}
        self.last = self.model.inputs[0]
        self.further = []

    def emit(self, name, operands, shape, scale, zero, options=None, **fields):
        """Adds an operator with one 8-bit result, which becomes the last value."""
        out = self.model.tensor(shape, "i8", scale, zero)
        self.model.operator(name, operands, [out], options, **fields)
        self.values[out], self.last = (shape, scale, zero), out
        return out

    def fit(self, guess, zero, rectified):
        """The scale that spreads the last value: what it gives with a guess tells what it ought to be."""
        tensor = self.model.tensors[self.last]
        scale = guess
        for _ in range(3):
            tensor.quantization.scale = [float(np.float32(scale))]
            self.model.outputs = [self.last]
            file = self.model.write(self.further)
            _, values = engine.seeded_runs(file, CALIBRATION_RUNS)
            # Of what a rectifier cuts, half is seen.
            deviation = np.sqrt(np.mean((values.astype(float) - zero) ** 2)) * (np.sqrt(2) if rectified else 1)
            saturated = np.mean((values == 127) | (values == -128) & (zero > -128))
            scale *= 4.0 if saturated > 0.2 else max(deviation, 0.25) / SPREAD
        tensor.quantization.scale = [float(np.float32(scale))]
        self.model.outputs = []
        shape, _, zero = self.values[self.last]
        self.values[self.last] = (shape, tensor.quantization.scale[0], zero)

    def layer(self, name, options, weights, channels, axis, out, taps, rectified=True, dead=(), **fields):
        """An operator with weights and bias; channels in `dead` have scales far below the others."""
        x = self.last
        _, scale, _ = self.values[x]
        scales = np.exp(self.rng.uniform(np.log(0.002), np.log(0.012), channels))
        scales[list(dead)] = scales[list(dead)] * 2.0**-31
        scales = [float(np.float32(s)) for s in scales]
        w = self.model.constant(self.rng.integers(-127, 128, weights), "i8", scales, 0, axis)
        both = [float(np.float32(np.float32(scale) * np.float32(s))) for s in scales]
        width = int(SPREAD * 60 * np.sqrt(taps))
        b = self.model.constant(self.rng.integers(-width, width, channels), "i32", both)
        zero = -128 if rectified else int(self.rng.integers(-20, 20))
        guess = SPREAD * 70 * np.sqrt(taps) * scale * float(np.mean(scales)) / SPREAD
        self.emit(name, [x, w, b], out, float(np.float32(guess)), zero, options, **fields)
        self.fit(guess, zero, rectified)

    def conv(self, channels, kernel, stride, padding=SAME, rectified=True, dead=()):
        (_, h, w, c), _, _ = self.values[self.last]
        out = [1, extent(h, kernel[0], stride, 1, padding), extent(w, kernel[1], stride, 1, padding), channels]
        self.layer("CONV_2D", "Conv2DOptions", (channels, *kernel, c), channels, 0, out, kernel[0] * kernel[1] * c, rectified,
                   dead, padding=padding, strideH=stride, strideW=stride, fusedActivationFunction=3 if rectified else 0)

    def depthwise(self, kernel, stride, dead=()):
        (_, h, w, c), _, _ = self.values[self.last]
        out = [1, extent(h, kernel[0], stride, 1, SAME), extent(w, kernel[1], stride, 1, SAME), c]
        self.layer("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", (1, *kernel, c), c, 3, out, kernel[0] * kernel[1], True, dead,
                   padding=SAME, strideH=stride, strideW=stride, depthMultiplier=1, fusedActivationFunction=3)

    def dense(self, count, rectified=True):
        (_, depth), scale, _ = self.values[self.last]
        x = self.last
        step = float(np.float32(0.006))
        w = self.model.constant(self.rng.integers(-127, 128, (count, depth)), "i8", step)
        width = int(SPREAD * 60 * np.sqrt(depth))
        both = float(np.float32(np.float32(scale) * np.float32(step)))
        b = self.model.constant(self.rng.integers(-width, width, count), "i32", both)
        zero = -128 if rectified else 7
        guess = 70 * np.sqrt(depth) * scale * step
        self.emit("FULLY_CONNECTED", [x, w, b], [1, count], float(np.float32(guess)), zero, "FullyConnectedOptions",
                  fusedActivationFunction=1 if rectified else 0)
        self.fit(guess, zero, rectified)

    def reshape(self, shape):
        _, scale, zero = self.values[self.last]
        self.emit("RESHAPE", [self.last, self.model.constant(shape)], shape, scale, zero, "ReshapeOptions", newShape=shape)

    def softmax(self):
        shape, scale, _ = self.values[self.last]
        # So steep that most outputs lie between the extremes.
        self.emit("SOFTMAX", [self.last], shape, 1 / 256, -128, "SoftmaxOptions", beta=0.02 / scale)

    def finish(self):
        self.model.outputs = [self.last]
        return self.model, self.model.write(self.further)


def mobilenet():
    """MobileNet v1 of width 0.25 on 96 x 96 images; some channels' multipliers lie at and below the smallest one."""
    network = Network([1, 96, 96, 3], 1, 1 / 255, -128)
    network.conv(8, (3, 3), 2)
    for index, (channels, stride) in enumerate([(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (128, 1),
                                                (128, 1), (128, 1), (128, 1), (256, 2), (256, 1)]):
        network.depthwise((3, 3), stride, dead=(1,) if index % 3 == 0 else ())
        network.conv(channels, (1, 1), 1, dead=(0, 5) if index % 4 == 1 else ())
    shape, scale, zero = network.values[network.last]
    network.emit("AVERAGE_POOL_2D", [network.last], [1, 1, 1, 256], scale, zero, "Pool2DOptions", padding=VALID, strideH=1,
                 strideW=1, filterHeight=3, filterWidth=3)
    network.conv(64, (1, 1), 1, rectified=False)
    network.reshape([1, 64])
    network.softmax()
    return network.finish()


def autoencoder():
    """The shape of MLPerf Tiny's detector of anomalies: dense layers from 640 numbers to 8 and back."""
    network = Network([1, 640], 2, 0.4, 90)
    for count in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        network.dense(count)
    network.dense(640, rectified=False)
    return network.finish()


def streaming():
    """Two convolutions over time that keep what they have seen in variables, and a classifier: one frame a run."""
    network = Network([1, 1, 1, 20], 3, 0.05, -11)
    first = Model()
    model = network.model
    first.buffers, first.codes = model.buffers, model.codes
    model.operator("CALL_ONCE", [], [], "CallOnceOptions", initSubgraphIndex=1)
    for name, history, channels in (("one", 4, 24), ("two", 2, 16)):
        x = network.last
        (_, _, _, features), scale, zero = network.values[x]
        fields = {"sharedName": name, "container": ""}
        handle = model.tensor([1], "resource")
        past, joined, kept = [model.tensor([1, n, 1, features], "i8", scale, zero) for n in (history, history + 1, history)]
        model.operator("VAR_HANDLE", [], [handle], "VarHandleOptions", **fields)
        model.operator("READ_VARIABLE", [handle], [past], "ReadVariableOptions")
        model.operator("CONCATENATION", [past, x], [joined], "ConcatenationOptions", axis=1)
        constants = [model.constant(v) for v in ([0, 1, 0, 0], [1, history + 1, 1, features], [1, 1, 1, 1])]
        model.operator("STRIDED_SLICE", [joined, *constants], [kept], "StridedSliceOptions")
        model.operator("ASSIGN_VARIABLE", [handle, kept], [], "AssignVariableOptions")
        handle = first.tensor([1], "resource")
        value = first.constant(np.full((1, history, 1, features), zero), "i8", scale, zero)
        first.operator("VAR_HANDLE", [], [handle], "VarHandleOptions", **fields)
        first.operator("ASSIGN_VARIABLE", [handle, value], [], "AssignVariableOptions")
        network.further = [first]
        network.values[joined], network.last = ([1, history + 1, 1, features], scale, zero), joined
        network.conv(channels, (history + 1, 1), 1, VALID)
    network.reshape([1, 16])
    network.dense(5, rectified=False)
    network.softmax()
    return network.finish()


NETWORKS = {"mobilenet": mobilenet, "autoencoder": autoencoder, "streaming": streaming}
