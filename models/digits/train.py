"""Trains the digits model and writes this folder's model.onnx, the three .npz files and SHA256SUMS.

How to run, from this folder, with Python 3.11:

    python -m venv /tmp/venv && /tmp/venv/bin/pip install -r ../requirements.txt
    /tmp/venv/bin/python train.py

It takes about a minute and prints the numbers quoted in CARD.md. With `--folds 6` it writes nothing and instead
prints the cross-validated accuracy within the training split, by which the settings below were chosen; the
evaluation split had no part in that choice.
"""

import argparse
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))
import common  # first: it sets flags for jax

import jax
import jax.numpy as jnp
import numpy as np
import optax
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split

SEED = 0
CLASSES = 10
CALIBRATION_IMAGES = 200
PIXEL_MAX = 16

EPOCHS = 200
BATCH = 64
LEARNING_RATE = 1e-2
WEIGHT_DECAY = 0.2
LABEL_SMOOTHING = 0.05
NORM_EPSILON = 1e-5
NORM_MOMENTUM = 0.9

# The convolution layers in order: name, kind, input channels, output channels, stride. Each is followed by a batch
# normalization and a Relu; before the Relu of RESIDUAL_TO, the input of RESIDUAL_FROM is added.
LAYERS = [
    ("stem", "full", 1, 16, 1),
    ("down.depthwise", "depthwise", 16, 16, 2),
    ("down.pointwise", "pointwise", 16, 32, 1),
    ("block.depthwise", "depthwise", 32, 32, 1),
    ("block.pointwise", "pointwise", 32, 32, 1),
]
RESIDUAL_FROM = "block.depthwise"
RESIDUAL_TO = "block.pointwise"
FEATURES = LAYERS[-1][3]


def load():
    """The data as uint8 [n, 1, 8, 8] and its labels, split into training and evaluation."""
    digits = load_digits()
    x = digits.images.astype(np.uint8)[:, None]
    y = digits.target.astype(np.uint8)
    x_train, x_eval, y_train, y_eval = train_test_split(x, y, test_size=len(x) // 3, stratify=y, random_state=SEED)
    return x_train, y_train, x_eval, y_eval


# ---------------------------------------------------------------------------------------------- the network in jax
# Channels last here, because that is quick to compute; `export` turns the weights into ONNX's order.


def shifted(x, stride):
    """The nine views of x (padded by one) that a 3x3 kernel multiplies, in row order."""
    height, width = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [x[:, i : i + height : stride, j : j + width : stride] for i in range(3) for j in range(3)]


def convolve(kind, x, weight, stride):
    if kind == "full":
        return jnp.concatenate(shifted(x, stride), axis=-1) @ weight.reshape(-1, weight.shape[-1])
    if kind == "depthwise":
        return sum(view * weight[k // 3, k % 3] for k, view in enumerate(shifted(x, stride)))
    return x @ weight


def initial(rng):
    """He-initialised parameters, and the running statistics of the batch normalizations."""
    params, stats = {}, {}
    for name, kind, inputs, outputs, _ in LAYERS:
        shape = {"full": (3, 3, inputs, outputs), "depthwise": (3, 3, outputs), "pointwise": (inputs, outputs)}[kind]
        fan_in = np.prod(shape[:-1])
        params[name] = {
            "weight": (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32),
            "scale": np.ones(outputs, np.float32),
            "bias": np.zeros(outputs, np.float32),
        }
        stats[name] = {"mean": np.zeros(outputs, np.float32), "var": np.ones(outputs, np.float32)}
    params["dense"] = {
        "weight": (rng.standard_normal((FEATURES, CLASSES)) * np.sqrt(1 / FEATURES)).astype(np.float32),
        "bias": np.zeros(CLASSES, np.float32),
    }
    return params, stats


def forward(params, stats, x, training):
    """Logits for raw pixels [n, 8, 8, 1], and the running statistics after this batch (unchanged if not training)."""
    x = x * (1 / PIXEL_MAX)
    updated = {}
    for name, kind, _, _, stride in LAYERS:
        if name == RESIDUAL_FROM:
            kept = x
        layer, stat = params[name], stats[name]
        x = convolve(kind, x, layer["weight"], stride)
        if training:
            mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
            updated[name] = {
                "mean": NORM_MOMENTUM * stat["mean"] + (1 - NORM_MOMENTUM) * mean,
                "var": NORM_MOMENTUM * stat["var"] + (1 - NORM_MOMENTUM) * var,
            }
        else:
            mean, var, updated[name] = stat["mean"], stat["var"], stat
        x = (x - mean) / jnp.sqrt(var + NORM_EPSILON) * layer["scale"] + layer["bias"]
        if name == RESIDUAL_TO:
            x = x + kept
        x = jax.nn.relu(x)
    return x.mean((1, 2)) @ params["dense"]["weight"] + params["dense"]["bias"], updated


def probabilities(params, stats, x):
    pixels = jnp.asarray(x, jnp.float32).transpose(0, 2, 3, 1)
    return jax.nn.softmax(forward(params, stats, pixels, False)[0])


# -------------------------------------------------------------------------------------------------------- training


def augmented(x, rng):
    """Each image moved by -1, 0 or 1 pixels sideways. Not up or down: the digits fill the height."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (0, 0)))
    start = rng.integers(0, 3, len(x))
    columns = start[:, None] + np.arange(x.shape[2])
    return padded[np.arange(len(x))[:, None], :, columns].transpose(0, 2, 1, 3)


def train(x, y, seed):
    rng = np.random.default_rng(seed)
    params, stats = initial(rng)
    x = x.astype(np.float32).transpose(0, 2, 3, 1)
    steps = len(x) // BATCH
    schedule = optax.cosine_onecycle_schedule(EPOCHS * steps, LEARNING_RATE, pct_start=0.15)
    optimizer = optax.adamw(schedule, weight_decay=WEIGHT_DECAY)
    state = optimizer.init(params)

    def loss(params, stats, x, y):
        logits, stats = forward(params, stats, x, True)
        targets = optax.smooth_labels(jax.nn.one_hot(y, CLASSES), LABEL_SMOOTHING)
        return optax.softmax_cross_entropy(logits, targets).mean(), stats

    def step(carry, batch):
        params, stats, state = carry
        (value, stats), gradients = jax.value_and_grad(loss, has_aux=True)(params, stats, *batch)
        updates, state = optimizer.update(gradients, state, params)
        return (optax.apply_updates(params, updates), stats, state), value

    epoch = jax.jit(lambda carry, batches: jax.lax.scan(step, carry, batches))
    carry = (params, stats, state)
    for number in range(1, EPOCHS + 1):
        order = rng.permutation(len(x))[: steps * BATCH]
        images = augmented(x[order], rng).reshape(steps, BATCH, *x.shape[1:])
        carry, values = epoch(carry, (images, y[order].reshape(steps, BATCH)))
        if number % 50 == 0:
            print(f"epoch {number}: loss {values.mean():.4f}", flush=True)
    params, stats, _ = jax.tree.map(np.asarray, carry)
    return params, stats


def accuracy(probabilities, y):
    return float((np.asarray(probabilities).argmax(1) == y).mean())


# ---------------------------------------------------------------------------------------------------------- export


def export(params, stats):
    """The trained network as an ONNX graph, channels first, with its batch normalizations as nodes of their own."""
    g = common.GraphBuilder()
    x = g.node("Mul", "scale", ["image", g.constant("scale.factor", np.float32(1 / PIXEL_MAX))])
    for name, kind, _, outputs, stride in LAYERS:
        if name == RESIDUAL_FROM:
            kept = x
        layer, stat = params[name], stats[name]
        weight = layer["weight"]
        if kind == "full":
            weight = weight.transpose(3, 2, 0, 1)
        elif kind == "depthwise":
            weight = weight.transpose(2, 0, 1)[:, None]
        else:
            weight = weight.T[:, :, None, None]
        size = weight.shape[-1]
        x = g.node(
            "Conv",
            f"{name}.conv",
            [x, g.constant(f"{name}.conv.weight", weight)],
            kernel_shape=[size, size],
            pads=[size // 2] * 4,
            strides=[stride, stride],
            dilations=[1, 1],
            group=outputs if kind == "depthwise" else 1,
        )
        norm = [
            g.constant(f"{name}.norm.scale", layer["scale"]),
            g.constant(f"{name}.norm.bias", layer["bias"]),
            g.constant(f"{name}.norm.mean", stat["mean"]),
            g.constant(f"{name}.norm.var", stat["var"]),
        ]
        x = g.node("BatchNormalization", f"{name}.norm", [x, *norm], epsilon=NORM_EPSILON)
        if name == RESIDUAL_TO:
            x = g.node("Add", "block.add", [x, kept])
            x = g.node("Relu", "block.relu", [x])
        else:
            x = g.node("Relu", f"{name}.relu", [x])
    x = g.node("GlobalAveragePool", "pool", [x])
    x = g.node("Flatten", "flatten", [x], axis=1)
    weight = g.constant("dense.weight", params["dense"]["weight"].T)
    bias = g.constant("dense.bias", params["dense"]["bias"])
    x = g.node("Gemm", "dense", [x, weight, bias], transB=1)
    g.node("Softmax", "softmax", [x], output="probabilities", axis=1)
    return g.model("digits", "image", ["batch", 1, 8, 8], "probabilities", ["batch", CLASSES])


def cross_validate(folds):
    x, y, _, _ = load()
    scores = []
    for fold, (a, b) in enumerate(StratifiedKFold(folds, shuffle=True, random_state=SEED).split(x, y)):
        params, stats = train(x[a], y[a], fold)
        scores.append(accuracy(probabilities(params, stats, x[b]), y[b]))
        print(f"fold {fold}: {scores[-1]:.4f}", flush=True)
    print(f"cross-validated accuracy: {np.mean(scores):.4f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folds", type=int, help="only cross-validate within the training split")
    folds = parser.parse_args().folds
    if folds:
        return cross_validate(folds)

    x_train, y_train, x_eval, y_eval = load()
    params, stats = train(x_train, y_train, SEED)
    model = export(params, stats)
    common.write_model(FOLDER / "model.onnx", model)

    x_calibration, _, y_calibration, _ = train_test_split(
        x_train, y_train, train_size=CALIBRATION_IMAGES, stratify=y_train, random_state=SEED
    )
    common.write_npz(FOLDER / "calibration.npz", x=x_calibration, y=y_calibration)
    common.write_npz(FOLDER / "evaluation.npz", x=x_eval, y=y_eval)
    common.write_npz(FOLDER / "training.npz", x=x_train, y=y_train)
    common.write_sums(FOLDER, ("calibration.npz", "evaluation.npz", "model.onnx", "training.npz"))

    path = FOLDER / "model.onnx"
    common.assert_same(path, x_eval, probabilities(params, stats, x_eval))
    common.describe(FOLDER, model)
    result = common.run(path, x_eval)
    right = int((result.argmax(1) == y_eval).sum())
    print(f"training accuracy: {accuracy(common.run(path, x_train), y_train):.4f} of {len(x_train)} images")
    print(f"held-out accuracy: {right / len(y_eval):.4f} ({right} of {len(y_eval)} images)")
    wrong = [(int(t), int(p)) for t, p in zip(y_eval, result.argmax(1)) if t != p]
    print("held-out mistakes (true, predicted):", *wrong)


if __name__ == "__main__":
    main()
