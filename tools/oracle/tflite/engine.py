"""Runs a model on the reference kernels, on inputs that a seed stands for."""

import numpy as np

from model import TYPES


def xorshift(seed, count):
    """`count` bytes: xorshift32, the top byte of each step."""
    state, made = seed & 0xFFFFFFFF, bytearray()
    for _ in range(count):
        state ^= state << 13 & 0xFFFFFFFF
        state ^= state >> 17
        state ^= state << 5 & 0xFFFFFFFF
        made.append(state >> 24)
    return bytes(made)


def input_values(seed, shape, kind, span):
    """Integers take the bytes as they are. Floats are multiples of span / 128 from -span on; i32 and bool few values."""
    count = int(np.prod(shape, dtype=np.int64))
    if kind == "i16":
        return np.frombuffer(xorshift(seed, 2 * count), np.int16).reshape(shape)
    signed = np.frombuffer(xorshift(seed, count), np.int8).reshape(shape)
    if kind == "f32":
        return signed.astype(np.float32) * np.float32(span / 128)
    if kind == "bool":
        return signed < 0
    return signed.view(np.uint8) if kind == "u8" else signed.astype(TYPES[kind][1])


def run(case):
    """The outputs of every run, one behind the other, as the interpreter gives them."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(case.file, arena_size=1 << 20)
    outputs = []
    for step in range(case.runs):
        for index, tensor in enumerate(case.model.inputs):
            shape, kind = case.model.tensors[tensor].shape, case.model.kinds[tensor]
            seed = case.seed + 7919 * (step * len(case.model.inputs) + index)
            interpreter.set_input(input_values(seed, shape, kind, case.span), index)
        interpreter.invoke()
        outputs += [interpreter.get_output(index).copy() for index in range(len(case.model.outputs))]
    return outputs
