//! Scale and zero point of an 8-bit or 16-bit tensor.

/// `real = scale * (integer - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// Real value of one integer step, above zero.
    pub scale: f32,
    /// The integer that stands for real zero, -128 to 127; 0 for 16-bit integers.
    pub zero_point: i8,
    /// Whether the integers have 16 bits.
    pub wide: bool,
}

impl Parameters {
    /// Probabilities from 0 to 255/256, as the softmax and logistic kernels give them.
    pub const PROBABILITY: Self = Self { scale: 1.0 / 256.0, zero_point: -128, wide: false };
    /// Logarithms from -255/16 to 0, as the kernel of a softmax's logarithm gives them.
    pub const LOGARITHM: Self = Self { scale: 1.0 / 16.0, zero_point: 127, wide: false };
    /// Values from -1 to 127/128: hyperbolic tangents and vectors of length 1.
    pub const SIGNED_UNIT: Self = Self { scale: 1.0 / 128.0, zero_point: 0, wide: false };
    /// 16-bit values from -1 to 32767/32768: probabilities, sigmoids and hyperbolic tangents.
    pub const WIDE_UNIT: Self = Self { scale: 1.0 / 32768.0, zero_point: 0, wide: true };

    /// The parameters that cover `min..=max`, widened to contain zero, with 256 values. Zero is represented exactly.
    /// A range without extent gives scale 1.
    #[must_use]
    pub fn covering(min: f32, max: f32) -> Self {
        let (min, max) = (f64::from(min.min(0.0)), f64::from(max.max(0.0)));
        let scale = ((max - min) / 255.0) as f32;
        if !scale.is_normal() {
            return Self { scale: 1.0, zero_point: 0, wide: false };
        }
        let zero_point = (-128.0 - min / f64::from(scale)).round_ties_even();
        Self { scale, zero_point: zero_point.clamp(-128.0, 127.0) as i8, wide: false }
    }

    /// The same with the 65,535 values of 16 bits that lie symmetrically around zero.
    #[must_use]
    pub fn covering_wide(min: f32, max: f32) -> Self {
        let scale = min.abs().max(max.abs()) / 32767.0;
        Self { scale: if scale.is_normal() { scale } else { 1.0 }, zero_point: 0, wide: true }
    }

    /// The smallest and the largest real number.
    #[must_use]
    pub fn bounds(self) -> [f32; 2] {
        if self.wide {
            [i16::MIN, i16::MAX].map(|q| self.dequantize_wide(q))
        } else {
            [i8::MIN, i8::MAX].map(|q| self.dequantize(q))
        }
    }

    /// The real number that the integer for `x` stands for.
    #[must_use]
    pub fn rounded(self, x: f32) -> f32 {
        if self.wide { self.dequantize_wide(self.quantize_wide(x)) } else { self.dequantize(self.quantize(x)) }
    }

    /// `saturate(round_half_even(x / scale) + zero_point)`; NaN gives the zero point.
    #[must_use]
    pub fn quantize(self, x: f32) -> i8 {
        bantam::kernels::scalar::quantize(x, self.scale, i32::from(self.zero_point), false)
    }

    /// The same to 16 bits.
    #[must_use]
    pub fn quantize_wide(self, x: f32) -> i16 {
        bantam::kernels::scalar::quantize_wide(x, self.scale, i32::from(self.zero_point), false)
    }

    /// The bytes of the integer for a real number, little-endian.
    #[must_use]
    pub fn quantized_bytes(self, x: f32) -> Vec<u8> {
        if self.wide { self.quantize_wide(x).to_le_bytes().to_vec() } else { self.quantize(x).to_le_bytes().to_vec() }
    }

    /// `(q - zero_point) * scale`.
    #[must_use]
    pub fn dequantize(self, q: i8) -> f32 {
        bantam::kernels::scalar::dequantize(q, self.scale, i32::from(self.zero_point))
    }

    /// The same of 16 bits.
    #[must_use]
    pub fn dequantize_wide(self, q: i16) -> f32 {
        bantam::kernels::scalar::dequantize_wide(q, self.scale, i32::from(self.zero_point))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ranges_without_extent_and_one_sided_ranges() {
        assert_eq!(Parameters::covering(0.0, 0.0), Parameters { scale: 1.0, zero_point: 0, wide: false });
        assert_eq!(Parameters::covering(3.0, 255.0), Parameters { scale: 1.0, zero_point: -128, wide: false });
        assert_eq!(Parameters::covering(-255.0, -3.0), Parameters { scale: 1.0, zero_point: 127, wide: false });
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
