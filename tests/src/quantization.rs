//! Quantisation parameters and requantisation tables, written for the tests alone.

use bantam_format::Arithmetic;

/// Scale and zero point of an 8-bit tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantization {
    /// Real value of one step.
    pub scale: f32,
    /// The integer that stands for real zero.
    pub zero_point: i8,
}

impl Quantization {
    /// The parameters that spread `[min, max]`, widened to hold zero, over all 256 values.
    pub fn of_range(min: f32, max: f32) -> Self {
        let (min, max) = (f64::from(min.min(0.0)), f64::from(max.max(0.0)));
        let scale = ((max - min) / 255.0).max(1e-6);
        let zero_point = (-128.0 - min / scale).round().clamp(-128.0, 127.0);
        Self { scale: scale as f32, zero_point: zero_point as i8 }
    }

    /// The parameters for these values.
    pub fn of_values(values: &[f32]) -> Self {
        let bounds = values.iter().fold((0f32, 0f32), |(min, max), &value| (min.min(value), max.max(value)));
        Self::of_range(bounds.0, bounds.1)
    }

    /// The real value of a step.
    pub fn dequantize(&self, value: i8) -> f32 {
        (i32::from(value) - i32::from(self.zero_point)) as f32 * self.scale
    }

    /// The real values of steps.
    pub fn dequantize_all(&self, values: &[i8]) -> Vec<f32> {
        values.iter().map(|&value| self.dequantize(value)).collect()
    }

    /// Where a real value lies among the steps, not rounded, within `[low, high]`.
    pub fn position(&self, value: f32, [low, high]: [i8; 2]) -> f64 {
        let position = f64::from(value) / f64::from(self.scale) + f64::from(self.zero_point);
        position.clamp(f64::from(low), f64::from(high))
    }

    /// The nearest step.
    pub fn quantize(&self, value: f32) -> i8 {
        self.position(value, [i8::MIN, i8::MAX]).round_ties_even() as i8
    }
}

/// `real = multiplier / 2^31 * 2^shift` with a multiplier in `[2^30, 2^31)`, or zero where `real` is too small.
pub fn quantize_multiplier(real: f64) -> (i32, i8) {
    if real <= 0.0 {
        return (0, 0);
    }
    let mut shift = 0i8;
    let mut mantissa = real;
    while mantissa >= 1.0 {
        mantissa /= 2.0;
        shift += 1;
    }
    while mantissa < 0.5 && shift > -100 {
        mantissa *= 2.0;
        shift -= 1;
    }
    let mut multiplier = (mantissa * (1u64 << 31) as f64).round() as i64;
    if multiplier == 1 << 31 {
        multiplier /= 2;
        shift += 1;
    }
    if shift < -31 { (0, 0) } else { (multiplier as i32, shift) }
}

/// One multiplier in the given arithmetic: its 32 bits and its shift.
pub fn multiplier(arithmetic: Arithmetic, real: f64) -> (u32, i8) {
    match arithmetic {
        Arithmetic::Tflite => {
            let (multiplier, shift) = quantize_multiplier(real);
            (multiplier.cast_unsigned(), shift)
        }
        _ => ((real as f32).to_bits(), 0),
    }
}

/// A requantisation table: multipliers, then under `tflite` the shifts.
pub fn table(arithmetic: Arithmetic, reals: &[f64]) -> Vec<u8> {
    let entries: Vec<_> = reals.iter().map(|&real| multiplier(arithmetic, real)).collect();
    let mut bytes: Vec<u8> = entries.iter().flat_map(|(multiplier, _)| multiplier.to_le_bytes()).collect();
    if arithmetic == Arithmetic::Tflite {
        bytes.extend(entries.iter().map(|(_, shift)| shift.cast_unsigned()));
    }
    bytes
}

/// The 256 entries of a lookup table for a real function, that of -128 first.
pub fn lookup_table(input: Quantization, output: Quantization, function: impl Fn(f32) -> f32) -> Vec<i8> {
    (i8::MIN..=i8::MAX).map(|value| output.quantize(function(input.dequantize(value)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multipliers_stand_for_their_reals() {
        for real in [1.0, 0.5, 0.499_999_999_9, 0.000_37, 3.0, 1e-9, 700.0] {
            let (multiplier, shift) = quantize_multiplier(real);
            let stored = f64::from(multiplier) / 2f64.powi(31) * 2f64.powi(i32::from(shift));
            assert!((stored / real - 1.0).abs() < 1e-9, "{real} {stored}");
        }
        assert_eq!(quantize_multiplier(1e-12), (0, 0));
    }

    #[test]
    fn zero_is_exact_in_every_range() {
        for (min, max) in [(-1.0, 3.0), (0.5, 2.0), (-4.0, -1.0), (0.0, 0.0)] {
            let quantization = Quantization::of_range(min, max);
            assert_eq!(quantization.dequantize(quantization.zero_point), 0.0);
        }
    }
}
