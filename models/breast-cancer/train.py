"""Trains the breast-cancer model and writes this folder's model.onnx, calibration.npz, evaluation.npz and SHA256SUMS.

How to run, from this folder, with Python 3.11:

    python -m venv /tmp/venv && /tmp/venv/bin/pip install -r ../requirements.txt
    /tmp/venv/bin/python train.py

It takes a few seconds and prints the numbers quoted in CARD.md. With `--folds 6` it writes nothing and instead prints
the cross-validated accuracy within the training split, by which the settings below were chosen; the evaluation split
had no part in that choice.
"""

import argparse
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))
import common  # first: it sets flags for jax

import jax
import numpy as np
import optax
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import StratifiedKFold, train_test_split

SEED = 0
CALIBRATION_ROWS = 200
WIDTHS = [30, 16, 8, 2]

EPOCHS = 200
BATCH = 32
LEARNING_RATE = 5e-3
WEIGHT_DECAY = 0.5
LABEL_SMOOTHING = 0.05


def load():
    """The unscaled features as float32 and the classes (0 malignant, 1 benign), split into training and evaluation."""
    data = load_breast_cancer()
    x = data.data.astype(np.float32)
    y = data.target.astype(np.uint8)
    x_train, x_eval, y_train, y_eval = train_test_split(x, y, test_size=len(x) // 3, stratify=y, random_state=SEED)
    return x_train, y_train, x_eval, y_eval


def scaler(x):
    """Mean and standard deviation of each feature, over training data only."""
    return x.mean(0, dtype=np.float64).astype(np.float32), x.std(0, dtype=np.float64).astype(np.float32)


def initial(rng):
    """He-initialised dense layers."""
    return [
        {
            "weight": (rng.standard_normal((a, b)) * np.sqrt(2 / a)).astype(np.float32),
            "bias": np.zeros(b, np.float32),
        }
        for a, b in zip(WIDTHS, WIDTHS[1:])
    ]


def forward(layers, mean, deviation, x):
    """Logits for unscaled features [n, 30]."""
    x = (x - mean) / deviation
    for layer in layers[:-1]:
        x = jax.nn.relu(x @ layer["weight"] + layer["bias"])
    return x @ layers[-1]["weight"] + layers[-1]["bias"]


def train(x, y, seed):
    rng = np.random.default_rng(seed)
    mean, deviation = scaler(x)
    layers = initial(rng)
    steps = len(x) // BATCH
    schedule = optax.cosine_onecycle_schedule(EPOCHS * steps, LEARNING_RATE, pct_start=0.15)
    optimizer = optax.adamw(schedule, weight_decay=WEIGHT_DECAY)
    state = optimizer.init(layers)

    def loss(layers, x, y):
        targets = optax.smooth_labels(jax.nn.one_hot(y, WIDTHS[-1]), LABEL_SMOOTHING)
        return optax.softmax_cross_entropy(forward(layers, mean, deviation, x), targets).mean()

    def step(carry, batch):
        layers, state = carry
        value, gradients = jax.value_and_grad(loss)(layers, *batch)
        updates, state = optimizer.update(gradients, state, layers)
        return (optax.apply_updates(layers, updates), state), value

    epoch = jax.jit(lambda carry, batches: jax.lax.scan(step, carry, batches))
    carry = (layers, state)
    for number in range(1, EPOCHS + 1):
        order = rng.permutation(len(x))[: steps * BATCH]
        carry, values = epoch(carry, (x[order].reshape(steps, BATCH, -1), y[order].reshape(steps, BATCH)))
        if number % 50 == 0:
            print(f"epoch {number}: loss {values.mean():.4f}", flush=True)
    return jax.tree.map(np.asarray, carry[0]), mean, deviation


def accuracy(probabilities, y):
    return float((np.asarray(probabilities).argmax(1) == y).mean())


def export(layers, mean, deviation):
    """The scaler and the trained network as an ONNX graph. The second dense layer is MatMul and Add, the others Gemm:
    both forms occur in exported models."""
    g = common.GraphBuilder()
    x = g.node("Sub", "scaler.center", ["features", g.constant("scaler.mean", mean)])
    x = g.node("Div", "scaler.scale", [x, g.constant("scaler.deviation", deviation)])
    for number, layer in enumerate(layers, 1):
        name = f"dense{number}"
        if number == 2:
            x = g.node("MatMul", f"{name}.matmul", [x, g.constant(f"{name}.weight", layer["weight"])])
            x = g.node("Add", f"{name}.add", [x, g.constant(f"{name}.bias", layer["bias"])])
        else:
            weight = g.constant(f"{name}.weight", layer["weight"].T)
            x = g.node("Gemm", name, [x, weight, g.constant(f"{name}.bias", layer["bias"])], transB=1)
        if number < len(layers):
            x = g.node("Relu", f"relu{number}", [x])
    g.node("Softmax", "softmax", [x], output="probabilities", axis=1)
    return g.model("breast-cancer", "features", ["batch", WIDTHS[0]], "probabilities", ["batch", WIDTHS[-1]])


def cross_validate(folds):
    x, y, _, _ = load()
    scores = []
    for fold, (a, b) in enumerate(StratifiedKFold(folds, shuffle=True, random_state=SEED).split(x, y)):
        scores.append(accuracy(forward(*train(x[a], y[a], fold), x[b]), y[b]))
        print(f"fold {fold}: {scores[-1]:.4f}", flush=True)
    print(f"cross-validated accuracy: {np.mean(scores):.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folds", type=int, help="only cross-validate within the training split")
    folds = parser.parse_args().folds
    if folds:
        return cross_validate(folds)

    x_train, y_train, x_eval, y_eval = load()
    trained = train(x_train, y_train, SEED)
    model = export(*trained)
    common.write_model(FOLDER / "model.onnx", model)

    x_calibration, _, y_calibration, _ = train_test_split(
        x_train, y_train, train_size=CALIBRATION_ROWS, stratify=y_train, random_state=SEED
    )
    common.write_npz(FOLDER / "calibration.npz", x=x_calibration, y=y_calibration)
    common.write_npz(FOLDER / "evaluation.npz", x=x_eval, y=y_eval)
    common.write_sums(FOLDER)

    path = FOLDER / "model.onnx"
    common.assert_same(path, x_eval, jax.nn.softmax(forward(*trained, x_eval)))
    common.describe(FOLDER, model)
    result = common.run(path, x_eval).argmax(1)
    right = int((result == y_eval).sum())
    print(f"training accuracy: {accuracy(common.run(path, x_train), y_train):.4f} of {len(x_train)} rows")
    print(f"held-out accuracy: {right / len(y_eval):.4f} ({right} of {len(y_eval)} rows)")
    for true, name in enumerate(("malignant", "benign")):
        found = int((result[y_eval == true] == true).sum())
        print(f"held-out {name}: {found} of {int((y_eval == true).sum())} recognised")


if __name__ == "__main__":
    main()
