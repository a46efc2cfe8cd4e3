"""Runs a model on reference kernels, on inputs that a seed stands for."""

import functools

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


def interpreter_of(file):
    from tflite_micro.python.tflite_micro import runtime

    return runtime.Interpreter.from_bytes(file, arena_size=1 << 20)


@functools.cache
def noise(count, shape):
    """8-bit inputs of `count` runs: for each the bytes of `xorshift`, from seeds far apart."""
    state = np.arange(1, count + 1, dtype=np.uint32) * np.uint32(0x9E3779B1)
    made = np.empty((count, int(np.prod(shape))), np.uint8)
    for at in range(made.shape[1]):
        state ^= state << np.uint32(13)
        state ^= state >> np.uint32(17)
        state ^= state << np.uint32(5)
        made[:, at] = state >> np.uint32(24)
    return made.view(np.int8).reshape(count, *shape)


def seeded_runs(file, count):
    """Inputs and outputs of `count` runs in one session, of a model with one 8-bit input and one 8-bit output."""
    interpreter = interpreter_of(file)
    details = interpreter.get_input_details(0)
    assert details["dtype"] == interpreter.get_output_details(0)["dtype"] == np.int8, "8-bit models only"
    inputs, outputs = noise(count, tuple(details["shape"])), []
    for values in inputs:
        interpreter.set_input(values, 0)
        interpreter.invoke()
        outputs.append(interpreter.get_output(0).copy())
    return inputs, np.array(outputs)


def run_litert(case):
    """The same of LiteRT's reference kernels, for models of one input that run once."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(model_content=case.file, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    [tensor] = case.model.inputs
    shape, kind = case.model.tensors[tensor].shape, case.model.kinds[tensor]
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], input_values(case.seed, shape, kind, case.span))
    interpreter.invoke()
    return [interpreter.get_tensor(output["index"]).copy() for output in interpreter.get_output_details()]


def run(case):
    """The outputs of every run, one behind the other, as the interpreter gives them."""
    if case.engine == "litert":
        return run_litert(case)
    twin = case.model.twin
    interpreter = interpreter_of(twin.write() if twin else case.file)
    outputs = []
    for step in range(case.runs):
        for index, tensor in enumerate(case.model.inputs):
            shape, kind = case.model.tensors[tensor].shape, case.model.kinds[tensor]
            seed = case.seed + 7919 * (step * len(case.model.inputs) + index)
            interpreter.set_input(input_values(seed, shape, kind, case.span), index)
        interpreter.invoke()
        outputs += [interpreter.get_output(index).copy() for index in range(len(case.model.outputs))]
    return outputs
