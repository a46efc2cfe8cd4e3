//! Real multipliers as Q31 integers with a shift, for the `tflite` arithmetic.

/// A multiplier and a shift, positive to the left: `real = multiplier * 2^(shift - 31)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuantizedMultiplier {
    /// 2^30 to 2^31 - 1, or 0.
    pub multiplier: i32,
    /// -31 to 30.
    pub shift: i8,
}

impl QuantizedMultiplier {
    /// `QuantizeMultiplier` of TensorFlow Lite: the mantissa rounded half away from zero; multipliers below 2^-32
    /// become zero. `real` must be at least 0; beyond what a left shift of 30 can hold it saturates.
    #[must_use]
    pub fn new(real: f64) -> Self {
        if real <= 0.0 || real.is_nan() {
            return Self { multiplier: 0, shift: 0 };
        }
        let (mantissa, mut exponent) = libm::frexp(real);
        let mut fixed = (mantissa * f64::from(1u32 << 31)).round() as i64;
        if fixed == 1 << 31 {
            fixed /= 2;
            exponent += 1;
        }
        if exponent < -31 {
            return Self { multiplier: 0, shift: 0 };
        }
        if exponent > 30 {
            return Self { multiplier: i32::MAX, shift: 30 };
        }
        Self { multiplier: fixed as i32, shift: exponent as i8 }
    }

    /// The same for sums of at most `reach`, where that is known: nought where nothing else can come of them. Devices are
    /// quicker where every channel shifts to the right, so nought does too.
    #[must_use]
    pub fn for_sums_up_to(self, reach: Option<f64>) -> Self {
        let vanishes = reach.is_some_and(|reach| reach * self.real() < 0.25);
        if self.multiplier == 0 || vanishes { Self { multiplier: 0, shift: -1 } } else { self }
    }

    /// The real number it stands for.
    #[must_use]
    pub fn real(self) -> f64 {
        f64::from(self.multiplier) * 2f64.powi(i32::from(self.shift) - 31)
    }

    /// The multiplier of a mean over `count` elements, as TensorFlow Lite Micro's MEAN folds the division into it.
    #[must_use]
    pub fn divided(self, count: usize) -> Self {
        let count = count.max(1) as u64;
        let shift = i64::from(63 - count.leading_zeros()).min(32).min(31 + i64::from(self.shift));
        let multiplier = (i64::from(self.multiplier) << shift.max(0)) / count as i64;
        Self { multiplier: multiplier as i32, shift: (i64::from(self.shift) - shift.max(0)) as i8 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_can_only_become_nought_is_nought() {
        let nought = QuantizedMultiplier { multiplier: 0, shift: -1 };
        let small = QuantizedMultiplier::new(2f64.powi(-30));
        assert_eq!(small.for_sums_up_to(Some(1e6)), nought);
        assert_eq!(small.for_sums_up_to(Some(1e9)), small);
        assert_eq!(small.for_sums_up_to(None), small);
        assert_eq!(QuantizedMultiplier::new(0.0).for_sums_up_to(None), nought);
    }

    #[test]
    fn known_values() {
        assert_eq!(QuantizedMultiplier::new(1.0), QuantizedMultiplier { multiplier: 1 << 30, shift: 1 });
        assert_eq!(QuantizedMultiplier::new(0.5), QuantizedMultiplier { multiplier: 1 << 30, shift: 0 });
        assert_eq!(QuantizedMultiplier::new(0.0), QuantizedMultiplier { multiplier: 0, shift: 0 });
        // Rounds up to a power of two.
        assert_eq!(QuantizedMultiplier::new(1.0 - 1e-12), QuantizedMultiplier { multiplier: 1 << 30, shift: 1 });
        // Flushed to zero.
        assert_eq!(QuantizedMultiplier::new(2f64.powi(-33)), QuantizedMultiplier { multiplier: 0, shift: 0 });
        assert_eq!(QuantizedMultiplier::new(2f64.powi(-32)).multiplier, 1 << 30);
    }

    proptest! {
        #[test]
        fn relative_error_is_below_2_to_the_minus_31(real in 1e-9f64..1e6) {
            let error = (QuantizedMultiplier::new(real).real() - real).abs() / real;
            prop_assert!(error <= 2f64.powi(-31));
        }

        #[test]
        fn division_is_folded_in(real in 1e-6f64..1.0, count in 1usize..5000) {
            let divided = QuantizedMultiplier::new(real).divided(count).real();
            prop_assert!((divided * count as f64 / real - 1.0).abs() < 1e-8);
        }
    }
}
