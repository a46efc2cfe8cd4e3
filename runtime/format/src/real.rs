//! Questions about floats, answered in integers: a device without a float unit then links no routine for them, as it checks
//! every rule but computes nothing.

/// All ones in the exponent.
const INFINITY: u32 = 0x7f80_0000;
const SIGN: u32 = 1 << 31;

/// Whether a number is neither infinite nor NaN.
pub(crate) fn is_finite(number: f32) -> bool {
    number.to_bits() & !SIGN < INFINITY
}

/// Whether a number is above zero, infinity included.
pub(crate) fn is_positive(number: f32) -> bool {
    let bits = number.to_bits();
    bits != 0 && bits <= INFINITY
}

/// `low <= high`; false where either is NaN.
pub(crate) fn is_at_most(low: f32, high: f32) -> bool {
    match (order(low), order(high)) {
        (Some(low), Some(high)) => low <= high,
        _ => false,
    }
}

/// An integer that is larger where the number is, the same for both zeros.
fn order(number: f32) -> Option<i64> {
    let magnitude = number.to_bits() & !SIGN;
    match (magnitude > INFINITY, number.to_bits() & SIGN != 0) {
        (true, _) => None,
        (false, true) => Some(i64::from(magnitude).wrapping_neg()),
        (false, false) => Some(magnitude.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_those_of_floats() {
        let numbers = [0.0, 1e-45, f32::MIN_POSITIVE, 0.5, 1.0, 3.4e38, f32::MAX, f32::INFINITY, f32::NAN];
        let numbers = numbers.iter().flat_map(|&number| [number, -number]).collect::<std::vec::Vec<f32>>();
        for &low in &numbers {
            assert_eq!(is_finite(low), low.is_finite(), "{low}");
            assert_eq!(is_positive(low), low > 0.0, "{low}");
            for &high in &numbers {
                assert_eq!(is_at_most(low, high), low <= high, "{low} {high}");
            }
        }
    }
}
