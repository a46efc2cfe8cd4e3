//! gemmlowp's fixed-point functions, which TensorFlow Lite's reference kernels are written in. A number with n integer
//! bits is an `i32` with 31 - n fractional bits.

use super::requantize::{rounding_divide_by_power_of_two, saturating_rounding_doubling_high_mul};

/// Multiplication by `2^exponent` that saturates.
pub fn saturating_shift_left(value: i32, exponent: u32) -> i32 {
    (i64::from(value) << exponent).clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

/// `exp(a)` for `a <= 0` with up to 5 integer bits; the result has none.
pub fn exp_on_negative_values<const INTEGER_BITS: u32>(a: i32) -> i32 {
    let quarter_bit = 31 - INTEGER_BITS - 2;
    let one_quarter = 1 << quarter_bit;
    /// exp(-2^k) for k from -2 to 4, without integer bits.
    const FACTORS: [i32; 7] = [1_672_461_947, 1_302_514_674, 790_015_084, 290_630_308, 39_332_535, 720_401, 242];
    if a == 0 {
        return i32::MAX;
    }
    let modulus = (a & (one_quarter - 1)) - one_quarter;
    let mut result = exp_between_minus_one_quarter_and_zero(saturating_shift_left(modulus, INTEGER_BITS));
    let remainder = modulus.wrapping_sub(a);
    for (bit, factor) in (quarter_bit..31).zip(FACTORS) {
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

/// `1 / (1 + x)` for `x` in [0, 1], without integer bits.
pub fn one_over_one_plus_x(x: i32) -> i32 {
    saturating_shift_left(half_denominator_quotient(x), 1)
}

/// `(1 - x) / (1 + x)` for `x` in [0, 1], without integer bits.
pub fn one_minus_x_over_one_plus_x(x: i32) -> i32 {
    saturating_shift_left(half_denominator_quotient(x).wrapping_sub(1 << 29), 2)
}

/// `2 / (1 + x)` with two integer bits: three Newton steps.
fn half_denominator_quotient(x: i32) -> i32 {
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
    estimate
}

/// The natural logarithm, with 5 integer bits, of a positive number with 12 integer bits: an expansion around the nearest
/// power of two or of two's root times one.
pub fn logarithm(x: i32) -> i32 {
    const LOG_2: i32 = 1_488_522_236;
    const ROOT_OF_HALF: i32 = 1_518_500_250;
    const FOURTH_ROOT_OF_HALF: i32 = 1_805_811_301;
    /// 11/240, 1/20 and 1/4 times the fourth root of 2, and 2 over that root less the root.
    const ALPHA: [i32; 4] = [117_049_297, 127_690_142, 638_450_708, 1_057_819_769];
    /// Integer bits of the exponents, and their quarter.
    const EXPONENT_BITS: i32 = 25;
    const QUARTER: i32 = 1 << (EXPONENT_BITS - 2);
    let multiply = saturating_rounding_doubling_high_mul;
    let headroom = |value: i32| value.leading_zeros().saturating_sub(1);
    let exponent = |headroom: u32| 12i32.wrapping_sub(headroom as i32).wrapping_shl(EXPONENT_BITS as u32);
    let first_headroom = headroom(x);
    let first = saturating_shift_left(multiply(saturating_shift_left(x, first_headroom), ROOT_OF_HALF), 1);
    let first_exponent = exponent(first_headroom.wrapping_add(1)).wrapping_add(QUARTER);
    let second_headroom = headroom(multiply(x, ROOT_OF_HALF));
    let second = saturating_shift_left(x, second_headroom);
    let second_exponent = exponent(second_headroom).wrapping_sub(QUARTER);
    let r = first.min(second);
    let p = ((i64::from(r) + i64::from(FOURTH_ROOT_OF_HALF) + 1) / 2) as i32;
    let q = r.wrapping_sub(FOURTH_ROOT_OF_HALF).wrapping_mul(2);
    let [cubic, square, linear, constant] = ALPHA;
    let q2 = multiply(q, q);
    let numerator = multiply(q, r).wrapping_add(multiply(multiply(q, q2), cubic));
    let denominator = multiply(p, constant.wrapping_add(q).wrapping_add(multiply(square, q2)));
    let reciprocal = one_over_one_plus_x(denominator.wrapping_add(multiply(linear, q)));
    let mantissa = multiply(rounding_divide_by_power_of_two(numerator, 6), reciprocal);
    saturating_shift_left(multiply(first_exponent.max(second_exponent), LOG_2).wrapping_add(mantissa), 1)
}

/// `1 / sqrt(x)` of an integer as the multiplier and the shift of a requantisation, 1 for `x` below 2: five Newton steps
/// from 1 (`GetInvSqrtQuantizedMultiplierExp` of TensorFlow Lite).
pub fn inverse_square_root(x: i32) -> (i32, i8) {
    const ROOT_OF_HALF: i32 = 1_518_500_250;
    if x <= 1 {
        return (i32::MAX, 0);
    }
    let multiply = saturating_rounding_doubling_high_mul;
    // Between 2^27 and 2^29, where it is x times a power of 4.
    let (mut x, mut shift) = (x, 11i32);
    while x >= 1 << 29 {
        x /= 4;
        shift = shift.wrapping_add(1);
    }
    let pairs = (x.leading_zeros().wrapping_sub(1) / 2).saturating_sub(1);
    shift = shift.wrapping_sub(pairs as i32);
    // Three integer bits from here on.
    let half = rounding_divide_by_power_of_two(x.wrapping_shl(pairs.wrapping_mul(2)) >> 1, 1);
    let mut root = 1i32 << 28;
    for _ in 0..5 {
        let cube = saturating_shift_left(multiply(multiply(root, root), root), 6);
        let three_halves = multiply((1 << 28) + (1 << 27), root);
        root = saturating_shift_left(three_halves.wrapping_sub(multiply(half, cube)), 3);
    }
    root = multiply(root, ROOT_OF_HALF);
    let left = 0i32.wrapping_sub(shift).max(0);
    (root.wrapping_shl(left as u32), 0i32.wrapping_sub(shift.max(0)) as i8)
}

/// `1 / (1 + exp(-x))` of a number with 4 integer bits; the result has none.
pub fn logistic(x: i32) -> i32 {
    if x == 0 {
        return 1 << 30;
    }
    let positive = one_over_one_plus_x(exp_on_negative_values::<4>(-x.saturating_abs()));
    if x > 0 { positive } else { i32::MAX - positive }
}

/// The hyperbolic tangent of a number with 4 integer bits; the result has none.
pub fn tanh(x: i32) -> i32 {
    if x == 0 {
        return 0;
    }
    // exp(-2 |x|): the same integer with one more integer bit.
    let positive = one_minus_x_over_one_plus_x(exp_on_negative_values::<5>(-x.saturating_abs()));
    if x > 0 { positive } else { -positive }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_near_the_real_ones() {
        for x in (-(15 << 27)..=15 << 27).step_by(997 * 131) {
            let real = f64::from(x) / f64::from(1u32 << 27);
            let unit = f64::from(1u32 << 31);
            let close = |got: i32, expected: f64| (f64::from(got) / unit - expected).abs() < 1e-6;
            assert!(close(logistic(x), 1.0 / (1.0 + (-real).exp())), "logistic {real}");
            assert!(close(tanh(x), real.tanh()), "tanh {real}");
        }
    }
}
