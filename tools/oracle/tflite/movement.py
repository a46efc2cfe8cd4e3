"""Operators that move elements, and state that is kept between runs."""

import numpy as np

from case import quantized, scale, zero

KINDS = {"int8": "i8", "int16": "i16", "float": "f32"}


def one_to_one(cases, operator, variants, kinds=("int8", "int16", "float")):
    """`variants`: input shape, output shape, constant operands behind the input, options, fields."""
    for numbers in kinds:
        kind = KINDS[numbers]
        for index, (shape, out, constants, options, fields) in enumerate(variants):

            def build(model, rng):
                x = quantized(rng, kind)
                i = model.input(shape, kind, *x)
                operands = [i] + [model.constant(values) for values in constants]
                model.operator(operator, operands, [model.output(out, kind, *x)], options, **fields)

            cases.add(operator, f"{numbers}/{index}", build)


def shapes(cases):
    reshape = "ReshapeOptions"
    one_to_one(cases, "RESHAPE", [
        ([1, 4, 6], [1, 24], [[1, 24]], reshape, {"newShape": [1, 24]}),
        ([1, 4, 6], [1, 3, 8], [[1, -1, 8]], reshape, {}),
        ([2, 3, 4], [24], [], reshape, {"newShape": [-1]}),
    ])
    one_to_one(cases, "SQUEEZE", [
        ([1, 1, 6, 1], [6], [], "SqueezeOptions", {"squeezeDims": []}),
        ([1, 1, 6, 1], [1, 6, 1], [], "SqueezeOptions", {"squeezeDims": [1]}),
    ], ("int8", "float"))
    one_to_one(cases, "EXPAND_DIMS", [
        ([3, 4], [3, 1, 4], [[1]], "ExpandDimsOptions", {}),
        ([3, 4], [3, 4, 1], [-1], "ExpandDimsOptions", {}),
    ], ("int8", "float"))


def parts(cases):
    transpose = "TransposeOptions"
    one_to_one(cases, "TRANSPOSE", [
        ([2, 3, 4, 5], [5, 3, 2, 4], [[3, 1, 0, 2]], transpose, {}),
        ([3, 7], [7, 3], [[1, 0]], transpose, {}),
        ([1, 4, 3, 2], [1, 2, 4, 3], [[0, 3, 1, 2]], transpose, {}),
    ])
    strided = "StridedSliceOptions"
    one_to_one(cases, "STRIDED_SLICE", [
        ([1, 6, 5, 3], [1, 3, 2, 3], [[0, 1, 0, 0], [1, 6, 4, 3], [1, 2, 2, 1]], strided, {}),
        ([1, 6, 5], [1, 6, 3], [[0, 0, -3], [0, 0, 0], [1, 1, 1]], strided, {"beginMask": 3, "endMask": 7}),
        ([4, 7], [7], [[2, 0], [3, 7], [1, 1]], strided, {"shrinkAxisMask": 1, "endMask": 2}),
        ([4, 7], [4, 4], [[0, 6], [4, -8], [1, -2]], strided, {}),
    ])
    one_to_one(cases, "SLICE", [
        ([2, 5, 6], [1, 3, 4], [[1, 1, 2], [1, 3, 4]], "SliceOptions", {}),
        ([2, 5, 6], [2, 3, 6], [[0, 2, 0], [-1, -1, -1]], "SliceOptions", {}),
    ])
    one_to_one(cases, "PAD", [
        ([1, 3, 4, 2], [1, 5, 7, 2], [[[0, 0], [1, 1], [2, 1], [0, 0]]], "PadOptions", {}),
        ([2, 5], [3, 9], [[[1, 0], [0, 4]]], "PadOptions", {}),
    ])
    mirror = [
        ([1, 4, 5, 2], [1, 7, 8, 2], [[[0, 0], [2, 1], [1, 2], [0, 0]]], "MirrorPadOptions", {"mode": mode})
        for mode in (0, 1)
    ]
    one_to_one(cases, "MIRROR_PAD", mirror, ("int8", "float"))
    one_to_one(cases, "SPACE_TO_DEPTH", [
        ([1, 4, 6, 3], [1, 2, 3, 12], [], "SpaceToDepthOptions", {"blockSize": 2}),
    ], ("int8", "float"))
    one_to_one(cases, "DEPTH_TO_SPACE", [
        ([1, 2, 3, 12], [1, 4, 6, 3], [], "DepthToSpaceOptions", {"blockSize": 2}),
    ], ("int8", "float"))
    # Without padding: the kernel of the package pads with what its memory happens to hold.
    one_to_one(cases, "SPACE_TO_BATCH_ND", [
        ([1, 4, 6, 2], [4, 2, 3, 2], [[2, 2], [[0, 0], [0, 0]]], "SpaceToBatchNDOptions", {}),
        ([1, 6, 3], [3, 2, 3], [[3], [[0, 0]]], "SpaceToBatchNDOptions", {}),
    ], ("int8", "float"))
    one_to_one(cases, "BATCH_TO_SPACE_ND", [
        ([4, 3, 3, 2], [1, 4, 5, 2], [[2, 2], [[1, 1], [0, 1]]], "BatchToSpaceNDOptions", {}),
    ], ("int8", "float"))
    one_to_one(cases, "REVERSE_V2", [([2, 3, 4], [2, 3, 4], [[1]], "ReverseV2Options", {})], ("int8", "float"))
    for numbers, kind in KINDS.items():

        def build(model, rng):
            x = quantized(rng, kind)
            i = model.input([1, 3, 4, 2], kind, *x)
            pads = model.constant([[0, 0], [1, 1], [2, 1], [0, 0]])
            value = model.constant([-1.5], "f32") if kind == "f32" else model.constant([-77], kind, *x)
            model.operator("PADV2", [i, pads, value], [model.output([1, 5, 7, 2], kind, *x)], "PadV2Options")

        cases.add("PADV2", numbers, build)


def split_and_join(cases):
    for numbers, kind in KINDS.items():

        def split(model, rng):
            x = quantized(rng, kind)
            i = model.input([1, 4, 6], kind, *x)
            outs = [model.output([1, 4, 2], kind, *x) for _ in range(3)]
            model.operator("SPLIT", [model.constant(-1), i], outs, "SplitOptions", numSplits=3)

        cases.add("SPLIT", numbers, split)

        def split_v(model, rng):
            x = quantized(rng, kind)
            i = model.input([1, 7, 3], kind, *x)
            outs = [model.output([1, n, 3], kind, *x) for n in (2, 1, 4)]
            operands = [i, model.constant([2, 1, 4]), model.constant(1)]
            model.operator("SPLIT_V", operands, outs, "SplitVOptions", numSplits=3)

        cases.add("SPLIT_V", numbers, split_v)
        for index, (inputs, out, axis) in enumerate([
            ([[1, 3, 4, 2], [1, 3, 4, 5]], [1, 3, 4, 7], 3),
            ([[2, 3], [1, 3], [4, 3]], [7, 3], 0),
            ([[1, 3, 2], [1, 3, 4]], [1, 3, 6], -1),
        ]):

            def concatenation(model, rng):
                x = quantized(rng, kind)
                operands = [model.input(shape, kind, *x) for shape in inputs]
                model.operator("CONCATENATION", operands, [model.output(out, kind, *x)], "ConcatenationOptions", axis=axis)

            cases.add("CONCATENATION", f"{numbers}/{index}", concatenation)

        def pack(model, rng):
            x = quantized(rng, kind)
            operands = [model.input([2, 5], kind, *x) for _ in range(3)]
            y = model.output([2, 3, 5], kind, *x)
            model.operator("PACK", operands, [y], "PackOptions", axis=1, valuesCount=3)

        cases.add("PACK", numbers, pack)

        def unpack(model, rng):
            x = quantized(rng, kind)
            i = model.input([2, 3, 5], kind, *x)
            outs = [model.output([2, 5], kind, *x) for _ in range(3)]
            model.operator("UNPACK", [i], outs, "UnpackOptions", axis=1, num=3)

        cases.add("UNPACK", numbers, unpack)
    for numbers in ("int8", "float"):
        kind = KINDS[numbers]
        for index, (shape, positions, axis, out) in enumerate([
            ([5, 4], [3, 0, 3], 0, [3, 4]), ([2, 3, 6], [[5, 1], [0, 2]], -1, [2, 3, 2, 2]), ([1, 6, 2], 4, 1, [1, 2]),
        ]):

            def gather(model, rng):
                x = quantized(rng, kind)
                i = model.input(shape, kind, *x)
                y = model.output(out, kind, *x)
                model.operator("GATHER", [i, model.constant(positions)], [y], "GatherOptions", axis=axis, batchDims=0)

            cases.add("GATHER", f"{numbers}/{index}", gather)


def resize(cases):
    variants = [
        ([1, 4, 5, 3], [8, 10], False, False),
        ([1, 4, 5, 3], [7, 4], False, False),
        ([1, 3, 4, 2], [6, 9], True, False),
        ([1, 4, 3, 2], [9, 7], False, True),
        ([1, 8, 6, 1], [3, 4], False, True),
    ]
    for operator, kinds in {"RESIZE_BILINEAR": ("int8", "float"), "RESIZE_NEAREST_NEIGHBOR": ("int8", "int16", "float")}.items():
        options = {"RESIZE_BILINEAR": "ResizeBilinearOptions"}.get(operator, "ResizeNearestNeighborOptions")
        for numbers in kinds:
            kind = KINDS[numbers]
            for index, (shape, size, corners, centers) in enumerate(variants):

                def build(model, rng):
                    x = quantized(rng, kind)
                    i = model.input(shape, kind, *x)
                    y = model.output([shape[0], *size, shape[3]], kind, *x)
                    model.operator(operator, [i, model.constant(size)], [y], options, alignCorners=corners,
                                   halfPixelCenters=centers)

                cases.add(operator, f"{numbers}/{index}", build)


def streaming(cases):
    """A ring of past values in a resource variable: what streaming models keep between runs."""
    from model import Model

    for numbers in ("int8", "float"):
        kind = KINDS[numbers]
        for index, (step, history, features) in enumerate([(1, 3, 4), (2, 3, 5)]):

            def build(model, rng):
                x = (scale(rng), zero(rng, kind)) if kind == "i8" else ()
                fields = {"sharedName": "ring", "container": ""}
                i = model.input([1, step, features], kind, *x)
                handle = model.tensor([1], "resource")
                past = model.tensor([1, history, features], kind, *x)
                joined = model.tensor([1, history + step, features], kind, *x)
                kept = model.tensor([1, history, features], kind, *x)
                begin, end, ones = [model.constant(v) for v in ([0, -history, 0], [0, 0, 0], [1, 1, 1])]
                axes = model.constant([1])
                y = x if kind == "f32" else (float(np.float32(x[0] * 0.6)), zero(rng, kind))
                out = model.output([1, features], kind, *y)
                model.operator("CALL_ONCE", [], [], "CallOnceOptions", initSubgraphIndex=1)
                model.operator("VAR_HANDLE", [], [handle], "VarHandleOptions", **fields)
                model.operator("READ_VARIABLE", [handle], [past], "ReadVariableOptions")
                model.operator("CONCATENATION", [past, i], [joined], "ConcatenationOptions", axis=1)
                model.operator("STRIDED_SLICE", [joined, begin, end, ones], [kept], "StridedSliceOptions",
                               beginMask=5, endMask=7)
                model.operator("ASSIGN_VARIABLE", [handle, kept], [], "AssignVariableOptions")
                model.operator("MEAN", [joined, axes], [out], "ReducerOptions", keepDims=False)
                first = Model()
                first.buffers, first.codes = model.buffers, model.codes
                handle = first.tensor([1], "resource")
                initial = rng.normal(0, 1, (1, history, features)) if kind == "f32" else np.full((1, history, features), x[1])
                value = first.constant(initial, kind, *x)
                first.operator("VAR_HANDLE", [], [handle], "VarHandleOptions", **fields)
                first.operator("ASSIGN_VARIABLE", [handle, value], [], "AssignVariableOptions")
                return [first]

            cases.add("READ_VARIABLE", f"{numbers}/{index}", build, runs=5)


def all_movement(cases):
    for family in (shapes, parts, split_and_join, resize, streaming):
        family(cases)
