//! The shared epilogue: accumulators become outputs in one place, whatever kernel made them.
//!
//! `tflite` follows `MultiplyByQuantizedMultiplier` of TensorFlow Lite Micro with double rounding (gemmlowp's
//! `SaturatingRoundingDoublingHighMul`, then `RoundingDivideByPOT`); `onnx` follows ONNX Runtime's `QLinearConv`.

use bantam_format::ops::{FloatEpilogue, has_plain_scales, has_plain_sums};

/// Turns the accumulators of consecutive output channels into outputs.
pub trait Epilogue<Accumulator, Output> {
    /// Stores one output per accumulator; `channel` is that of the first.
    fn store(&self, channel: usize, accumulators: &[Accumulator], output: &mut [Output]);
}

/// One arithmetic, as an operator table links it.
pub type Requantizer = fn(&Requantization<'_>, channel: usize, accumulators: &[i32], output: &mut [i8]);

/// Integer epilogue: multiplier (and shift) per channel or for all, zero point, clamp.
#[derive(Clone, Copy, Debug)]
pub struct Requantization<'a> {
    /// [`tflite`] or [`onnx`].
    pub requantizer: Requantizer,
    /// Q31 multipliers, or f32 bits.
    pub multipliers: &'a [i32],
    /// Shifts of the `tflite` arithmetic, positive to the left; empty under `onnx`.
    pub shifts: &'a [i8],
    /// Whether there is one multiplier per channel.
    pub per_channel: bool,
    /// Zero point of the output.
    pub zero_point: i32,
    /// Smallest and largest output.
    pub clamp: [i32; 2],
}

impl Epilogue<i32, i8> for Requantization<'_> {
    fn store(&self, channel: usize, accumulators: &[i32], output: &mut [i8]) {
        (self.requantizer)(self, channel, accumulators, output);
    }
}

impl Requantization<'_> {
    /// Whether a shorter form of the `tflite` arithmetic gives the outputs of sums of `taps` products, as
    /// [`Accumulation::is_plain`](bantam_format::ops::Accumulation::is_plain) tells of a record.
    pub fn is_plain(&self, bias: &[i32], taps: usize) -> bool {
        let scales = self.multipliers.iter().copied().zip(self.shifts.iter().copied());
        let saturates = self.clamp == [-128, 127];
        !self.shifts.is_empty() && saturates && has_plain_sums(bias.iter().copied(), taps) && has_plain_scales(scales)
    }

    /// The scale of a channel, where all are [plain](Self::is_plain).
    #[inline(always)]
    pub fn plain(&self, channel: usize) -> Scale {
        let entry = self.entry(channel);
        let multiplier = self.multipliers.get(entry).copied().unwrap_or(0);
        Scale::plain(multiplier, self.shifts.get(entry).copied().unwrap_or(-1))
    }

    /// Of one channel, where its scale is plain: the multiplier; zero point and half, to be shifted with the product; the
    /// shift to the right.
    #[cfg(any(bantam_dsp, bantam_riscv, bantam_thumb1))]
    pub fn single(&self) -> Option<(i32, i32, u32)> {
        let (&[multiplier], &[shift]) = (self.multipliers, self.shifts) else { return None };
        let shift = u32::from(shift.unsigned_abs());
        let offset = self.zero_point.wrapping_mul(2).wrapping_add(1).wrapping_shl(shift.wrapping_sub(1));
        Some((multiplier, offset, shift))
    }

    /// The output of a scaled sum, where clamping is saturation.
    #[inline(always)]
    pub fn saturate(&self, scaled: i32) -> i8 {
        scaled.wrapping_add(self.zero_point).clamp(-128, 127) as i8
    }

    /// That of one channel, to be stored as channel 0.
    pub fn only(&self, channel: usize) -> Self {
        let entry = self.entry(channel);
        let end = entry.saturating_add(1);
        Self {
            multipliers: self.multipliers.get(entry..end).unwrap_or(&[]),
            shifts: self.shifts.get(entry..end).unwrap_or(&[]),
            per_channel: false,
            ..*self
        }
    }

    fn entry(&self, channel: usize) -> usize {
        if self.per_channel { channel } else { 0 }
    }
}

/// The requantizer of artifacts without integer accumulators: never called on a parsed model.
pub fn none(_: &Requantization<'_>, _: usize, _: &[i32], _: &mut [i8]) {}

/// The `tflite` arithmetic.
pub fn tflite(parameters: &Requantization<'_>, channel: usize, accumulators: &[i32], output: &mut [i8]) {
    let [low, high] = parameters.clamp;
    let (mut entry, step) = (parameters.entry(channel), usize::from(parameters.per_channel));
    for (out, &accumulator) in output.iter_mut().zip(accumulators) {
        let multiplier = parameters.multipliers.get(entry).copied().unwrap_or(0);
        let shift = parameters.shifts.get(entry).copied().unwrap_or(0);
        let value = multiply_by_quantized_multiplier(accumulator, multiplier, shift);
        *out = value.saturating_add(parameters.zero_point).max(low).min(high) as i8;
        entry = entry.wrapping_add(step);
    }
}

/// The `onnx` arithmetic.
pub fn onnx(parameters: &Requantization<'_>, channel: usize, accumulators: &[i32], output: &mut [i8]) {
    for (offset, (out, &accumulator)) in output.iter_mut().zip(accumulators).enumerate() {
        let entry = parameters.entry(channel + offset);
        let multiplier = f32::from_bits(parameters.multipliers.get(entry).copied().unwrap_or(0) as u32);
        *out = round_and_saturate(accumulator as f32 * multiplier, parameters.zero_point, parameters.clamp);
    }
}

/// Requantisation of sums over 16-bit inputs to 16 bits, in the `tflite` arithmetic. There are no zero points.
#[derive(Clone, Copy, Debug)]
pub struct WideRequantization<'a> {
    /// Q31 multipliers.
    pub multipliers: &'a [i32],
    /// Shifts, positive to the left.
    pub shifts: &'a [i8],
    /// Whether there is one multiplier per channel.
    pub per_channel: bool,
    /// Whether sums wrap at 32 bits and are multiplied as those of 8-bit inputs.
    pub short_sums: bool,
    /// Smallest and largest output.
    pub clamp: [i32; 2],
}

impl Epilogue<i64, i16> for WideRequantization<'_> {
    fn store(&self, channel: usize, accumulators: &[i64], output: &mut [i16]) {
        let [low, high] = self.clamp;
        for (offset, (out, &accumulator)) in output.iter_mut().zip(accumulators).enumerate() {
            let entry = if self.per_channel { channel + offset } else { 0 };
            let multiplier = self.multipliers.get(entry).copied().unwrap_or(0);
            let shift = self.shifts.get(entry).copied().unwrap_or(0);
            let value = if self.short_sums {
                multiply_by_quantized_multiplier(accumulator as i32, multiplier, shift)
            } else {
                multiply_by_reduced_multiplier(accumulator, multiplier, shift)
            };
            *out = value.max(low).min(high) as i16;
        }
    }
}

/// `MultiplyByQuantizedMultiplier` of TensorFlow Lite for 64-bit numbers below 2^47: the multiplier keeps its highest 15
/// bits, and the product is rounded once, ties towards plus infinity. `shift` is at most 7, positive to the left.
pub fn multiply_by_reduced_multiplier(value: i64, multiplier: i32, shift: i8) -> i32 {
    let reduced = if multiplier < 0x7fff_0000 { (multiplier + (1 << 15)) >> 16 } else { 0x7fff };
    let right = (15 - i32::from(shift)).clamp(1, 62);
    ((value * i64::from(reduced) + (1 << (right - 1))) >> right) as i32
}

/// `clamp(round_half_even(value) + zero_point)` of 8 bits.
pub fn round_and_saturate(value: f32, zero_point: i32, clamp: [i32; 2]) -> i8 {
    round_and_clamp(value, zero_point, clamp) as i8
}

/// `clamp(round_half_even(value) + zero_point)`: the bounds are integers of at most 16 bits, so clamping first gives the
/// same and keeps the value where adding and subtracting 1.5 * 2^23 rounds it.
pub fn round_and_clamp(value: f32, zero_point: i32, clamp: [i32; 2]) -> i32 {
    const ROUNDING: f32 = 12_582_912.0;
    let [low, high] = clamp;
    let (low, high) = ((low - zero_point) as f32, (high - zero_point) as f32);
    // Compared, not `max` and `min`: those are calls where there is no such instruction. NaN becomes the lower bound.
    let value = if value > low { value } else { low };
    let value = if value < high { value } else { high };
    (((value + ROUNDING) - ROUNDING) as i32).saturating_add(zero_point)
}

/// gemmlowp's `SaturatingRoundingDoublingHighMul`: the high half of twice the product, rounded to
/// nearest, ties towards plus infinity. gemmlowp divides by 2^31 towards zero after a nudge that depends on the sign;
/// that is the product plus half, divided towards minus infinity.
pub fn saturating_rounding_doubling_high_mul(a: i32, b: i32) -> i32 {
    if a == i32::MIN && b == i32::MIN {
        return i32::MAX;
    }
    ((i64::from(a) * i64::from(b) + (1 << 30)) >> 31) as i32
}

/// gemmlowp's `RoundingDivideByPOT`: division by `2^exponent`, rounded half away from zero. gemmlowp defines it up to
/// 31; a softmax over more than about 500 like classes divides by up to `2^34`, which gives zero.
pub fn rounding_divide_by_power_of_two(value: i32, exponent: u32) -> i32 {
    match exponent {
        0 => value,
        1..=31 => {
            // Negative halves go down, so negative values count one less; what is then half or more goes up.
            let value = value.saturating_add(value >> 31);
            (value >> exponent) + (value >> (exponent - 1) & 1)
        }
        32 if value == i32::MIN => -1,
        _ => 0,
    }
}

/// `MultiplyByQuantizedMultiplier` with double rounding; `shift` is positive to the left. A left shift that
/// overflows wraps.
pub fn multiply_by_quantized_multiplier(value: i32, multiplier: i32, shift: i8) -> i32 {
    if multiplier >= 0 && (-31..0).contains(&shift) {
        // Nearly always.
        let product = ((i64::from(value) * i64::from(multiplier) + (1 << 30)) >> 31) as i32;
        let (product, right) = (product.saturating_add(product >> 31), u32::from(shift.unsigned_abs()));
        return (product >> right) + (product >> (right - 1) & 1);
    }
    let left = u32::from(shift.max(0).unsigned_abs());
    let right = u32::from(shift.min(0).unsigned_abs());
    rounding_divide_by_power_of_two(saturating_rounding_doubling_high_mul(value.wrapping_shl(left), multiplier), right)
}

/// A multiplier and a shift to the right, prepared for many small values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    multiplier: i32,
    shift: u32,
    half: i32,
    /// All bits where there is a shift: what is negative counts one less before half is added.
    shifts: i32,
}

impl Scale {
    /// `None` where the multiplier is negative or the shift is to the left or beyond 31.
    pub fn new(multiplier: i32, shift: i8) -> Option<Self> {
        let serves = multiplier >= 0 && (-31..=0).contains(&shift);
        let plain = Self::plain(multiplier, shift);
        let shifts = if shift == 0 { 0 } else { -1 };
        serves.then_some(Self { shifts, ..plain })
    }

    /// Of a shift to the right that is not nought.
    #[inline(always)]
    fn plain(multiplier: i32, shift: i8) -> Self {
        let shift = u32::from(shift.unsigned_abs());
        Self { multiplier, shift, half: (1_u32.wrapping_shl(shift) >> 1).cast_signed(), shifts: -1 }
    }

    /// Multiplier, half and shift.
    #[cfg(bantam_dsp)]
    pub fn parts(&self) -> [i32; 3] {
        [self.multiplier, self.half, self.shift.cast_signed()]
    }

    /// What [`multiply_by_quantized_multiplier`] gives for a value of less than `2^30`.
    #[inline(always)]
    pub fn apply(&self, value: i32) -> i32 {
        let product = rounded_high_half(value.wrapping_mul(2), self.multiplier);
        product.wrapping_add(product >> 31 & self.shifts).wrapping_add(self.half).wrapping_shr(self.shift)
    }
}

/// The high half of a product, rounded to nearest, ties towards plus infinity; `multiplier` is not negative.
#[cfg(any(test, not(bantam_thumb1)))]
#[inline(always)]
fn rounded_high_half(value: i32, multiplier: i32) -> i32 {
    ((i64::from(value) * i64::from(multiplier) + (1 << 31)) >> 32) as i32
}

#[cfg(bantam_thumb1)]
use rounded_high_half_of_halves as rounded_high_half;

/// The same where products have 32 bits.
#[cfg(any(test, bantam_thumb1))]
#[inline(always)]
fn rounded_high_half_of_halves(value: i32, multiplier: i32) -> i32 {
    let ([high, low], [upper, lower]) = ([value >> 16, value & 0xffff], [multiplier >> 16, multiplier & 0xffff]);
    let carried = (low.wrapping_mul(lower).cast_unsigned() >> 16).cast_signed();
    // Below 2^31 + 2^16: its sign is no sign.
    let middle = low.wrapping_mul(upper).wrapping_add(carried).cast_unsigned();
    let other = high.wrapping_mul(lower).wrapping_add((middle & 0xffff).cast_signed());
    let half = other >> 15 & 1;
    high.wrapping_mul(upper).wrapping_add((middle >> 16).cast_signed()).wrapping_add(other >> 16).wrapping_add(half)
}

/// Float epilogue: clamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClampFloat {
    low: f32,
    high: f32,
}

impl ClampFloat {
    /// From the stored bounds.
    pub fn new(epilogue: &FloatEpilogue) -> Self {
        Self { low: epilogue.clamp_min, high: epilogue.clamp_max }
    }

    /// Clamps; NaN stays NaN.
    pub fn apply(&self, value: f32) -> f32 {
        clamp_f32(value, [self.low, self.high])
    }
}

/// Clamps to `[low, high]`; NaN stays NaN.
pub fn clamp_f32(value: f32, [low, high]: [f32; 2]) -> f32 {
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

impl Epilogue<f32, f32> for ClampFloat {
    fn store(&self, _: usize, accumulators: &[f32], output: &mut [f32]) {
        for (out, &accumulator) in output.iter_mut().zip(accumulators) {
            *out = self.apply(accumulator);
        }
    }
}

/// Float mean: divide, clamp.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeanFloat {
    count: f32,
    clamp: ClampFloat,
}

impl MeanFloat {
    /// The mean of `count` elements.
    pub fn new(count: usize, epilogue: &FloatEpilogue) -> Self {
        Self { count: count as f32, clamp: ClampFloat::new(epilogue) }
    }
}

impl Epilogue<f32, f32> for MeanFloat {
    fn store(&self, channel: usize, accumulators: &[f32], output: &mut [f32]) {
        for (out, &accumulator) in output.iter_mut().zip(accumulators) {
            self.clamp.store(channel, &[accumulator / self.count], core::slice::from_mut(out));
        }
    }
}

/// What an average pool does with the sum over a window of `count` positions.
pub trait Average<Accumulator, Output> {
    /// The output for one sum.
    fn average(&self, sum: Accumulator, count: usize) -> Output;
}

impl Average<f32, f32> for ClampFloat {
    fn average(&self, sum: f32, count: usize) -> f32 {
        self.apply(sum / count.max(1) as f32)
    }
}

/// 8-bit averages under `onnx`, over sums of `input - input_zero_point`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AverageReal {
    /// Input scale / output scale.
    pub multiplier: f32,
    /// Zero point of the output.
    pub zero_point: i32,
    /// Smallest and largest output.
    pub clamp: [i32; 2],
}

impl Average<i32, i8> for AverageReal {
    fn average(&self, sum: i32, count: usize) -> i8 {
        let divisor = i32::try_from(count.max(1)).unwrap_or(i32::MAX);
        round_and_saturate(sum as f32 * (self.multiplier / divisor as f32), self.zero_point, self.clamp)
    }
}

/// 8-bit averages under `tflite`, over sums of `input - zero_point`: input and output have the same quantisation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AverageFixedPoint {
    /// Zero point of input and output.
    pub zero_point: i32,
    /// Smallest and largest output.
    pub clamp: [i32; 2],
}

impl Average<i32, i8> for AverageFixedPoint {
    fn average(&self, sum: i32, count: usize) -> i8 {
        let [low, high] = self.clamp;
        let divisor = i32::try_from(count.max(1)).unwrap_or(i32::MAX);
        // The reference sums the stored values, so the rounding is that of the sum with the zero point in.
        let stored = sum.wrapping_add(self.zero_point.wrapping_mul(divisor));
        let half = divisor / 2;
        let rounded = if stored > 0 { stored.wrapping_add(half) } else { stored.wrapping_sub(half) };
        rounded.checked_div(divisor).unwrap_or(0).max(low).min(high) as i8
    }
}

/// 16-bit averages, which are symmetric.
impl Average<i64, i16> for AverageFixedPoint {
    fn average(&self, sum: i64, count: usize) -> i16 {
        let [low, high] = self.clamp.map(i64::from);
        let divisor = count.max(1) as i64;
        let half = divisor / 2;
        let rounded = if sum > 0 { sum + half } else { sum - half };
        rounded.checked_div(divisor).unwrap_or(0).max(low).min(high) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn high_mul_saturates_and_rounds_ties_up() {
        assert_eq!(saturating_rounding_doubling_high_mul(i32::MIN, i32::MIN), i32::MAX);
        assert_eq!(saturating_rounding_doubling_high_mul(1, 1 << 30), 1);
        assert_eq!(saturating_rounding_doubling_high_mul(-1, 1 << 30), 0); // -1/2 rounds to 0: nudge is 1 - 2^30
        assert_eq!(saturating_rounding_doubling_high_mul(-3, 1 << 30), -1);
        assert_eq!(saturating_rounding_doubling_high_mul(3, 1 << 30), 2);
    }

    #[test]
    fn halves_of_products_of_halves() {
        for value in [i32::MIN, i32::MIN + 1, -65_537, -65_536, -1, 0, 1, 32_767, 65_535, 65_536, i32::MAX] {
            for multiplier in [0, 1, 65_535, 65_536, 1 << 30, i32::MAX - 65_535, i32::MAX] {
                let expected = rounded_high_half(value, multiplier);
                assert_eq!(rounded_high_half_of_halves(value, multiplier), expected, "{value} {multiplier}");
            }
        }
    }

    #[test]
    fn division_by_powers_of_two_rounds_ties_away_from_zero() {
        let cases = [(5, 1, 3), (-5, 1, -3), (3, 1, 2), (-3, 1, -2), (4, 2, 1), (6, 2, 2), (-6, 2, -2), (7, 0, 7)];
        for (value, exponent, expected) in cases {
            assert_eq!(rounding_divide_by_power_of_two(value, exponent), expected, "{value} / 2^{exponent}");
        }
        assert_eq!(rounding_divide_by_power_of_two(i32::MIN, 31), -1);
        assert_eq!(rounding_divide_by_power_of_two(i32::MAX, 31), 1);
        for value in [i32::MIN, -1, 0, 1, i32::MAX] {
            assert_eq!(rounding_divide_by_power_of_two(value, 33), 0, "{value}");
        }
    }

    #[test]
    fn onnx_rounds_half_to_even_and_saturates() {
        let clamp = [-128, 127];
        for (value, expected) in [(0.5, 0), (1.5, 2), (2.5, 2), (-0.5, 0), (-1.5, -2), (126.5, 126), (127.5, 127)] {
            assert_eq!(round_and_saturate(value, 0, clamp), expected, "{value}");
        }
        assert_eq!(round_and_saturate(f32::INFINITY, 3, clamp), 127);
        assert_eq!(round_and_saturate(f32::NEG_INFINITY, 3, clamp), -128);
        assert_eq!(round_and_saturate(10.4, -128, clamp), -118);
        assert_eq!(round_and_saturate(300.0, -128, [-128, 20]), 20);
    }

    #[test]
    fn reduced_multipliers_have_fifteen_bits_and_round_once() {
        let half = 1 << 30;
        for (value, multiplier, shift, expected) in [
            (3, half, 0, 2), // 3/2, up
            (-3, half, 0, -1),
            (5, half, 1, 5),
            (1 << 40, half, -30, 512),
            (100, i32::MAX, 1, 200),
            (32768, i32::MAX, 0, 32767),
        ] {
            assert_eq!(multiply_by_reduced_multiplier(value, multiplier, shift), expected, "{value} {multiplier}");
        }
    }

    proptest! {
        #[test]
        fn halves_of_any_products(value: i32, multiplier in 0..=i32::MAX) {
            prop_assert_eq!(rounded_high_half_of_halves(value, multiplier), rounded_high_half(value, multiplier));
        }

        #[test]
        fn onnx_equals_the_formula_in_wider_arithmetic(value in -2.0e9f32..2.0e9, zero_point in -128i32..128) {
            let expected = (f64::from(value).round_ties_even() + f64::from(zero_point)).clamp(-128.0, 127.0);
            prop_assert_eq!(f64::from(round_and_saturate(value, zero_point, [-128, 127])), expected);
        }

        #[test]
        fn prepared_scales_give_the_same(value in -(1 << 30) + 1..1 << 30, multiplier in 0..=i32::MAX, shift in -31i8..=0) {
            let scale = Scale::new(multiplier, shift).expect("a shift to the right");
            prop_assert_eq!(scale.apply(value), multiply_by_quantized_multiplier(value, multiplier, shift));
        }

        #[test]
        fn tflite_is_within_one_of_the_real_product(value in -1_000_000i32..1_000_000, multiplier in 1i32 << 30..=i32::MAX, shift in -20i8..1) {
            let real = f64::from(value) * f64::from(multiplier) / 2f64.powi(31) * 2f64.powi(i32::from(shift));
            let got = f64::from(multiply_by_quantized_multiplier(value, multiplier, shift));
            prop_assert!((got - real).abs() <= 1.0, "{} {}", got, real);
        }
    }
}
