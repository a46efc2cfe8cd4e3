"""Writes the operator cases of the ONNX standard, as the `onnx` package ships them, into a folder.

    python write_cases.py FOLDER

Each case becomes `FOLDER/<kind>/<name>/model.onnx` with `data_<set>/input_<i>.pb` and `output_<i>.pb` beside it, one
`TensorProto` per file. `FOLDER/cases.json` lists the cases and the operator each is about. A folder that this script
and this version of the package have filled already is left as it is.
"""

import hashlib
import json
import pathlib
import shutil
import sys
import warnings

import onnx
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases
from onnx.backend.test.loader import load_model_tests
from onnx.backend.test.runner import Runner

# The models that the package ships whole; `real` ones would have to be downloaded.
MODEL_KINDS = ["simple", "pytorch-operator", "pytorch-converted"]


def main(folder: pathlib.Path) -> None:
    script = pathlib.Path(__file__).read_bytes()
    stamp = hashlib.sha256(script + onnx.__version__.encode()).hexdigest()
    listing = folder / "cases.json"
    if listing.exists() and json.loads(listing.read_text())["stamp"] == stamp:
        return
    if folder.exists():
        shutil.rmtree(folder)
    cases = [*node_cases(folder), *model_cases(folder), *light_cases(folder)]
    cases.sort(key=lambda case: (case["kind"], case["name"]))
    listing.write_text(json.dumps({"onnx": onnx.__version__, "stamp": stamp, "cases": cases}, indent=1))


def node_cases(folder: pathlib.Path):
    """One operator each; functions of the standard also written out as the operators they stand for."""
    cases = collect_testcases(None)
    operators = {case.name: case.model.graph.node[0].op_type for case in cases}
    for case in cases:
        directory = folder / "node" / case.name
        directory.mkdir(parents=True)
        onnx.save(case.model, directory / "model.onnx")
        for index, (inputs, outputs) in enumerate(case.data_sets):
            write_set(directory / f"data_{index}", inputs, outputs)
        whole = case.name.split("_expanded")[0]
        operator = operators.get(whole, operators[case.name])
        yield listed("node", case.name, operator, case.rtol, case.atol)


def model_cases(folder: pathlib.Path):
    """Small models as PyTorch once exported them."""
    for kind in MODEL_KINDS:
        for case in load_model_tests(kind=kind):
            directory = folder / kind / case.name
            directory.mkdir(parents=True)
            source = pathlib.Path(case.model_dir)
            shutil.copy(source / "model.onnx", directory / "model.onnx")
            for index, data in enumerate(sorted(source.glob("test_data_set_*"))):
                shutil.copytree(data, directory / f"data_{index}")
            yield listed(kind, case.name, kind, case.rtol, case.atol)


def light_cases(folder: pathlib.Path):
    """Well-known networks with constant weights; their inputs are made as the package's own runner makes them."""
    shipped = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    for source in sorted(shipped.glob("light_*.onnx")):
        name = source.stem
        directory = folder / "light" / name
        directory.mkdir(parents=True)
        shutil.copy(source, directory / "model.onnx")
        graph = onnx.load(source).graph
        constants = {constant.name for constant in graph.initializer}
        inputs = [
            Runner.generate_dummy_data(value, seed=0, name=name, random=False)
            for value in graph.input
            if value.name not in constants
        ]
        write_set(directory / "data_0", inputs, [])
        for index in range(len(graph.output)):
            shutil.copy(shipped / f"{name}_output_{index}.pb", directory / "data_0" / f"output_{index}.pb")
        yield listed("light", name, "light", 1e-3, 1e-7)


def write_set(directory: pathlib.Path, inputs, outputs) -> None:
    directory.mkdir()
    for role, values in [("input", inputs), ("output", outputs)]:
        for index, value in enumerate(values):
            (directory / f"{role}_{index}.pb").write_bytes(serialized(value))


def serialized(value) -> bytes:
    """A tensor message; empty for sequences, maps and options, which no model that can be imported has."""
    if isinstance(value, onnx.TensorProto):
        return value.SerializeToString()
    try:
        return numpy_helper.from_array(value).SerializeToString()
    except (AttributeError, TypeError, ValueError, NotImplementedError, RuntimeError):
        return b""


def listed(kind: str, name: str, operator: str, rtol: float, atol: float) -> dict:
    return {"kind": kind, "name": name, "operator": operator, "rtol": rtol, "atol": atol}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
