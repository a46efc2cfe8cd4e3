"""Writes what TensorFlow Lite Micro answers on seeded inputs, for whole models with 8-bit inputs and outputs.

    python write_runs.py --count 1000 FOLDER [MODEL.tflite ...]

For each model given, and each network of `networks.py`, FOLDER gets NAME.tflite, NAME.input (all inputs, one after another)
and NAME.output (likewise). All runs of a model are made in one session, so variables go from run to run.
"""

import argparse
import pathlib

import engine
from networks import NETWORKS


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("models", type=pathlib.Path, nargs="*")
    arguments = parser.parse_args()
    files = {path.stem: path.read_bytes() for path in arguments.models}
    files |= {name: build()[1] for name, build in NETWORKS.items()}
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        inputs, outputs = engine.seeded_runs(file, arguments.count)
        for ending, data in (("tflite", file), ("input", inputs.tobytes()), ("output", outputs.tobytes())):
            (arguments.folder / f"{name}.{ending}").write_bytes(data)


if __name__ == "__main__":
    main()
