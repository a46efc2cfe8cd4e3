//! 8-bit functions as TensorFlow Lite Micro's reference kernels compute them, element by element: what the tables of the
//! `tflite` arithmetic hold. Each function names the kernel it follows.

use super::Parameters;
use super::multiplier::QuantizedMultiplier;
use crate::graph::Activation;
use crate::graph::ops::Unary;
use bantam::kernels::fixed_point::{logistic, saturating_shift_left, tanh};
use bantam::kernels::requantize::{
    multiply_by_quantized_multiplier, rounding_divide_by_power_of_two, saturating_rounding_doubling_high_mul,
};

/// The result for every integer from -128 on.
pub type Entries = [i8; 256];

/// The results of `function`, which maps the integer less its zero point to the result less its zero point.
fn entries(from: Parameters, to: Parameters, function: impl Fn(i32) -> i32) -> Entries {
    let mut integers = i8::MIN..=i8::MAX;
    std::array::from_fn(|_| {
        let integer = integers.next().unwrap_or_default();
        let result = function(i32::from(integer) - i32::from(from.zero_point));
        result.saturating_add(to.zero_point.into()).clamp(-128, 127) as i8
    })
}

fn scaled(value: i32, multiplier: QuantizedMultiplier) -> i32 {
    multiply_by_quantized_multiplier(value, multiplier.multiplier, multiplier.shift)
}

/// The same numbers in other integers: `QUANTIZE` of integers (`requantize.h`).
#[must_use]
pub fn requantized(from: Parameters, to: Parameters) -> Entries {
    let ratio = QuantizedMultiplier::new(f64::from(from.scale) / f64::from(to.scale));
    entries(from, to, |value| scaled(value, ratio))
}

/// A clamp between different integers: `RELU` (`activations.cc`), whose multiplier is an f32 quotient.
#[must_use]
pub fn clamped(from: Parameters, to: Parameters, activation: Activation) -> Entries {
    let ratio = QuantizedMultiplier::new(f64::from(from.scale / to.scale));
    let [low, high] = bounds(to, activation);
    entries(from, to, |value| scaled(value, ratio)).map(|entry| entry.clamp(low, high))
}

/// The integers that a clamp lets through (`CalculateActivationRangeQuantized`, `kernel_util.cc`): bounds are rounded
/// half away from zero.
#[must_use]
pub fn bounds(parameters: Parameters, activation: Activation) -> [i8; 2] {
    bounds_within(parameters, activation, [-128, 127]).map(|bound| bound as i8)
}

/// The same of integers between a smallest and a largest one.
#[must_use]
pub fn bounds_within(parameters: Parameters, activation: Activation, [least, greatest]: [i32; 2]) -> [i32; 2] {
    let integer = |bound: f32| {
        let steps = (bound / parameters.scale).round() as i32;
        steps.saturating_add(parameters.zero_point.into()).clamp(least, greatest)
    };
    let low = if activation.min == f32::NEG_INFINITY { least } else { integer(activation.min) };
    let high = if activation.max == f32::INFINITY { greatest } else { integer(activation.max) };
    [low, high.max(low)]
}

/// A function of every element; none where the reference has no 8-bit kernel of its own, so that the real function is
/// rounded.
#[must_use]
pub fn unary(unary: &Unary, from: Parameters, to: Parameters) -> Option<Entries> {
    let ratio = |factor: f32| QuantizedMultiplier::new(f64::from(factor));
    Some(match *unary {
        Unary::Sigmoid if to.zero_point == -128 => saturating(from, to, 8, logistic),
        Unary::Tanh if to.zero_point == 0 => saturating(from, to, 7, tanh),
        // `leaky_relu_common.cc`: both multipliers are f32 expressions.
        Unary::LeakyRelu { alpha } => {
            let slope = ratio(from.scale * alpha.abs() / to.scale);
            let identity = ratio(from.scale / to.scale);
            let negative = |value| if alpha < 0.0 { -scaled(value, slope) } else { scaled(value, slope) };
            entries(from, to, |value| if value >= 0 { scaled(value, identity) } else { negative(value) })
        }
        // `elementwise.cc`; the multiplier is an f32 quotient.
        Unary::Abs => {
            let identity = ratio(from.scale / to.scale);
            entries(from, to, |value| scaled(value.abs(), identity))
        }
        Unary::HardSwish => hard_swish(from, to)?,
        Unary::Rsqrt => reciprocal_root(from, to),
        // `elementwise.cc` of LiteRT: a quotient of floats, cut towards zero.
        Unary::Sqrt => entries(from, to, |value| (libm::sqrtf(from.scale * value as f32) / to.scale) as i32),
        // `elu.cc`: a table of floats.
        Unary::Elu { alpha: 1.0 } => rounded(from, to, |x| if x < 0.0 { libm::expf(x) - 1.0 } else { x }),
        _ => return None,
    })
}

/// `LUTPopulate`: the real function, multiplied by 1 / scale in f32 and rounded half away from zero.
#[must_use]
pub fn rounded(from: Parameters, to: Parameters, function: impl Fn(f32) -> f32) -> Entries {
    let inverse = 1.0 / to.scale;
    entries(from, to, |value| (function(from.scale * value as f32) * inverse).round() as i32)
}

/// `LOGISTIC` and `TANH` (`integer_ops/logistic.h`, `tanh.h`): gemmlowp functions of a number with 4 integer bits, whose
/// result gets `bits` fractional bits.
fn saturating(from: Parameters, to: Parameters, bits: u32, function: impl Fn(i32) -> i32) -> Entries {
    const INTEGER_BITS: i32 = 4;
    let real = f64::from(from.scale) * f64::from(1u32 << (31 - INTEGER_BITS));
    let (mantissa, shift) = libm::frexp(real);
    // Unlike elsewhere, a mantissa that rounds up to one is not carried into the shift.
    let multiplier = (mantissa * f64::from(1u32 << 31)).round().min(f64::from(i32::MAX)) as i32;
    let limit = f64::from((1 << INTEGER_BITS) - 1) * f64::from(1u32 << (31 - INTEGER_BITS)) / 2f64.powi(shift);
    let radius = limit.floor() as i32;
    let multiplier = QuantizedMultiplier { multiplier, shift: shift.clamp(-31, 30) as i8 };
    let (low, high) = (-128 - i32::from(to.zero_point), 127 - i32::from(to.zero_point));
    entries(from, to, |value| {
        if value <= -radius {
            low
        } else if value >= radius {
            high
        } else {
            rounding_divide_by_power_of_two(function(scaled(value, multiplier)), 31 - bits)
        }
    })
}

/// `HARD_SWISH` (`hard_swish.h`): 16-bit fixed point. None where the output's steps are finer than the input's / 128,
/// which the kernel refuses.
fn hard_swish(from: Parameters, to: Parameters) -> Option<Entries> {
    let fine_scale = (1.0 / 128.0) * from.scale;
    let output = QuantizedMultiplier::new(f64::from(fine_scale / to.scale));
    let reluish = QuantizedMultiplier::new(f64::from(fine_scale / (3.0 / 32768.0)));
    if output.shift > 0 {
        return None;
    }
    let half = |multiplier: i32| ((i64::from(multiplier) + (1 << 15)) >> 16).min(0x7fff) as i16;
    let (output_multiplier, reluish_multiplier) = (half(output.multiplier), half(reluish.multiplier));
    let exponent = i32::from(reluish.shift);
    Some(entries(from, to, |value| {
        let fine = (value * 128) as i16;
        let before_shift = rounding_high_half(fine, output_multiplier);
        let mut gate = fine;
        if exponent > 0 {
            gate = shifted_left(gate, exponent - 1);
        }
        gate = rounding_high_half(gate, reluish_multiplier);
        if exponent > 0 {
            gate = shifted_left(gate, 1);
        }
        if exponent < 0 {
            gate = rounding_divide_by_power_of_two(gate.into(), exponent.unsigned_abs()) as i16;
        }
        let gate = ((i32::from(gate) + (1 << 15)) >> 1) as i16;
        let product = i32::from(gate) * i32::from(before_shift) / (1 << 15);
        rounding_divide_by_power_of_two(product, u32::from(output.shift.unsigned_abs()))
    }))
}

/// gemmlowp's SaturatingRoundingDoublingHighMul of 16-bit numbers.
fn rounding_high_half(a: i16, b: i16) -> i16 {
    if a == i16::MIN && b == i16::MIN {
        return i16::MAX;
    }
    let product = i32::from(a) * i32::from(b);
    let nudge = if product >= 0 { 1 << 14 } else { 1 - (1 << 14) };
    ((product + nudge) / (1 << 15)) as i16
}

fn shifted_left(value: i16, exponent: i32) -> i16 {
    let shifted = i64::from(value) << exponent.clamp(0, 31);
    shifted.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// `RSQRT` (`elementwise.cc`); integers below the zero point, which the kernel refuses, give the largest result.
fn reciprocal_root(from: Parameters, to: Parameters) -> Entries {
    const SHIFT: i8 = 20;
    let rest = QuantizedMultiplier::new(1.0 / f64::from(libm::sqrtf(from.scale) * to.scale));
    entries(from, to, |value| {
        if value <= 0 {
            return i32::from(i8::MAX) - i32::from(to.zero_point);
        }
        let (multiplier, shift) = inverse_square_root(value);
        let root = multiply_by_quantized_multiplier(1, multiplier, shift + SHIFT);
        multiply_by_quantized_multiplier(root, rest.multiplier, rest.shift.saturating_sub(SHIFT))
    })
}

/// Multiplier and shift of `1 / sqrt(input)` (`GetInvSqrtQuantizedMultiplierExp`, `common.h`): five Newton steps with
/// 3 integer bits.
fn inverse_square_root(input: i32) -> (i32, i8) {
    const HALF_ROOT_OF_TWO: i32 = 1_518_500_250;
    const HALF_THREE: i32 = (1 << 28) + (1 << 27);
    if input <= 1 {
        return (i32::MAX, 0);
    }
    let (mut input, mut shift) = (input, 11i32);
    while input >= 1 << 29 {
        input /= 4;
        shift += 1;
    }
    let pairs = (input.leading_zeros() - 1) / 2 - 1;
    shift -= pairs as i32;
    input <<= 2 * pairs;
    let multiply = saturating_rounding_doubling_high_mul;
    let number = input >> 1;
    let half = rounding_divide_by_power_of_two(number, 1);
    let mut x = 1 << 28;
    for _ in 0..5 {
        // Products of numbers with 3 integer bits have 6 and 9; back to 3.
        let cube = saturating_shift_left(multiply(multiply(x, x), x), 6);
        x = saturating_shift_left(multiply(HALF_THREE, x).wrapping_sub(multiply(half, cube)), 3);
    }
    x = multiply(x, HALF_ROOT_OF_TWO);
    if shift < 0 {
        x = x.wrapping_shl(shift.unsigned_abs());
        shift = 0;
    }
    (x, -shift as i8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: Parameters = Parameters { scale: 0.04, zero_point: -13, wide: false };

    /// The largest distance in steps to the real function, where it is not saturated.
    fn distance(entries: &Entries, from: Parameters, to: Parameters, real: impl Fn(f32) -> f32) -> f32 {
        let steps = |(q, &entry): (i8, &i8)| {
            let exact = real(from.dequantize(q)) / to.scale + f32::from(to.zero_point);
            (f32::from(entry) - exact.clamp(-128.0, 127.0)).abs()
        };
        (i8::MIN..=i8::MAX).zip(entries).map(steps).fold(0.0, f32::max)
    }

    #[test]
    fn tables_are_near_the_real_functions() {
        let to = Parameters { scale: 0.05, zero_point: 7, wide: false };
        for (function, to, bound) in [
            (Unary::Sigmoid, Parameters::PROBABILITY, 0.51),
            (Unary::Tanh, Parameters::SIGNED_UNIT, 0.51),
            (Unary::LeakyRelu { alpha: 0.1 }, to, 0.6),
            (Unary::Abs, to, 0.6),
            (Unary::Elu { alpha: 1.0 }, to, 0.51),
            (Unary::HardSwish, to, 1.01),
        ] {
            let table = unary(&function, INPUT, to).unwrap();
            let far = distance(&table, INPUT, to, |x| function.apply(x));
            assert!(far <= bound, "{function:?}: {far}");
        }
        let positive = Parameters { scale: 0.04, zero_point: -128, wide: false };
        let table = unary(&Unary::Rsqrt, positive, to).unwrap();
        assert!(distance(&table, positive, to, |x| if x > 0.0 { 1.0 / x.sqrt() } else { 1e9 }) < 0.6);
        assert!(unary(&Unary::Sin, INPUT, to).is_none());
    }

    #[test]
    fn other_integers_for_the_same_numbers() {
        let same = requantized(INPUT, INPUT);
        assert!((i8::MIN..=i8::MAX).eq(same));
        let to = Parameters { scale: 0.08, zero_point: 0, wide: false };
        assert!(distance(&requantized(INPUT, to), INPUT, to, |x| x) <= 0.51);
        assert!(distance(&clamped(INPUT, to, Activation::RELU6), INPUT, to, |x| x.clamp(0.0, 6.0)) <= 0.51);
        // 2.5 steps: away from zero, not to even.
        assert_eq!(bounds(Parameters { scale: 2.4, zero_point: 0, wide: false }, Activation::RELU6), [0, 3]);
        assert_eq!(bounds(to, Activation::NONE), [-128, 127]);
    }
}
