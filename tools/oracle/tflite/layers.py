"""Operators with weights, and pooling."""

import numpy as np

from case import ACTIVATIONS, SAME, VALID, bias, extent, quantized, result, spread, weights, zero
from model import Model

# Where the reference kernels cannot run a model as it is.
TWIN = "tflite-micro on the weights' real numbers"

# Activations, weights, bias.
NUMBERS = {
    "int8": ("i8", "i8", "i32"),
    "int4": ("i8", "i4", "i32"),
    "int16x8": ("i16", "i8", "i64"),
    "int16x8-bias32": ("i16", "i8", "i32"),
    "float": ("f32", "f32", "f32"),
}


def conv_2d(cases):
    shapes = [
        # kernel, stride, dilation, padding, activation, channels in and out, groups, bias, per channel
        ((1, 1), (1, 1), (1, 1), VALID, "none", 5, 6, 1, True, True),
        ((3, 3), (1, 1), (1, 1), SAME, "relu", 3, 4, 1, True, True),
        ((3, 2), (2, 1), (1, 1), SAME, "relu6", 2, 5, 1, True, True),
        ((2, 3), (2, 2), (1, 1), VALID, "none", 4, 3, 1, False, True),
        ((3, 3), (1, 1), (2, 2), SAME, "none", 2, 3, 1, True, False),
        ((2, 2), (1, 2), (3, 2), VALID, "relu_n1_to_1", 3, 4, 1, True, True),
        ((3, 3), (2, 2), (1, 1), SAME, "relu", 4, 6, 2, True, True),
        ((5, 4), (3, 3), (1, 1), SAME, "none", 1, 8, 1, True, False),
    ]
    for numbers, (kind, weight_kind, words) in NUMBERS.items():
        for index, (kernel, stride, dilation, padding, activation, c, o, groups, biased, per_channel) in enumerate(shapes):
            if numbers == "int4" and groups > 1:
                continue
            if numbers == "float" and activation == "relu_n1_to_1":
                activation = "relu6"

            def build(model, rng):
                size = (9, 8)
                x = quantized(rng, kind)
                i = model.input([1, *size, c], kind, *x)
                w, scales = weights(model, rng, (o, *kernel, c // groups), weight_kind, 0, per_channel)
                operands = [i, w]
                if biased:
                    channels = scales if per_channel or scales is None else np.repeat(scales, 1)
                    operands.append(bias(model, rng, o, x[0] if x else 0, channels, kind, words))
                out = [extent(size[a], kernel[a], stride[a], dilation[a], padding) for a in (0, 1)]
                taps = kernel[0] * kernel[1] * c // groups * (0.004 if weight_kind == "i4" else 1)
                y = result(model, rng, [1, *out, o], kind, kind, x[0] if x else 0, scales, taps)
                model.operator(
                    "CONV_2D", operands, [y], "Conv2DOptions", padding=padding, strideH=stride[0], strideW=stride[1],
                    dilationHFactor=dilation[0], dilationWFactor=dilation[1],
                    fusedActivationFunction=ACTIVATIONS[activation],
                )

            cases.add("CONV_2D", f"{numbers}/{index}", build)


def depthwise_conv_2d(cases):
    shapes = [
        ((3, 3), (1, 1), (1, 1), SAME, "relu", 4, 1, True, True),
        ((3, 3), (2, 2), (1, 1), SAME, "relu6", 3, 1, True, True),
        ((2, 3), (1, 1), (1, 1), VALID, "none", 3, 2, True, True),
        ((3, 3), (1, 1), (2, 2), SAME, "none", 2, 1, True, True),
        ((4, 1), (2, 2), (1, 1), VALID, "none", 1, 8, True, True),
        ((3, 2), (1, 1), (1, 1), SAME, "relu_n1_to_1", 3, 3, False, True),
        ((1, 1), (1, 1), (1, 1), VALID, "none", 5, 1, True, False),
        ((9, 8), (1, 1), (1, 1), VALID, "relu", 6, 1, True, True),
    ]
    for numbers, (kind, weight_kind, words) in NUMBERS.items():
        if numbers == "int16x8-bias32":
            continue
        for index, (kernel, stride, dilation, padding, activation, c, multiplier, biased, per_channel) in enumerate(shapes):
            if numbers == "float" and activation == "relu_n1_to_1":
                activation = "none"

            def build(model, rng):
                size, o = (9, 8), c * multiplier
                x = quantized(rng, kind)
                i = model.input([1, *size, c], kind, *x)
                w, scales = weights(model, rng, (1, *kernel, o), weight_kind, 3, per_channel)
                operands = [i, w]
                if biased:
                    operands.append(bias(model, rng, o, x[0] if x else 0, scales, kind, words))
                out = [extent(size[a], kernel[a], stride[a], dilation[a], padding) for a in (0, 1)]
                taps = kernel[0] * kernel[1] * (0.004 if weight_kind == "i4" else 1)
                y = result(model, rng, [1, *out, o], kind, kind, x[0] if x else 0, scales, taps)
                model.operator(
                    "DEPTHWISE_CONV_2D", operands, [y], "DepthwiseConv2DOptions", padding=padding, strideH=stride[0],
                    strideW=stride[1], depthMultiplier=multiplier, dilationHFactor=dilation[0],
                    dilationWFactor=dilation[1], fusedActivationFunction=ACTIVATIONS[activation],
                )

            cases.add("DEPTHWISE_CONV_2D", f"{numbers}/{index}", build)


def flushed(cases):
    """Channels whose multiplier lies at and below the smallest one, and far above one."""
    for name, exponents in {"small": (-30, -31, -32, -33, -36), "large": (-3, 0, 1, 3, 5)}.items():

        def build(model, rng):
            i = model.input([1, 4, 4, 3], "i8", 0.5, -7)
            scales = [float(np.float32(1.37 * 2.0**e)) for e in exponents]
            w = model.constant(rng.integers(-127, 128, (5, 1, 1, 3)), "i8", scales, 0, 0)
            b = model.constant(rng.integers(-(2**30), 2**30, 5) if name == "small" else rng.integers(-9, 9, 5),
                               "i32", [s * 0.5 for s in scales])
            y = model.output([1, 4, 4, 5], "i8", 0.5, 3)
            model.operator("CONV_2D", [i, w, b], [y], "Conv2DOptions", padding=VALID, strideH=1, strideW=1)

        cases.add("CONV_2D", f"int8/{name}-multipliers", build)


def transpose_conv(cases):
    shapes = [
        ((3, 3), (2, 2), SAME, 3, 4, True, "none"),
        ((2, 2), (2, 2), VALID, 2, 5, True, "none"),
        ((3, 4), (1, 2), SAME, 4, 2, False, "none"),
        ((4, 3), (3, 2), VALID, 1, 3, True, "relu"),
        ((1, 1), (1, 1), VALID, 3, 3, True, "none"),
    ]
    for numbers in ("int8", "int16x8", "float"):
        kind, weight_kind, words = NUMBERS[numbers]
        for index, (kernel, stride, padding, c, o, biased, activation) in enumerate(shapes):

            def build(model, rng):
                size = (5, 4)
                x = quantized(rng, kind)
                out = [
                    size[a] * stride[a] if padding == SAME else (size[a] - 1) * stride[a] + max(kernel[a], stride[a])
                    for a in (0, 1)
                ]
                shape = model.constant([1, *out, o])
                w, scales = weights(model, rng, (o, *kernel, c), weight_kind)
                i = model.input([1, *size, c], kind, *x)
                operands = [shape, w, i]
                if biased:
                    operands.append(bias(model, rng, o, x[0] if x else 0, scales, kind, words))
                y = result(model, rng, [1, *out, o], kind, kind, x[0] if x else 0, scales, kernel[0] * kernel[1] * c / 3)
                model.operator(
                    "TRANSPOSE_CONV", operands, [y], "TransposeConvOptions", padding=padding, strideH=stride[0],
                    strideW=stride[1], fusedActivationFunction=ACTIVATIONS[activation],
                )

            cases.add("TRANSPOSE_CONV", f"{numbers}/{index}", build)


def fully_connected(cases):
    shapes = [
        # input, units, biased, keeps its dimensions, activation, per channel, weights' zero point
        ([1, 20], 7, True, False, "none", False, 0),
        ([1, 33], 5, True, False, "relu", False, 0),
        ([1, 16], 9, False, False, "relu6", False, 0),
        ([3, 12], 4, True, False, "none", False, 0),
        ([1, 2, 3, 8], 6, True, True, "none", False, 0),
        ([1, 2, 3, 4], 5, True, False, "none", False, 0),
        ([1, 24], 8, True, False, "none", True, 0),
        ([1, 2, 10], 3, True, True, "relu_n1_to_1", True, 0),
        ([1, 20], 6, True, False, "none", False, 5),
    ]
    for numbers, (kind, weight_kind, words) in NUMBERS.items():
        for index, (shape, units, biased, keeps, activation, per_channel, zero_point) in enumerate(shapes):
            if zero_point and numbers != "int8":
                continue
            if numbers == "int4" and per_channel:
                continue
            if numbers == "float" and activation == "relu_n1_to_1":
                activation = "none"

            def build(model, rng):
                depth = shape[-1] if keeps or len(shape) == 2 else int(np.prod(shape[1:]))
                x = quantized(rng, kind)
                i = model.input(shape, kind, *x)
                w, scales = weights(model, rng, (units, depth), weight_kind, 0, per_channel, zero_point)
                operands = [i, w]
                if biased:
                    operands.append(bias(model, rng, units, x[0] if x else 0, scales, kind, words))
                out = [*shape[:-1], units] if keeps else [int(np.prod(shape)) // depth, units]
                taps = depth * (0.004 if weight_kind == "i4" else 1)
                y = result(model, rng, out, kind, kind, x[0] if x else 0, scales, taps)
                model.operator(
                    "FULLY_CONNECTED", operands, [y], "FullyConnectedOptions", keepNumDims=keeps,
                    fusedActivationFunction=ACTIVATIONS[activation],
                )

            cases.add("FULLY_CONNECTED", f"{numbers}/{index}", build)


def batch_matmul(cases):
    for numbers in ("int8", "int16", "float"):
        kind = {"int8": "i8", "int16": "i16", "float": "f32"}[numbers]
        for index, (first, second, adjoint) in enumerate(
            [([1, 4, 6], [1, 6, 3], (False, False)), ([2, 3, 5], [2, 4, 5], (False, True)),
             ([1, 2, 6, 3], [1, 2, 6, 4], (True, False))]
        ):

            def build(model, rng):
                x, z = quantized(rng, kind), quantized(rng, kind)
                a, b = model.input(first, kind, *x), model.input(second, kind, *z)
                rows = first[-1] if adjoint[0] else first[-2]
                depth = first[-2] if adjoint[0] else first[-1]
                columns = second[-2] if adjoint[1] else second[-1]
                shape = [*first[:-2], rows, columns]
                if kind == "f32":
                    y = model.output(shape, kind)
                else:
                    width = x[0] * z[0] * spread(kind) ** 2 * np.sqrt(depth)
                    step = float(np.float32(width / (45.0 if kind == "i8" else 11000.0)))
                    y = model.output(shape, kind, step, zero(rng, kind))
                model.operator("BATCH_MATMUL", [a, b], [y], "BatchMatMulOptions", adjX=adjoint[0], adjY=adjoint[1])

            cases.add("BATCH_MATMUL", f"{numbers}/{index}", build)


def pooling(cases):
    shapes = [
        ((2, 2), (2, 2), VALID, "none"),
        ((3, 3), (1, 1), SAME, "none"),
        ((3, 2), (2, 1), SAME, "relu"),
        ((7, 6), (1, 1), VALID, "none"),
        ((2, 3), (3, 2), SAME, "relu6"),
    ]
    for operator in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        for numbers, kind in (("int8", "i8"), ("int16", "i16"), ("float", "f32")):
            for index, (kernel, stride, padding, activation) in enumerate(shapes):

                def build(model, rng):
                    size, c = (7, 6), 3
                    x = quantized(rng, kind, 0.02, 0.2)
                    i = model.input([1, *size, c], kind, *x)
                    out = [extent(size[a], kernel[a], stride[a], 1, padding) for a in (0, 1)]
                    y = model.output([1, *out, c], kind, *x)
                    model.operator(
                        operator, [i], [y], "Pool2DOptions", padding=padding, strideH=stride[0], strideW=stride[1],
                        filterHeight=kernel[0], filterWidth=kernel[1], fusedActivationFunction=ACTIVATIONS[activation],
                    )

                cases.add(operator, f"{numbers}/{index}", build)


def svdf(cases):
    for numbers in ("int8", "int8-state16", "float"):
        for index, (features, units, rank, memory, activation) in enumerate(
            [(6, 4, 1, 5, "none"), (5, 3, 2, 7, "relu"), (4, 6, 1, 3, "none")]
        ):

            def build(model, rng):
                filters = units * rank
                if numbers == "float":
                    i = model.input([1, features], "f32")
                    f = model.constant(rng.normal(0, 0.4, (filters, features)), "f32")
                    t = model.constant(rng.normal(0, 0.4, (filters, memory)), "f32")
                    b = model.constant(rng.normal(0, 0.2, units), "f32")
                    s = model.tensor([1, memory * filters], "f32", variable=True)
                    y = model.output([1, units], "f32")
                else:
                    words, edge = ("i16", 8000) if numbers == "int8-state16" else ("i8", 127)
                    i = model.input([1, features], "i8", 0.03, zero(rng, "i8"))
                    f = model.constant(rng.integers(-127, 128, (filters, features)), "i8", 0.01)
                    time, state = (0.0005, 0.0008) if words == "i16" else (0.01, 0.05)
                    t = model.constant(rng.integers(-edge, edge, (filters, memory)), words, time)
                    b = model.constant(rng.integers(-500, 500, units), "i32", time * state)
                    s = model.tensor([1, memory * filters], words, state, 0, variable=True)
                    y = model.output([1, units], "i8", 0.15, zero(rng, "i8"))
                model.operator("SVDF", [i, f, t, b, s], [y], "SVDFOptions", rank=rank,
                               fusedActivationFunction=ACTIVATIONS[activation])

            cases.add("SVDF", f"{numbers}/{index}", build, runs=6)


def hybrid(cases):
    """Float activations with 8-bit weights. The package refuses them: the reference runs the weights' real numbers."""

    def twins(operator, options, shape, weights_shape, axis, out, per_channel, **fields):
        def build(model, rng):
            step = rng.uniform(0.002, 0.01, weights_shape[axis] if per_channel else 1).astype(np.float32)
            integers = rng.integers(-127, 128, weights_shape)
            along = [-1 if a == axis else 1 for a in range(len(weights_shape))]
            real = integers.astype(np.float32) * (step.reshape(along) if per_channel else step[0])
            offsets = rng.normal(0, 0.5, out[-1]).astype(np.float32)
            twin = Model()
            for own, weights in ((model, None), (twin, real)):
                i = own.input(shape, "f32")
                w = own.constant(integers, "i8", step, 0, axis) if weights is None else own.constant(weights, "f32")
                y = own.output(out, "f32")
                own.operator(operator, [i, w, own.constant(offsets, "f32")], [y], options, **fields)
            model.twin = twin

        return build

    for index, per_channel in enumerate((False, True)):
        cases.add("FULLY_CONNECTED", f"hybrid/{index}", twins(
            "FULLY_CONNECTED", "FullyConnectedOptions", [2, 12], (5, 12), 0, [2, 5], per_channel), engine=TWIN)
        cases.add("CONV_2D", f"hybrid/{index}", twins(
            "CONV_2D", "Conv2DOptions", [1, 6, 5, 3], (4, 3, 3, 3), 0, [1, 6, 5, 4], per_channel, padding=SAME, strideH=1,
            strideW=1, fusedActivationFunction=1), engine=TWIN)
        cases.add("DEPTHWISE_CONV_2D", f"hybrid/{index}", twins(
            "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", [1, 6, 5, 3], (1, 3, 3, 3), 3, [1, 3, 3, 3], per_channel,
            padding=SAME, strideH=2, strideW=2, depthMultiplier=1), engine=TWIN)


def all_layers(cases):
    for family in (conv_2d, depthwise_conv_2d, flushed, transpose_conv, fully_connected, batch_matmul, pooling, svdf):
        family(cases)
