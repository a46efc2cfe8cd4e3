//! Softmax over the last axis, in place.
//!
//! The 8-bit version is TensorFlow Lite Micro's reference.

use crate::kernels::fixed_point::{exp_on_negative_values, one_over_one_plus_x};
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
                exp_on_negative_values::<DIFFERENCE_INTEGER_BITS>(scaled)
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
