"""Writes tests/golden/tflite/operators.zip: models of one operator each, and what TensorFlow Lite Micro answers; and
litert.zip: the same of operators that it lacks, with what LiteRT's reference kernels answer.

    pip install -r tools/oracle/tflite/requirements.txt
    python tools/oracle/tflite/write_goldens.py

An archive holds `cases.json` (a list), `models.bin` and `outputs.bin` (one file behind the other; the list says where).
Inputs are not stored: `engine.input_values` makes them from a case's seed, and so does the test that reads the archive.
"""

import argparse
import collections
import json
import pathlib
import zipfile

import engine
from case import Cases
from elementwise import all_elementwise, all_litert, rows
from layers import all_layers, hybrid
from movement import all_movement

ROOT = pathlib.Path(__file__).resolve().parents[3]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/golden/tflite")
    out = parser.parse_args().out
    # What was added later stands last: a case's numbers depend on its position.
    write(out / "operators.zip", (all_layers, all_elementwise, all_movement, hybrid, rows))
    write(out / "litert.zip", (all_litert,))


def write(out, families):
    cases = Cases()
    for family in families:
        family(cases)
    entries, models, outputs = [], bytearray(), bytearray()
    for case in cases:
        answer = b"".join(output.tobytes() for output in engine.run(case))
        entries.append({
            "name": case.name, "operator": case.operator, "engine": case.engine, "seed": case.seed, "runs": case.runs,
            "span": case.span, "inputs": [case.model.kinds[t] for t in case.model.inputs],
            "outputs_are": [case.model.kinds[t] for t in case.model.outputs], "model": [len(models), len(case.file)], "outputs": [len(outputs), len(answer)],
        })
        models += case.file
        outputs += answer
    out.parent.mkdir(parents=True, exist_ok=True)
    listing = "[\n" + ",\n".join(json.dumps(entry) for entry in entries) + "\n]\n"
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in (("cases.json", listing.encode()), ("models.bin", models), ("outputs.bin", outputs)):
            # A fixed time: the same cases give the same file.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), bytes(data), zipfile.ZIP_DEFLATED, 9)
    operators = collections.Counter(case.operator for case in cases)
    print(f"{len(cases)} cases of {len(operators)} operators: {out} has {out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
