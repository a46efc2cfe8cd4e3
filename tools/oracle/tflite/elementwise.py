"""Elementwise operators, activations, reductions and conversions."""

import numpy as np

from case import ACTIVATIONS, quantized, scale, spread, zero

KINDS = {"int8": "i8", "int16": "i16", "float": "f32"}


def binary(cases):
    shapes = [
        # both shapes, activation, which operand is constant
        ([1, 4, 5, 6], [1, 4, 5, 6], "none", None),
        ([1, 4, 5, 6], [1, 4, 5, 6], "relu", None),
        ([1, 3, 4, 5], [5], "none", 1),
        ([1, 3, 4, 5], [1, 1, 1, 1], "relu6", None),
        ([1, 1, 4, 1], [1, 3, 1, 5], "none", None),
        ([], [7], "none", 0),
    ]
    operators = {
        "ADD": ("AddOptions", ("int8", "int16", "float")),
        "SUB": ("SubOptions", ("int8", "int16", "float")),
        "MUL": ("MulOptions", ("int8", "int16", "float")),
        "DIV": ("DivOptions", ("float",)),
        "SQUARED_DIFFERENCE": ("SquaredDifferenceOptions", ("int8", "int16", "float")),
        "MINIMUM": ("MaximumMinimumOptions", ("int8", "int16", "float")),
        "MAXIMUM": ("MaximumMinimumOptions", ("int8", "int16", "float")),
    }
    for operator, (options, kinds) in operators.items():
        fuses = operator in ("ADD", "SUB", "MUL", "DIV")
        for numbers in kinds:
            kind = KINDS[numbers]
            for index, (first, second, activation, constant) in enumerate(shapes):
                if not fuses and activation != "none":
                    continue

                def build(model, rng):
                    a = quantized(rng, kind)
                    b = a if operator in ("MINIMUM", "MAXIMUM") else quantized(rng, kind)
                    operands = []
                    for position, (shape, parameters) in enumerate([(first, a), (second, b)]):
                        if position != constant:
                            operands.append(model.input(shape, kind, *parameters))
                        elif kind == "f32":
                            operands.append(model.constant(rng.uniform(0.5, 3, shape), kind))
                        else:
                            edge = 127 if kind == "i8" else 32767
                            values = rng.integers(-edge, edge + 1, shape)
                            operands.append(model.constant(values, kind, *parameters))
                    shape = list(np.broadcast_shapes(first, second))
                    if kind == "f32":
                        y = model.output(shape, kind)
                    elif operator in ("MINIMUM", "MAXIMUM"):
                        y = model.output(shape, kind, *a)
                    else:
                        step, wide = spread(kind), 45.0 if kind == "i8" else 11000.0
                        width = {
                            "MUL": a[0] * b[0] * step**2,
                            "SQUARED_DIFFERENCE": (a[0] ** 2 + b[0] ** 2) * step**2,
                        }.get(operator, np.hypot(a[0], b[0]) * step)
                        y = model.output(shape, kind, float(np.float32(width / wide)), zero(rng, kind))
                    fields = {"fusedActivationFunction": ACTIVATIONS[activation]} if fuses else {}
                    model.operator(operator, operands, [y], options, **fields)

                cases.add(operator, f"{numbers}/{index}", build)


def words(cases):
    """Arithmetic of 32-bit integers."""
    for operator, options in [("ADD", "AddOptions"), ("SUB", "SubOptions"), ("MUL", "MulOptions"),
                              ("MINIMUM", "MaximumMinimumOptions"), ("MAXIMUM", "MaximumMinimumOptions")]:

        def build(model, rng):
            a, b = model.input([2, 9], "i32"), model.input([2, 9], "i32")
            model.operator(operator, [a, b], [model.output([2, 9], "i32")], options)

        cases.add(operator, "int32", build)


def unary(cases):
    def fixed(step, at):
        return lambda rng, kind, x: (step, at) if kind == "i8" else (1 / 32768, 0)

    def free(rng, kind, x):
        return quantized(rng, kind)

    def same(rng, kind, x):
        return x

    operators = {
        "LOGISTIC": (None, ("int8", "int16", "float"), fixed(1 / 256, -128), {}),
        "TANH": (None, ("int8", "int16", "float"), fixed(1 / 128, 0), {}),
        "RELU": (None, ("int8", "int16", "float"), free, {}),
        "RELU6": (None, ("int8", "int16", "float"), same, {}),
        "LEAKY_RELU": ("LeakyReluOptions", ("int8", "int16", "float"), free, {"alpha": 0.1}),
        "ELU": (None, ("int8", "float"), free, {}),
        "HARD_SWISH": ("HardSwishOptions", ("int8", "float"), lambda rng, kind, x: (x[0] * 0.9, zero(rng, kind)), {}),
        "ABS": ("AbsOptions", ("int8", "int16", "float"), free, {}),
        "RSQRT": (None, ("int8", "float"), None, {}),
        "SQRT": (None, ("float",), None, {}),
        "SQUARE": ("SquareOptions", ("float",), None, {}),
        "EXP": ("ExpOptions", ("float",), None, {}),
        "LOG": (None, ("float",), None, {}),
        "NEG": ("NegOptions", ("float",), None, {}),
        "SIN": (None, ("float",), None, {}),
        "COS": ("CosOptions", ("float",), None, {}),
        "FLOOR": (None, ("float",), None, {}),
        "CEIL": (None, ("float",), None, {}),
        "ROUND": (None, ("float",), None, {}),
    }
    for operator, (options, kinds, output, fields) in operators.items():
        for numbers in kinds:
            kind = KINDS[numbers]
            for index in range(1 if kind == "f32" else 3):

                def build(model, rng):
                    positive = operator in ("RSQRT", "SQRT", "LOG")
                    x = quantized(rng, kind, 0.01, 0.12)
                    if positive and kind != "f32":
                        x = (x[0], -128)
                    shape = [1, 4, 100] if kind == "i8" else [1, 3, 40]
                    i = model.input(shape, kind, *x)
                    y = ()
                    if kind != "f32":
                        y = (0.05, -100) if positive else output(rng, kind, x)
                    if operator == "HARD_SWISH" and kind != "f32":
                        y = (float(np.float32(y[0])), y[1])
                    o = model.output(shape, kind, *y)
                    if positive and kind == "f32":
                        # The square is not negative; plus a little it has a logarithm and a root.
                        squared = model.tensor(shape, kind)
                        model.operator("MUL", [i, i], [squared], "MulOptions")
                        raised = model.tensor(shape, kind)
                        model.operator("ADD", [squared, model.constant([0.01], "f32")], [raised], "AddOptions")
                        i = raised
                    model.operator(operator, [i], [o], options, **fields)

                cases.add(operator, f"{numbers}/{index}", build)


def prelu(cases):
    for numbers, kind in KINDS.items():
        for index, alpha_shape in enumerate([[1, 1, 5], [3, 4, 5], [1, 4, 1]]):

            def build(model, rng):
                x = quantized(rng, kind)
                i = model.input([1, 3, 4, 5], kind, *x)
                if kind == "f32":
                    a = model.constant(rng.normal(0, 0.5, alpha_shape), kind)
                else:
                    a = model.constant(rng.integers(-127, 128, alpha_shape), "i8", 0.01,
                                       zero(rng, kind) if kind == "i8" else 0)
                model.operator("PRELU", [i, a], [model.output([1, 3, 4, 5], kind, *quantized(rng, kind))])

            cases.add("PRELU", f"{numbers}/{index}", build)


def softmax(cases):
    for operator, options, fields in [("SOFTMAX", "SoftmaxOptions", {"beta": 1.0}), ("LOG_SOFTMAX", "LogSoftmaxOptions", {})]:
        for numbers, kind in KINDS.items():
            if operator == "LOG_SOFTMAX" and kind == "i16":
                continue
            for index, (shape, wide) in enumerate([([1, 10], 0.1), ([4, 25], 0.02), ([1, 3, 5, 7], 0.5), ([1, 2], 1.5)]):

                def build(model, rng):
                    x = (wide / (256 if kind == "i16" else 1), zero(rng, kind)) if kind != "f32" else ()
                    y = {"i8": (1 / 256, -128), "i16": (1 / 32768, 0), "f32": ()}[kind]
                    if operator == "LOG_SOFTMAX" and kind == "i8":
                        y = (16 / 256, 127)
                    i, o = model.input(shape, kind, *x), model.output(shape, kind, *y)
                    model.operator(operator, [i], [o], options, **fields)

                cases.add(operator, f"{numbers}/{index}", build)

    def steep(model, rng):
        i, o = model.input([3, 12], "i8", 0.1, 4), model.output([3, 12], "i8", 1 / 256, -128)
        model.operator("SOFTMAX", [i], [o], "SoftmaxOptions", beta=0.37)

    cases.add("SOFTMAX", "int8/beta", steep)


def reductions(cases):
    shapes = [
        ([1, 5, 6, 4], [1, 2], True),
        ([1, 5, 6, 4], [1, 2], False),
        ([1, 7, 3, 5], [3], True),
        ([1, 7, 3, 5], [1, 3], False),
        ([3, 11], [-1], False),
        ([1, 4, 50], [1], True),
    ]
    operators = {"MEAN": ("int8", "int16", "float"), "SUM": ("int8", "float"), "REDUCE_MAX": ("int8", "float"),
                 "REDUCE_MIN": ("int8", "float")}
    for operator, kinds in operators.items():
        for numbers in kinds:
            kind = KINDS[numbers]
            for index, (shape, axes, keeps) in enumerate(shapes):

                def build(model, rng):
                    x = quantized(rng, kind)
                    count = int(np.prod([shape[a] for a in axes]))
                    y = x
                    if kind != "f32" and operator in ("MEAN", "SUM"):
                        factor = 1 / np.sqrt(count) if operator == "MEAN" else np.sqrt(count)
                        y = (float(np.float32(x[0] * factor * 1.7)), zero(rng, kind))
                    dropped = {a % len(shape) for a in axes}
                    out = [1 if a in dropped else n for a, n in enumerate(shape) if keeps or a not in dropped]
                    i, a = model.input(shape, kind, *x), model.constant(axes)
                    model.operator(operator, [i, a], [model.output(out, kind, *y)], "ReducerOptions", keepDims=keeps)

                cases.add(operator, f"{numbers}/{index}", build)


def conversions(cases):
    def build_quantize(source, target):
        def build(model, rng):
            x = () if source == "f32" else ((0.3, 108) if source == "u8" else quantized(rng, source, 0.02, 0.2))
            y = (0.07, 111) if target == "u8" else quantized(rng, target, 0.01, 0.1)
            if source == "i32":
                x = (0.02, 0)
            i, o = model.input([1, 200], source, *x), model.output([1, 200], target, *y)
            model.operator("QUANTIZE", [i], [o], "QuantizeOptions")

        return build

    for source, target in [("f32", "i8"), ("f32", "i16"), ("i8", "i8"), ("i16", "i16"), ("i8", "i16"), ("i16", "i8"),
                           ("u8", "i8"), ("i8", "u8"), ("i16", "i32"), ("i8", "i32")]:
        for index in range(2):
            cases.add("QUANTIZE", f"{source}-{target}/{index}", build_quantize(source, target))
    for source in ("i8", "i16", "u8"):

        def build(model, rng):
            x = (0.07, 111) if source == "u8" else quantized(rng, source)
            i, o = model.input([1, 50], source, *x), model.output([1, 50], "f32")
            model.operator("DEQUANTIZE", [i], [o], "DequantizeOptions")

        cases.add("DEQUANTIZE", source, build)
    for source, target in [("f32", "i32"), ("i32", "f32"), ("f32", "i8"), ("i8", "f32"), ("i8", "i32"), ("bool", "f32"),
                           ("i32", "i8"), ("i32", "i16")]:

        def build(model, rng):
            i, o = model.input([1, 30], source), model.output([1, 30], target)
            model.operator("CAST", [i], [o], "CastOptions")

        cases.add("CAST", f"{source}-{target}", build)


def decisions(cases):
    for operator in ("ARG_MAX", "ARG_MIN"):
        for numbers, kind in (("int8", "i8"), ("float", "f32")):
            for index, (shape, axis) in enumerate([([1, 3, 4, 6], 3), ([5, 7], 0), ([2, 3, 4], -2)]):

                def build(model, rng):
                    i = model.input(shape, kind, *quantized(rng, kind))
                    out = [n for a, n in enumerate(shape) if a != axis % len(shape)]
                    o = model.output(out, "i32")
                    options = "ArgMaxOptions" if operator == "ARG_MAX" else "ArgMinOptions"
                    model.operator(operator, [i, model.constant(axis)], [o], options, outputType=2)

                cases.add(operator, f"{numbers}/{index}", build)
    names = {"EQUAL": "EqualOptions", "NOT_EQUAL": "NotEqualOptions", "LESS": "LessOptions",
             "LESS_EQUAL": "LessEqualOptions", "GREATER": "GreaterOptions", "GREATER_EQUAL": "GreaterEqualOptions"}
    for operator, options in names.items():
        for numbers, kind in (("int8", "i8"), ("float", "f32"), ("int32", "i32")):
            for index, second in enumerate([[1, 4, 30], [1, 1, 30]]):

                def build(model, rng):
                    x, y = ((), ()) if kind == "i32" else (quantized(rng, kind), quantized(rng, kind))
                    if kind == "i8" and "EQUAL" in operator and index == 0:
                        y = x
                    a, b = model.input([1, 4, 30], kind, *x), model.input(second, kind, *y)
                    model.operator(operator, [a, b], [model.output([1, 4, 30], "bool")], options)

                cases.add(operator, f"{numbers}/{index}", build)
    for operator, options in [("LOGICAL_AND", "LogicalAndOptions"), ("LOGICAL_OR", "LogicalOrOptions")]:

        def build(model, rng):
            a, b = model.input([2, 9], "bool"), model.input([2, 9], "bool")
            model.operator(operator, [a, b], [model.output([2, 9], "bool")], options)

        cases.add(operator, "bool", build)

    def negate(model, rng):
        model.operator("LOGICAL_NOT", [model.input([2, 9], "bool")], [model.output([2, 9], "bool")], "LogicalNotOptions")

    cases.add("LOGICAL_NOT", "bool", negate)
    for numbers, kind in KINDS.items():

        def build(model, rng):
            x = quantized(rng, kind)
            c = model.input([2, 9], "bool")
            a, b = model.input([2, 9], kind, *x), model.input([2, 9], kind, *x)
            model.operator("SELECT_V2", [c, a, b], [model.output([2, 9], kind, *x)], "SelectV2Options")

        cases.add("SELECT_V2", numbers, build)


def normalization(cases):
    for numbers, kind in (("int8", "i8"), ("float", "f32")):
        for index, shape in enumerate([[1, 16], [3, 9], [1, 2, 3, 5]]):

            def build(model, rng):
                i = model.input(shape, kind, *quantized(rng, kind))
                o = model.output(shape, kind, *((1 / 128, 0) if kind == "i8" else ()))
                model.operator("L2_NORMALIZATION", [i], [o], "L2NormOptions")

            cases.add("L2_NORMALIZATION", f"{numbers}/{index}", build)


def rows(cases):
    """Enough rows of 8-bit values to tell the reference's fixed-point roots and logarithms from rounded real ones."""
    for operator, options, result in (
        ("L2_NORMALIZATION", "L2NormOptions", (1 / 128, 0)),
        ("LOG_SOFTMAX", "LogSoftmaxOptions", (16 / 256, 127)),
    ):
        for index, shape in enumerate([[60, 33], [8, 300], [200, 4], [100, 16]]):

            def build(model, rng):
                i, o = model.input(shape, "i8", *quantized(rng, "i8")), model.output(shape, "i8", *result)
                model.operator(operator, [i], [o], options)

            cases.add(operator, f"int8/rows/{index}", build)


def all_elementwise(cases):
    for family in (binary, words, unary, prelu, softmax, reductions, conversions, decisions, normalization):
        family(cases)


def all_litert(cases):
    """What TensorFlow Lite Micro has no kernels for: LiteRT's answer."""
    operators = {
        "GELU": ("GeluOptions", ("int8", "float"), {"approximate": False}),
        "GELU_TANH": ("GeluOptions", ("int8", "float"), {"approximate": True}),
        "RELU_N1_TO_1": (None, ("int8", "float"), {}),
        "RELU_0_TO_1": (None, ("int8", "float"), {}),
        "EXP": ("ExpOptions", ("int8",), {}),
        "LOG": (None, ("int8",), {}),
        "SQRT": (None, ("int8",), {}),
    }
    for name, (options, kinds, fields) in operators.items():
        operator = name.removesuffix("_TANH")
        for numbers in kinds:
            kind = KINDS[numbers]
            for index in range(1 if kind == "f32" else 4):

                def build(model, rng):
                    x = quantized(rng, kind, 0.01, 0.12)
                    if operator in ("LOG", "SQRT"):
                        x = (x[0], -128)
                    i = model.input([1, 4, 100], kind, *x)
                    y = x if operator.startswith("RELU") else quantized(rng, kind, 0.01, 0.1)
                    model.operator(operator, [i], [model.output([1, 4, 100], kind, *y)], options, **fields)

                detail = "tanh/" if name != operator else ""
                cases.add(operator, f"{detail}{numbers}/{index}", build, engine="litert")
