//! Softmax over the last axis, in place.
//!
//! The 8-bit version is TensorFlow Lite Micro's reference, written from gemmlowp's definition of its fixed-point
//! numbers: a value with n integer bits is an `i32` with 31 - n fractional bits.

use crate::kernels::requantize::{rounding_divide_by_power_of_two, saturating_rounding_doubling_high_mul};

/// Float softmax of every `classes` elements: subtract the maximum, exponentiate (`libm`), divide by the sum.
pub fn softmax_f32(classes: usize, beta: f32, data: &mut [f32]) {
    for row in data.chunks_exact_mut(classes.max(1)) {
        let max = row.iter().fold(f32::NEG_INFINITY, |max, &value| if value > max { value } else { max });
        let mut sum = 0.0;
        for value in row.iter_mut() {
            *value = libm::expf((*value - max) * beta);
            sum += *value;
        }
        for value in row {
            *value /= sum;
        }
    }
}

/// Integer bits of the scaled differences to the maximum.
const DIFFERENCE_INTEGER_BITS: u32 = 5;
/// Integer bits of the sum of exponentials.
const SUM_INTEGER_BITS: u32 = 12;

/// 8-bit softmax of every `classes` elements. `multiplier` and `shift` are those of `input scale * beta * 2^26`; the
/// output has scale 1/256 and zero point -128.
pub fn softmax_i8(classes: usize, multiplier: u32, shift: i8, data: &mut [i8]) {
    let multiplier = multiplier as i32;
    let shift = u32::from(shift.unsigned_abs()).min(30);
    // Below this difference the exponential is taken as zero: gemmlowp's input radius.
    let radius = ((1i64 << DIFFERENCE_INTEGER_BITS) - 1) << (31 - DIFFERENCE_INTEGER_BITS);
    let difference_min = -(radius >> shift);
    for row in data.chunks_exact_mut(classes.max(1)) {
        let max = i32::from(row.iter().copied().max().unwrap_or(0));
        let exponential = |value: i8| {
            let difference = i32::from(value) - max;
            (i64::from(difference) >= difference_min).then(|| {
                let scaled = saturating_rounding_doubling_high_mul(difference.wrapping_shl(shift), multiplier);
                exp_on_negative_values(scaled)
            })
        };
        let terms = row.iter().filter_map(|&value| exponential(value));
        let sum =
            terms.fold(0i32, |sum, term| sum.wrapping_add(rounding_divide_by_power_of_two(term, SUM_INTEGER_BITS)));
        let headroom = sum.leading_zeros();
        let reciprocal = one_over_one_plus_x(((sum as u32).wrapping_shl(headroom) as i32).wrapping_sub(i32::MIN));
        let bits = (SUM_INTEGER_BITS + 31 - 8).saturating_sub(headroom);
        for value in row {
            *value = match exponential(*value) {
                Some(term) => {
                    let probability = saturating_rounding_doubling_high_mul(reciprocal, term);
                    let output = rounding_divide_by_power_of_two(probability, bits) - 128;
                    output.clamp(-128, 127) as i8
                }
                None => i8::MIN,
            };
        }
    }
}

/// Multiplication by `2^exponent` that saturates.
fn saturating_shift_left(value: i32, exponent: u32) -> i32 {
    (i64::from(value) << exponent).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

/// `exp(a)` for `a <= 0` with 5 integer bits; the result has none.
fn exp_on_negative_values(a: i32) -> i32 {
    const FRACTIONAL_BITS: u32 = 31 - DIFFERENCE_INTEGER_BITS;
    const ONE_QUARTER: i32 = 1 << (FRACTIONAL_BITS - 2);
    /// exp(-2^k) for k from -2 to 4, without integer bits.
    const FACTORS: [i32; 7] = [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    if a == 0 {
        return i32::MAX;
    }
    let modulus = (a & (ONE_QUARTER - 1)) - ONE_QUARTER;
    let mut result = exp_between_minus_one_quarter_and_zero(saturating_shift_left(modulus, DIFFERENCE_INTEGER_BITS));
    let remainder = modulus.wrapping_sub(a);
    for (bit, factor) in (FRACTIONAL_BITS - 2..).zip(FACTORS) {
        if remainder & (1 << bit) != 0 {
            result = saturating_rounding_doubling_high_mul(result, factor);
        }
    }
    result
}

/// `exp(a)` for `a` in [-1/4, 0) without integer bits: a Taylor expansion around -1/8.
fn exp_between_minus_one_quarter_and_zero(a: i32) -> i32 {
    const EXP_MINUS_ONE_EIGHTH: i32 = 1_895_147_668;
    const ONE_THIRD: i32 = 715_827_883;
    let multiply = saturating_rounding_doubling_high_mul;
    let x = a.wrapping_add(1 << 28);
    let x2 = multiply(x, x);
    let x3 = multiply(x2, x);
    let x4 = multiply(x2, x2);
    let x4_over_4 = rounding_divide_by_power_of_two(x4, 2);
    let cubic = multiply(x4_over_4.wrapping_add(x3), ONE_THIRD).wrapping_add(x2);
    let tail = rounding_divide_by_power_of_two(cubic, 1);
    EXP_MINUS_ONE_EIGHTH.wrapping_add(multiply(EXP_MINUS_ONE_EIGHTH, x.wrapping_add(tail)))
}

/// `1 / (1 + x)` for `x` in [0, 1] without integer bits: three Newton steps.
fn one_over_one_plus_x(x: i32) -> i32 {
    const FORTY_EIGHT_OVER_17: i32 = 1_515_870_810;
    const MINUS_THIRTY_TWO_OVER_17: i32 = -1_010_580_540;
    let multiply = saturating_rounding_doubling_high_mul;
    let sum = i64::from(x) + i64::from(i32::MAX);
    let half_denominator = ((sum + if sum >= 0 { 1 } else { -1 }) / 2) as i32;
    // Two integer bits from here on.
    let mut estimate = FORTY_EIGHT_OVER_17.wrapping_add(multiply(half_denominator, MINUS_THIRTY_TWO_OVER_17));
    for _ in 0..3 {
        let error = (1i32 << 29).wrapping_sub(multiply(half_denominator, estimate));
        estimate = estimate.wrapping_add(saturating_shift_left(multiply(estimate, error), 2));
    }
    saturating_shift_left(estimate, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `QuantizeMultiplier` for a value above 1.
    fn parameters(scale: f64) -> (u32, i8) {
        let (mut mantissa, mut exponent) = libm::frexp(scale * f64::from(1 << 26));
        mantissa *= f64::from(1u32 << 31);
        if mantissa.round() >= f64::from(1u32 << 31) {
            mantissa /= 2.0;
            exponent += 1;
        }
        (mantissa.round() as u32, exponent as i8)
    }

    proptest! {
        #[test]
        fn integer_softmax_is_within_one_step_of_the_real_one(
            logits in proptest::collection::vec(any::<i8>(), 1..40),
            scale in 0.001f64..0.5,
        ) {
            let (multiplier, shift) = parameters(scale);
            let mut data = logits.clone();
            softmax_i8(logits.len(), multiplier, shift, &mut data);
            let exponentials: std::vec::Vec<f64> =
                logits.iter().map(|&v| ((f64::from(v) - f64::from(*logits.iter().max().unwrap())) * scale).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            for (got, exponential) in data.iter().zip(exponentials) {
                let real = (exponential / sum * 256.0 - 128.0).clamp(-128.0, 127.0);
                prop_assert!((f64::from(*got) - real).abs() <= 1.0, "{} {}", got, real);
            }
        }
    }

    #[test]
    fn float_softmax_sums_to_one_and_survives_large_logits() {
        let mut data = [1000.0, 1000.0, -1000.0, 0.0, 1.0, 2.0];
        softmax_f32(3, 1.0, &mut data);
        assert_eq!(data[..3], [0.5, 0.5, 0.0]);
        assert!((data[3..].iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
