//! Softmax over the last axis and its logarithm, in place.
//!
//! The 8-bit versions are TensorFlow Lite Micro's reference.

use crate::kernels::fixed_point::{exp_on_negative_values, logarithm, one_over_one_plus_x};
use crate::kernels::requantize::{rounding_divide_by_power_of_two, saturating_rounding_doubling_high_mul};

/// The largest number; NaN is none.
#[inline(never)]
fn largest(row: &[f32]) -> f32 {
    row.iter().fold(f32::NEG_INFINITY, |max, &value| if value > max { value } else { max })
}

/// Float softmax of every `classes` elements: subtract the maximum, exponentiate (`libm`), divide by the sum.
pub fn softmax_f32(classes: usize, beta: f32, data: &mut [f32]) {
    for row in data.chunks_exact_mut(classes.max(1)) {
        let max = largest(row);
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

/// Logarithm of the float softmax of every `classes` elements.
pub fn log_softmax_f32(classes: usize, beta: f32, data: &mut [f32]) {
    for row in data.chunks_exact_mut(classes.max(1)) {
        let max = largest(row);
        let mut sum = 0.0;
        for value in row.iter_mut() {
            *value = (*value - max) * beta;
            sum += libm::expf(*value);
        }
        let logarithm = libm::logf(sum);
        for value in row {
            *value -= logarithm;
        }
    }
}

/// Integer bits of the scaled differences to the maximum.
const DIFFERENCE_INTEGER_BITS: u32 = 5;
/// Integer bits of the sum of exponentials.
const SUM_INTEGER_BITS: u32 = 12;

/// A row of 8-bit logits: their maximum, and how differences to it become exponents.
struct Row {
    max: i32,
    multiplier: i32,
    shift: u32,
    /// Below this difference the exponential is taken as zero: gemmlowp's input radius.
    difference_min: i64,
}

impl Row {
    #[inline(always)]
    fn new(row: &[i8], multiplier: u32, shift: i8) -> Self {
        let shift = u32::from(shift.unsigned_abs()).min(30);
        let radius = ((1i64 << DIFFERENCE_INTEGER_BITS) - 1) << (31 - DIFFERENCE_INTEGER_BITS);
        let max = i32::from(row.iter().copied().max().unwrap_or(0));
        Self { max, multiplier: multiplier as i32, shift, difference_min: -(radius >> shift) }
    }

    /// The scaled difference of a logit to the maximum, with [`DIFFERENCE_INTEGER_BITS`], where it counts.
    #[inline(always)]
    fn difference(&self, value: i8) -> Option<i32> {
        let difference = i32::from(value) - self.max;
        (i64::from(difference) >= self.difference_min)
            .then(|| saturating_rounding_doubling_high_mul(difference.wrapping_shl(self.shift), self.multiplier))
    }

    /// Its exponential, without integer bits.
    #[inline(always)]
    fn exponential(&self, value: i8) -> Option<i32> {
        self.difference(value).map(exp_on_negative_values::<DIFFERENCE_INTEGER_BITS>)
    }

    /// The sum of the exponentials, with [`SUM_INTEGER_BITS`].
    #[inline(always)]
    fn sum(&self, row: &[i8]) -> i32 {
        let terms = row.iter().filter_map(|&value| self.exponential(value));
        terms.fold(0i32, |sum, term| sum.wrapping_add(rounding_divide_by_power_of_two(term, SUM_INTEGER_BITS)))
    }
}

/// 8-bit softmax of every `classes` elements. `multiplier` and `shift` are those of `input scale * beta * 2^26`; the
/// output has scale 1/256 and zero point -128.
pub fn softmax_i8(classes: usize, multiplier: u32, shift: i8, data: &mut [i8]) {
    for values in data.chunks_exact_mut(classes.max(1)) {
        let row = Row::new(values, multiplier, shift);
        let sum = row.sum(values);
        let headroom = sum.leading_zeros();
        let reciprocal = one_over_one_plus_x(((sum as u32).wrapping_shl(headroom) as i32).wrapping_sub(i32::MIN));
        let bits = (SUM_INTEGER_BITS + 31 - 8).saturating_sub(headroom);
        for value in values {
            *value = match row.exponential(*value) {
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

/// Integer bits of logarithms: outputs have 4 fractional ones.
const LOGARITHM_INTEGER_BITS: u32 = 4;

/// Logarithm of the 8-bit softmax of every `classes` elements, with the parameters of [`softmax_i8`]; the output has scale
/// 1/16 and zero point 127.
pub fn log_softmax_i8(classes: usize, multiplier: u32, shift: i8, data: &mut [i8]) {
    for values in data.chunks_exact_mut(classes.max(1)) {
        let row = Row::new(values, multiplier, shift);
        let logarithm = logarithm(row.sum(values));
        for value in values {
            *value = row.difference(*value).map_or(i8::MIN, |difference| {
                let bits = 31 - DIFFERENCE_INTEGER_BITS - LOGARITHM_INTEGER_BITS;
                let output = rounding_divide_by_power_of_two(difference.saturating_sub(logarithm), bits);
                output.saturating_add(127).clamp(-128, 127) as i8
            });
        }
    }
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
