"""Gives an 8-bit .tflite model float inputs and outputs: a QUANTIZE behind each input, a DEQUANTIZE before each output.

    python float_borders.py model.tflite model_float_borders.tflite

LiteRT.js takes no int8 tensors at its borders; what lies between them stays as it is. Needs the packages ai-edge-litert
(for the schema) and flatbuffers.
"""

import sys

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

QUANTIZE, DEQUANTIZE = schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE


def operator_code(model, builtin):
    """The index of an operator code, added where the model has none."""
    for index, code in enumerate(model.operatorCodes):
        if max(code.builtinCode, code.deprecatedBuiltinCode) == builtin:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = builtin, builtin, 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def float_twin(graph, index):
    """A float tensor of the same shape as tensor `index`."""
    twin = schema.TensorT()
    source = graph.tensors[index]
    twin.shape, twin.shapeSignature = source.shape, source.shapeSignature
    twin.type, twin.buffer, twin.name = schema.TensorType.FLOAT32, 0, source.name + b"_float"
    graph.tensors.append(twin)
    return len(graph.tensors) - 1


def conversion(code, source, target):
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [source], [target]
    return operator


def main(source, target):
    with open(source, "rb") as file:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(file.read(), 0))
    graph = model.subgraphs[0]
    eight_bit = lambda index: graph.tensors[index].type == schema.TensorType.INT8
    renamed = {}
    before, after = [], []
    for index in [index for index in graph.inputs if eight_bit(index)]:
        renamed[index] = float_twin(graph, index)
        before.append(conversion(operator_code(model, QUANTIZE), renamed[index], index))
    for index in [index for index in graph.outputs if eight_bit(index)]:
        renamed[index] = float_twin(graph, index)
        after.append(conversion(operator_code(model, DEQUANTIZE), index, renamed[index]))
    graph.operators = before + list(graph.operators) + after
    graph.inputs = [renamed.get(index, index) for index in graph.inputs]
    graph.outputs = [renamed.get(index, index) for index in graph.outputs]
    for signature in model.signatureDefs or []:
        for port in list(signature.inputs or []) + list(signature.outputs or []):
            port.tensorIndex = renamed.get(port.tensorIndex, port.tensorIndex)
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    with open(target, "wb") as file:
        file.write(builder.Output())


if __name__ == "__main__":
    main(*sys.argv[1:])
