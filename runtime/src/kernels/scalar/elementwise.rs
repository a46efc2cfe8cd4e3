//! Elementwise functions, in place.

use super::Number;
use crate::kernels::requantize::{clamp_f32, multiply_by_quantized_multiplier, round_and_saturate};
use bantam_format::ops::{BinaryKind, UnaryKind};

/// How an integer binary op scales its operands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BinaryScaling {
    /// Q31 multipliers and shifts. Sums are computed with 20 extra bits, as TensorFlow Lite Micro does.
    Tflite {
        /// First input.
        first: (u32, i8),
        /// Second input.
        second: (u32, i8),
        /// Output.
        output: (u32, i8),
    },
    /// Ratios of scales.
    Onnx {
        /// First input scale / output scale.
        first: f32,
        /// Second input scale / output scale.
        second: f32,
        /// Product of the input scales / output scale.
        output: f32,
    },
}

/// An integer binary op.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IntegerBinary {
    /// What is computed.
    pub kind: BinaryKind,
    /// Zero points of the first input, the second input and the output.
    pub zero_points: [i32; 3],
    /// Smallest and largest output.
    pub clamp: [i32; 2],
    /// Scaling.
    pub scaling: BinaryScaling,
}

/// Bits by which `tflite` sums are scaled up before they are rounded.
const LEFT_SHIFT: u32 = 20;

impl IntegerBinary {
    fn compute(&self, first: i8, second: i8) -> i8 {
        let [first_zero, second_zero, output_zero] = self.zero_points;
        let (a, b) = (i32::from(first) - first_zero, i32::from(second) - second_zero);
        match self.scaling {
            BinaryScaling::Tflite { first, second, output } => {
                let scale = |value: i32, (multiplier, shift): (u32, i8)| {
                    multiply_by_quantized_multiplier(value, multiplier as i32, shift)
                };
                let raw = if self.kind == BinaryKind::Mul {
                    a * b
                } else {
                    let (a, b) = (scale(a << LEFT_SHIFT, first), scale(b << LEFT_SHIFT, second));
                    if self.kind == BinaryKind::Sub { a.wrapping_sub(b) } else { a.wrapping_add(b) }
                };
                let [low, high] = self.clamp;
                scale(raw, output).saturating_add(output_zero).max(low).min(high) as i8
            }
            BinaryScaling::Onnx { first, second, output } => {
                let value = match self.kind {
                    BinaryKind::Mul => (a * b) as f32 * output,
                    BinaryKind::Sub => a as f32 * first - b as f32 * second,
                    _ => a as f32 * first + b as f32 * second,
                };
                round_and_saturate(value, output_zero, self.clamp)
            }
        }
    }
}

/// Combines `data` with `second`, which repeats.
pub fn binary_i8(parameters: &IntegerBinary, second: &[i8], data: &mut [i8]) {
    for (value, &second) in data.iter_mut().zip(second.iter().cycle()) {
        *value = parameters.compute(*value, second);
    }
}

/// Combines `data` with `second`, which repeats.
pub fn binary_f32(kind: BinaryKind, clamp: [f32; 2], second: &[f32], data: &mut [f32]) {
    for (value, &second) in data.iter_mut().zip(second.iter().cycle()) {
        let result = match kind {
            BinaryKind::Mul => *value * second,
            BinaryKind::Sub => *value - second,
            _ => *value + second,
        };
        *value = clamp_f32(result, clamp);
    }
}

/// Replaces every value by its entry; that of -128 stands first.
pub fn table(table: &[i8; 256], data: &mut [i8]) {
    for value in data {
        let index = usize::from(value.cast_unsigned() ^ 0x80);
        *value = table.get(index).copied().unwrap_or(0);
    }
}

/// Clamps every value.
pub fn clamp<T: Number>(bounds: [T; 2], data: &mut [T]) {
    for value in data {
        *value = value.clamp(bounds);
    }
}

/// One float function of `x`. Transcendentals are those of the `libm` crate, on every target.
pub fn unary(kind: UnaryKind, p: f32, q: f32, x: f32) -> f32 {
    let sigmoid = |x: f32| 1.0 / (1.0 + libm::expf(-x));
    let hard_sigmoid = |x: f32| clamp_f32(p * x + q, [0.0, 1.0]);
    match kind {
        UnaryKind::Sigmoid => sigmoid(x),
        UnaryKind::Tanh => libm::tanhf(x),
        UnaryKind::LeakyRelu => {
            if x < 0.0 {
                p * x
            } else {
                x
            }
        }
        UnaryKind::Elu => {
            if x < 0.0 {
                p * libm::expm1f(x)
            } else {
                x
            }
        }
        UnaryKind::HardSigmoid => hard_sigmoid(x),
        UnaryKind::HardSwish => x * hard_sigmoid(x),
        UnaryKind::Softplus => {
            // log(1 + e^x) without overflow: e^-|x| never exceeds 1.
            let positive = if x > 0.0 { x } else { 0.0 };
            positive + libm::log1pf(libm::expf(-libm::fabsf(x)))
        }
        UnaryKind::Exp => libm::expf(x),
        UnaryKind::Log => libm::logf(x),
        UnaryKind::Sqrt => libm::sqrtf(x),
        UnaryKind::Neg => -x,
        UnaryKind::Abs => libm::fabsf(x),
        UnaryKind::Erf => libm::erff(x),
        UnaryKind::Silu => x * sigmoid(x),
        UnaryKind::Gelu => 0.5 * x * (1.0 + libm::erff(x * core::f32::consts::FRAC_1_SQRT_2)),
        // `UnaryKind` grows with the format; the parser refuses kinds this version does not know.
        _ => x,
    }
}

/// `saturate(round(x / scale) + zero_point)`, rounding half to even or half away from zero. NaN gives the zero point.
pub fn quantize(x: f32, scale: f32, zero_point: i32, half_away: bool) -> i8 {
    let value = x / scale;
    if value.is_nan() {
        return zero_point.clamp(-128, 127) as i8;
    }
    let rounded = if half_away { libm::roundf(value) } else { value };
    round_and_saturate(rounded, zero_point, [-128, 127])
}

/// `(q - zero_point) * scale`.
pub fn dequantize(q: i8, scale: f32, zero_point: i32) -> f32 {
    (i32::from(q) - zero_point) as f32 * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantize_rounds_as_its_home_does() {
        let cases = [(0.5, 0, 1), (1.5, 2, 2), (2.5, 2, 3), (-0.5, 0, -1), (-2.5, -2, -3)];
        for (x, even, away) in cases {
            assert_eq!(quantize(x, 1.0, 0, false), even, "{x}");
            assert_eq!(quantize(x, 1.0, 0, true), away, "{x}");
        }
        assert_eq!(quantize(f32::NAN, 1.0, -7, false), -7);
        assert_eq!(quantize(f32::INFINITY, 1.0, -7, true), 127);
        assert_eq!(quantize(f32::MIN, 1e-30, -7, false), -128);
    }

    #[test]
    fn table_entry_of_the_lowest_value_stands_first() {
        let entries: [i8; 256] = core::array::from_fn(|index| (index as i32 - 128) as i8);
        let mut data = [-128, -1, 0, 127];
        table(&entries, &mut data);
        assert_eq!(data, [-128, -1, 0, 127]);
    }
}
