//! The epilogue as vectors compute it: the formulas of [`crate::kernels::requantize`], and tables that packing
//! fills up to whole vectors.

use crate::kernels::requantize::Requantization;
use bantam_format::ops::FloatEpilogue;

/// How sums become outputs.
#[derive(Clone, Copy, Debug)]
pub struct Finish {
    /// Zero point of 8-bit outputs.
    pub zero_point: i32,
    /// Smallest and largest 8-bit output.
    pub clamp: [i32; 2],
    /// The same less the zero point; or smallest and largest float.
    pub bounds: [f32; 2],
    /// The arithmetic of 8-bit outputs: `tflite`, else `onnx`.
    pub tflite: bool,
}

impl Finish {
    /// That of integers.
    pub fn new(requantization: &Requantization<'_>) -> Self {
        let (zero_point, clamp) = (requantization.zero_point, requantization.clamp);
        let bounds = [(clamp[0] - zero_point) as f32, (clamp[1] - zero_point) as f32];
        Self { zero_point, clamp, bounds, tflite: !requantization.shifts.is_empty() }
    }

    /// That of floats.
    pub fn of_floats(epilogue: &FloatEpilogue) -> Self {
        let bounds = [epilogue.clamp_min, epilogue.clamp_max];
        Self { zero_point: 0, clamp: [0; 2], bounds, tflite: false }
    }

    /// Smallest and largest 8-bit output less the zero point.
    #[inline(always)]
    pub fn integer_bounds(&self) -> [i32; 2] {
        let [low, high] = self.clamp;
        [low - self.zero_point, high - self.zero_point]
    }
}

/// Packs the table of a vector of channels, of which there are `count` from `first` on: multipliers, shifts, and what [`quick`] makes
/// of them. What fills up the vector has the multiplier nought and is always sure.
pub fn pack_table(scales: &Requantization<'_>, [first, count]: [usize; 2], table: &mut [u32]) -> Option<()> {
    let lanes = table.len() / 4;
    for lane in 0..lanes {
        let from = (lane < count).then_some(if scales.per_channel { first + lane } else { 0 });
        let multiplier = from.and_then(|from| scales.multipliers.get(from).copied()).unwrap_or(0);
        let shift = from.and_then(|from| scales.shifts.get(from).copied()).map(i32::from);
        let [factor, tie] = quick(multiplier, shift);
        let words = [multiplier.cast_unsigned(), shift.unwrap_or(0).cast_unsigned(), factor.to_bits(), tie.to_bits()];
        for (row, word) in table.chunks_exact_mut(lanes).zip(words) {
            *row.get_mut(lane)? = word;
        }
    }
    Some(())
}

/// 1.5 * 2^23: adding it to a number of at most 2^22 rounds that to nearest, ties to even, into the last bits.
pub const ROUNDING: f32 = 12_582_912.0;

/// A power of two, from 2^-126 to 2^127.
pub fn power(exponent: i32) -> f32 {
    f32::from_bits((127 + exponent).unsigned_abs() << 23)
}

/// What sums are multiplied with in floats, and how far such a product may be from the nearest whole number for that to
/// be the output; beyond, the `tflite` arithmetic has to be done in integers. It is never needed for `onnx`.
///
/// Products that count are less than 2^9 (others are clamped), so the three roundings of sum, factor and product move them
/// by less than 2^-13. The first rounding of `tflite` moves them by half a unit of the last bit that is shifted out.
pub fn quick(multiplier: i32, shift: Option<i32>) -> [f32; 2] {
    match shift {
        None => [f32::from_bits(multiplier.cast_unsigned()), 1.0],
        Some(shift @ -30..0) if multiplier >= 0 => {
            [multiplier as f32 * power(shift - 31), 0.5 - power(shift - 1) - power(-12)]
        }
        Some(_) => [0.0, -1.0],
    }
}
