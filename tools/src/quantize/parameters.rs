//! Scale and zero point of an 8-bit tensor.

/// `real = scale * (integer - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// Real value of one integer step, above zero.
    pub scale: f32,
    /// The integer that stands for real zero, -128 to 127.
    pub zero_point: i8,
}

impl Parameters {
    /// Probabilities from 0 to 255/256, as the softmax and logistic kernels give them.
    pub const PROBABILITY: Self = Self { scale: 1.0 / 256.0, zero_point: -128 };
    /// Values from -1 to 127/128: hyperbolic tangents.
    pub const SIGNED_UNIT: Self = Self { scale: 1.0 / 128.0, zero_point: 0 };

    /// The parameters that cover `min..=max`, widened to contain zero, with 256 values. Zero is represented exactly.
    /// A range without extent gives scale 1.
    #[must_use]
    pub fn covering(min: f32, max: f32) -> Self {
        let (min, max) = (f64::from(min.min(0.0)), f64::from(max.max(0.0)));
        let scale = ((max - min) / 255.0) as f32;
        if !scale.is_normal() {
            return Self { scale: 1.0, zero_point: 0 };
        }
        let zero_point = (-128.0 - min / f64::from(scale)).round_ties_even();
        Self { scale, zero_point: zero_point.clamp(-128.0, 127.0) as i8 }
    }

    /// `saturate(round_half_even(x / scale) + zero_point)`; NaN gives the zero point.
    #[must_use]
    pub fn quantize(self, x: f32) -> i8 {
        bantam::kernels::scalar::quantize(x, self.scale, i32::from(self.zero_point), false)
    }

    /// `(q - zero_point) * scale`.
    #[must_use]
    pub fn dequantize(self, q: i8) -> f32 {
        bantam::kernels::scalar::dequantize(q, self.scale, i32::from(self.zero_point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_without_extent_and_one_sided_ranges() {
        assert_eq!(Parameters::covering(0.0, 0.0), Parameters { scale: 1.0, zero_point: 0 });
        assert_eq!(Parameters::covering(3.0, 255.0), Parameters { scale: 1.0, zero_point: -128 });
        assert_eq!(Parameters::covering(-255.0, -3.0), Parameters { scale: 1.0, zero_point: 127 });
    }

    proptest! {
        #[test]
        fn zero_is_exact_and_values_inside_are_within_half_a_step(
            a in -100f32..100.0, b in -100f32..100.0, t in 0f32..1.0,
        ) {
            let parameters = Parameters::covering(a.min(b), a.max(b));
            prop_assert_eq!(parameters.dequantize(parameters.quantize(0.0)), 0.0);
            let (low, high) = (a.min(b).min(0.0), a.max(b).max(0.0));
            let x = low + t * (high - low);
            // Rounding the zero point moves the covered range by up to half a step.
            prop_assert!((parameters.dequantize(parameters.quantize(x)) - x).abs() <= parameters.scale * 1.01);
        }
    }
}
