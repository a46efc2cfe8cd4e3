"""Writes small .tflite models: tensors and operators, straight into the FlatBuffer of the public schema."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {
    "f32": (schema.TensorType.FLOAT32, np.float32),
    "i8": (schema.TensorType.INT8, np.int8),
    "u8": (schema.TensorType.UINT8, np.uint8),
    "i16": (schema.TensorType.INT16, np.int16),
    "i32": (schema.TensorType.INT32, np.int32),
    "i64": (schema.TensorType.INT64, np.int64),
    "bool": (schema.TensorType.BOOL, np.bool_),
    "i4": (schema.TensorType.INT4, np.int8),
    "resource": (schema.TensorType.RESOURCE, np.int32),
}


def pack_nibbles(values):
    """Two 4-bit numbers per byte, the first one in the low half."""
    flat = np.asarray(values, np.int8).reshape(-1)
    flat = np.append(flat, np.int8(0)) if flat.size % 2 else flat
    low, high = flat[0::2].astype(np.uint8) & 15, flat[1::2].astype(np.uint8) & 15
    return (low | high << 4).astype(np.uint8)


class Model:
    """One subgraph, built tensor by tensor. Every method that adds a tensor returns its index."""

    def __init__(self):
        self.tensors, self.buffers, self.operators, self.codes = [], [schema.BufferT()], [], []
        self.inputs, self.outputs, self.kinds = [], [], []
        # A float model of the same numbers, for the reference to run instead.
        self.metadata, self.twin = None, None

    def tensor(self, shape, kind, scale=None, zero=0, data=None, axis=0, variable=False):
        tensor = schema.TensorT()
        tensor.shape, tensor.type = list(shape), TYPES[kind][0]
        tensor.name, tensor.isVariable = f"t{len(self.tensors)}", variable
        if scale is not None:
            quantization = schema.QuantizationParametersT()
            quantization.scale = [float(s) for s in np.atleast_1d(scale)]
            zeros = np.broadcast_to(np.atleast_1d(zero), len(quantization.scale))
            quantization.zeroPoint = [int(z) for z in zeros]
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        if data is None:
            tensor.buffer = 0
        else:
            buffer = schema.BufferT()
            raw = pack_nibbles(data) if kind == "i4" else np.asarray(data, TYPES[kind][1])
            buffer.data = np.frombuffer(np.ascontiguousarray(raw).tobytes(), np.uint8)
            tensor.buffer = len(self.buffers)
            self.buffers.append(buffer)
        self.tensors.append(tensor)
        self.kinds.append(kind)
        return len(self.tensors) - 1

    def input(self, shape, kind, scale=None, zero=0):
        self.inputs.append(self.tensor(shape, kind, scale, zero))
        return self.inputs[-1]

    def output(self, shape, kind, scale=None, zero=0):
        self.outputs.append(self.tensor(shape, kind, scale, zero))
        return self.outputs[-1]

    def constant(self, data, kind="i32", scale=None, zero=0, axis=0):
        data = np.asarray(data)
        return self.tensor(data.shape, kind, scale, zero, data, axis)

    def operator(self, name, inputs, outputs, options=None, **fields):
        code = getattr(schema.BuiltinOperator, name)
        if code not in self.codes:
            self.codes.append(code)
        operator = schema.OperatorT()
        operator.opcodeIndex = self.codes.index(code)
        operator.inputs, operator.outputs = list(inputs), list(outputs)
        if options is not None:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            table = getattr(schema, options + "T")()
            for field, value in fields.items():
                assert hasattr(table, field), (options, field)
                setattr(table, field, value)
            operator.builtinOptions = table
        self.operators.append(operator)

    def subgraph(self, name=""):
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs, graph.name = self.inputs, self.outputs, name
        return graph

    def write(self, further=()):
        """The file. `further` are models whose subgraphs follow, over this model's buffers and codes."""
        model = schema.ModelT()
        model.version = 3
        model.subgraphs = [self.subgraph()] + [other.subgraph() for other in further]
        model.buffers, model.metadata = self.buffers, self.metadata
        model.operatorCodes = []
        for code in self.codes:
            entry = schema.OperatorCodeT()
            entry.deprecatedBuiltinCode, entry.builtinCode, entry.version = min(code, 127), code, 1
            model.operatorCodes.append(entry)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())
