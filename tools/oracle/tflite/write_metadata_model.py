"""Writes tests/golden/tflite/metadata.tflite: a small image classifier with TensorFlow Lite Metadata.

    python tools/oracle/tflite/write_metadata_model.py

The metadata says how pixels are normalised and names a file of labels (`metadata_schema.fbs`, written here field by
field); the file stands in a .zip that is appended to the model.
"""

import io
import pathlib
import zipfile

import flatbuffers
import numpy as np

from model import Model, schema

ROOT = pathlib.Path(__file__).resolve().parents[3]
LABELS = ["dark", "red", "green", "blue"]
TRANSLATED = ["dunkel", "rot", "grün", "blau"]


class Tables:
    """FlatBuffer tables from lists of (field, kind, value)."""

    def __init__(self):
        self.builder = flatbuffers.Builder(256)

    def text(self, value):
        return self.builder.CreateString(value)

    def vector(self, offsets):
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return self.builder.EndVector()

    def floats(self, values):
        return self.builder.CreateNumpyVector(np.asarray(values, np.float32))

    def table(self, *fields):
        self.builder.StartObject(max((field for field, _, _ in fields), default=-1) + 1)
        for field, kind, value in fields:
            if kind == "byte":
                self.builder.PrependUint8Slot(field, value, 0)
            else:
                self.builder.PrependUOffsetTRelativeSlot(field, value, 0)
        return self.builder.EndObject()


def metadata(mean, std):
    t = Tables()
    options = t.table((0, "offset", t.floats(mean)), (1, "offset", t.floats(std)))
    unit = t.table((0, "byte", 1), (1, "offset", options))
    image = t.table((0, "byte", 1))
    content = t.table((0, "byte", 2), (1, "offset", image))
    source = t.table((0, "offset", t.text("image")), (3, "offset", content), (4, "offset", t.vector([unit])))
    files = [
        t.table((0, "offset", t.text("labels_de.txt")), (2, "byte", 2), (3, "offset", t.text("de"))),
        t.table((0, "offset", t.text("labels.txt")), (2, "byte", 2)),
    ]
    calibration = t.table((0, "byte", 2))
    scores = t.table((0, "offset", t.text("scores")), (4, "offset", t.vector([calibration])), (6, "offset", t.vector(files)))
    subgraph = t.table((2, "offset", t.vector([source])), (3, "offset", t.vector([scores])))
    root = t.table((0, "offset", t.text("colours")), (3, "offset", t.vector([subgraph])))
    t.builder.Finish(root, b"M001")
    return bytes(t.builder.Output())


def classifier():
    """The mean of each colour against constant weights."""
    model = Model()
    x = model.input([1, 8, 6, 3], "i8", 1 / 128, 0)
    means = model.tensor([1, 3], "i8", 1 / 128, 0)
    scores, output = model.tensor([1, 4], "i8", 1 / 32, 0), model.output([1, 4], "i8", 1 / 256, -128)
    weights = [[-60, -60, -60], [120, -50, -50], [-50, 120, -50], [-50, -50, 120]]
    model.operator("MEAN", [x, model.constant([1, 2])], [means], "ReducerOptions", keepDims=False)
    w = model.constant(weights, "i8", 1 / 64)
    model.operator("FULLY_CONNECTED", [means, w], [scores], "FullyConnectedOptions")
    model.operator("SOFTMAX", [scores], [output], "SoftmaxOptions", beta=1.0)
    return model


def main():
    model = classifier()
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(metadata([128.0], [128.0]), np.uint8)
    entry = schema.MetadataT()
    entry.name, entry.buffer = "TFLITE_METADATA", len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [entry]
    files = io.BytesIO()
    with zipfile.ZipFile(files, "w") as archive:
        for name, labels in (("labels_de.txt", TRANSLATED), ("labels.txt", LABELS)):
            # A fixed time: the same bytes every time.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), "\n".join(labels) + "\n")
    out = ROOT / "tests/golden/tflite/metadata.tflite"
    out.write_bytes(model.write() + files.getvalue())
    print(f"{out} has {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
