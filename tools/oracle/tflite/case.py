"""What a case is, and numbers that all cases draw from."""

from dataclasses import dataclass, field

import numpy as np

from model import Model

ACTIVATIONS = {"none": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3}
SAME, VALID = 0, 1


@dataclass
class Case:
    """A model of one operator, and how it is run."""

    operator: str
    detail: str
    model: Model
    seed: int
    runs: int = 1
    span: float = 4.0
    engine: str = "tflite-micro"
    file: bytes = field(default=b"", repr=False)

    @property
    def name(self):
        return f"{self.operator.lower()}/{self.detail}"


class Cases(list):
    """Collects cases; each draws its numbers from a generator of its own, by its position."""

    def add(self, operator, detail, build, **how):
        rng = np.random.default_rng(len(self) + 1)
        model = Model()
        further = build(model, rng)
        case = Case(operator, detail, model, seed=0x9E3779B9 ^ (len(self) * 2654435761 & 0xFFFFFFFF) or 1, **how)
        case.file = model.write(further or ())
        assert case.name not in {other.name for other in self}, case.name
        self.append(case)


def scale(rng, low=0.005, high=0.2):
    """A scale, spread evenly over its magnitudes, as the f32 that the file holds."""
    return float(np.float32(np.exp(rng.uniform(np.log(low), np.log(high)))))


def zero(rng, kind):
    """A zero point: 16-bit values are symmetric."""
    return int(rng.integers(-128, 128)) if kind == "i8" else 0


def quantized(rng, kind, low=0.005, high=0.2):
    """Scale and zero point of an activation; nothing for floats."""
    if kind == "f32":
        return ()
    return scale(rng, low, high) / (256 if kind == "i16" else 1), zero(rng, kind)


def spread(kind):
    """Standard deviation of an input's integers."""
    return 74.0 if kind == "i8" else 18900.0


def weights(model, rng, shape, kind, axis=0, per_channel=True, zero_point=0):
    """Constant weights with their scales: 8-bit (or 4-bit) integers, or floats."""
    if kind == "f32":
        return model.constant(rng.normal(0, 0.3, shape), "f32"), None
    edge = 7 if kind == "i4" else 127 - abs(zero_point) * 3
    values = rng.integers(-edge, edge + 1, shape)
    scales = [scale(rng, 0.002, 0.02) for _ in range(shape[axis] if per_channel else 1)]
    return model.constant(values, kind, scales, zero_point, axis), np.array(scales)


def bias(model, rng, channels, input_scale, scales, kind, words="i32", axis=0):
    """A bias at input scale times weight scale, a few hundred steps of the accumulator wide."""
    if scales is None:
        return model.constant(rng.normal(0, 0.5, channels), "f32")
    width = spread(kind) * 40
    values = rng.integers(-int(width), int(width), channels)
    both = [float(np.float32(np.float32(input_scale) * np.float32(s))) for s in scales]
    return model.constant(values, words, both, 0, axis)


def result(model, rng, shape, kind, input_kind, input_scale, scales, taps):
    """An output whose scale spreads the sums of `taps` products over its integers."""
    if kind == "f32":
        return model.output(shape, "f32")
    width = spread(input_kind) * float(np.mean(scales)) * input_scale * 60 * np.sqrt(taps)
    steps = 45.0 if kind == "i8" else 11000.0
    return model.output(shape, kind, float(np.float32(width / steps)), zero(rng, kind))


def extent(size, kernel, stride, dilation, padding):
    """Windows along an axis."""
    window = (kernel - 1) * dilation + 1
    return -(-size // stride) if padding == SAME else (size - window) // stride + 1
