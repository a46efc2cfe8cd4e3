"""Quantises a float model with ONNX Runtime's own static quantisation, and scores it beside the float model and another quantised one.

    python onnxruntime_static.py MODEL.onnx CALIBRATION.npz TEST.npz OUTPUTS.npy

OUTPUTS are what the other model gave for the test rows. Both data files hold rows `x` as the model's input takes them, or channels last; the test rows have classes `y`. The settings are the
ones ONNX Runtime recommends for 8-bit CPUs: QDQ, signed activations, signed weights per channel, ranges from all rows. Printed is one JSON
document: accuracy of both, agreement, bytes; how many rows only one of the two quantised models gets right, and how likely a
difference at least as large would be if each of these rows were a toss of a coin (McNemar 1947, exact).
"""

import json
import math
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process


def options() -> ort.SessionOptions:
    made = ort.SessionOptions()
    made.intra_op_num_threads = 1
    made.log_severity_level = 3
    made.add_session_config_entry("session.qdqisint8allowed", "1")
    return made


def rows_for(shape: list, rows: np.ndarray) -> np.ndarray:
    if rows.ndim == 4 and list(rows.shape[1:]) != list(shape[1:]):
        rows = rows.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(rows, np.float32)


class Rows(CalibrationDataReader):
    def __init__(self, name: str, rows: np.ndarray) -> None:
        self.name, self.rows, self.next_row = name, rows, 0

    def get_next(self) -> dict | None:
        if self.next_row == len(self.rows):
            return None
        self.next_row += 1
        return {self.name: self.rows[self.next_row - 1 : self.next_row]}


def classes(path: pathlib.Path, rows: np.ndarray) -> np.ndarray:
    made = ort.InferenceSession(str(path), options(), providers=["CPUExecutionProvider"])
    name = made.get_inputs()[0].name
    return np.array([made.run(None, {name: row[None]})[0].reshape(-1).argmax() for row in rows])


def chance(first: int, second: int) -> float:
    tosses = first + second
    tail = sum(math.comb(tosses, heads) for heads in range(min(first, second) + 1))
    return min(1.0, 2 * tail / 2**tosses)


def main(model: str, calibration: str, test: str, outputs: str) -> None:
    port = ort.InferenceSession(model, options(), providers=["CPUExecutionProvider"]).get_inputs()[0]
    held = np.load(test)
    rows, labels = rows_for(port.shape, held["x"]), held["y"]
    with tempfile.TemporaryDirectory() as folder:
        prepared, made = pathlib.Path(folder, "prepared.onnx"), pathlib.Path(folder, "int8.onnx")
        # Scales per channel came with operator set 13.
        onnx.save(version_converter.convert_version(onnx.load(model), 13), str(prepared))
        quant_pre_process(str(prepared), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(made),
            Rows(port.name, rows_for(port.shape, np.load(calibration)["x"])),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
        )
        before, after = classes(pathlib.Path(model), rows), classes(made, rows)
        other = np.load(outputs).reshape(len(rows), -1).argmax(1)
        alone = [int(np.sum((one == labels) & (two != labels))) for one, two in [(other, after), (after, other)]]
        document = {
            "onnxruntime": ort.__version__,
            "rows": len(rows),
            "float_top1": float(np.mean(before == labels)),
            "top1": float(np.mean(after == labels)),
            "agreement": float(np.mean(before == after)),
            "file_bytes": made.stat().st_size,
            "only_other_right": alone[0],
            "only_this_right": alone[1],
            "chance": chance(*alone),
        }
    print(json.dumps(document))


if __name__ == "__main__":
    main(*sys.argv[1:5])
