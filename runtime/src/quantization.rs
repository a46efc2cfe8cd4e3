//! What the integers of an input or an output stand for.

use crate::kernels::scalar;

/// `real = scale * (q - zero_point)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Real value of one integer step; positive.
    pub scale: f32,
    /// The integer that stands for real zero: -128 to 127, 0 for 16-bit integers.
    pub zero_point: i32,
}

impl Quantization {
    /// The integer nearest to a real value, half to even; beyond the range the last one, and the zero point for NaN.
    /// Computes in floating point: a device without a float unit better scales its readings itself.
    pub fn quantize(&self, real: f32) -> i8 {
        scalar::quantize(real, self.scale, self.zero_point, false)
    }

    /// The same for 16-bit integers.
    pub fn quantize_wide(&self, real: f32) -> i16 {
        scalar::quantize_wide(real, self.scale, self.zero_point, false)
    }

    /// The real value of an integer of 16 bits.
    pub fn dequantize_wide(&self, q: i16) -> f32 {
        scalar::dequantize_wide(q, self.scale, self.zero_point)
    }

    /// The real value of an integer.
    pub fn dequantize(&self, q: i8) -> f32 {
        scalar::dequantize(q, self.scale, self.zero_point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let quantization = Quantization { scale: 0.5, zero_point: -3 };
        assert_eq!([1.0, 0.24, -62.5, 1e9, f32::NAN].map(|x| quantization.quantize(x)), [-1, -3, -128, 127, -3]);
        assert_eq!(quantization.dequantize(-1), 1.0);
    }
}
