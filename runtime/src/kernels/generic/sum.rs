//! Sums and differences of 8-bit tensors of one shape, computed in floats: `onnx` is defined so; where the result of `tflite` is not
//! beyond doubt, it is done again in integers.

use super::requantize::{power, quick};
use super::{Channels, Kernel, Matrix};
use crate::kernels::scalar::FixedPointBinary;
use bantam_format::ops::BinaryKind;

/// Elements at a time.
const RUN: usize = if cfg!(target_arch = "wasm32") { 8 } else { 32 };

/// A sum, prepared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sum {
    /// What the operands' differences from their zero points are multiplied with.
    pub factors: [f32; 2],
    /// Those of the operands.
    pub zero_points: [i32; 2],
    /// Smallest and largest output less the zero point.
    pub bounds: [f32; 2],
    /// That of the output.
    pub zero_point: i32,
    /// How far the sum of products may be from the nearest whole number for that to be the output.
    pub tie: f32,
}

impl Sum {
    /// That of a record; `None` for other functions than sums and differences, and for unusual scales.
    ///
    /// Under `tflite`, products that count are less than 2^9. With factors of `f` together, rounded products and sums are off by less
    /// than 255 * 5 * 2^-24 * f, operands rounded to 20 bits behind the point by 2^-18 * f, both less than 2^-13 * f; the rest is as
    /// for requantisation.
    pub fn new(parameters: &FixedPointBinary, tflite: bool) -> Option<Self> {
        let &FixedPointBinary { kind, zero_points, clamp: [low, high], multipliers, .. } = parameters;
        let sign = match kind {
            BinaryKind::Add => 1.0,
            BinaryKind::Sub => -1.0,
            _ => return None,
        };
        let [(first, first_shift), (second, second_shift), (multiplier, shift)] = multipliers;
        let mut sum = Self {
            factors: [f32::from_bits(first), f32::from_bits(second)],
            zero_points: [zero_points[0], zero_points[1]],
            bounds: [(low - zero_points[2]) as f32, (high - zero_points[2]) as f32],
            zero_point: zero_points[2],
            tie: 1.0,
        };
        if tflite {
            // Others may overflow.
            if multipliers.iter().any(|&(multiplier, shift)| multiplier >> 31 != 0 || !(-31..=0).contains(&shift)) {
                return None;
            }
            let [factor, tie] = quick(multiplier.cast_signed(), Some(shift.into()));
            let real =
                |multiplier: u32, shift: i8| multiplier.cast_signed() as f32 * power(i32::from(shift) - 11) * factor;
            let [a, b] = [real(first, first_shift), real(second, second_shift)];
            sum.factors = [a, b];
            sum.tie = tie - (a + b) * power(-13);
            if sum.tie <= 0.0 {
                return None;
            }
        }
        sum.factors[1] *= sign;
        Some(sum)
    }

    /// The same with the operands in the other order.
    pub fn swapped(mut self) -> Self {
        self.factors.reverse();
        self.zero_points.reverse();
        self
    }

    /// The same in short code.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128", feature = "wasm-kernels"))]
    #[inline(always)]
    fn compute(&self, data: &mut [i8; RUN], values: &[i8; RUN]) -> bool {
        crate::kernels::arch::wasm32::sum(self, data, values)
    }

    /// Outputs in the place of the first operands; false where not all of them are sure.
    #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128", feature = "wasm-kernels")))]
    #[inline(always)]
    fn compute(&self, data: &mut [i8; RUN], values: &[i8; RUN]) -> bool {
        use super::requantize::ROUNDING;
        let ([first, second], [first_zero, second_zero], [low, high]) = (self.factors, self.zero_points, self.bounds);
        let mut doubts = 0;
        let mut outputs = [0; RUN];
        for ((output, &a), &b) in outputs.iter_mut().zip(&*data).zip(values) {
            let (a, b) = (i32::from(a) - first_zero, i32::from(b) - second_zero);
            let value = a as f32 * first + b as f32 * second;
            let value = if value > low { value } else { low };
            let value = if value < high { value } else { high };
            let shifted = value + ROUNDING;
            let distance = value - (shifted - ROUNDING);
            doubts |= u32::from(distance > self.tie) | u32::from(-distance > self.tie);
            let whole = shifted.to_bits().wrapping_sub(ROUNDING.to_bits()).cast_signed();
            *output = whole.wrapping_add(self.zero_point) as i8;
        }
        if doubts == 0 {
            *data = outputs;
        }
        doubts == 0
    }
}

/// Computes a sum of two tensors in the place of one.
pub struct Sums<'a> {
    /// Its first operand is what is overwritten.
    pub sum: Sum,
    /// The first operands.
    pub data: &'a mut [i8],
    /// The second ones.
    pub values: &'a [i8],
    /// The oracle of `tflite`; it is not asked under `onnx`.
    pub exact: &'a FixedPointBinary,
    /// Whether its first operand is what is read only.
    pub swapped: bool,
}

impl Sums<'_> {
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn add(&self, data: &mut [[i8; RUN]], values: &[[i8; RUN]]) {
        for (data, values) in data.iter_mut().zip(values) {
            if !self.sum.compute(data, values) {
                for (data, &value) in data.iter_mut().zip(values) {
                    let (a, b) = if self.swapped { (value, *data) } else { (*data, value) };
                    *data = self.exact.compute(a.into(), b.into()) as i8;
                }
            }
        }
    }
}

impl Kernel for Sums<'_> {
    #[inline(always)]
    fn run<L: Matrix + Channels>(mut self, _: &L) -> Option<()> {
        let (data, rest) = core::mem::take(&mut self.data).as_chunks_mut();
        let (values, last) = self.values.as_chunks();
        self.add(data, values);
        // The last ones among others.
        let (mut data, mut values) = ([0; RUN], [0; RUN]);
        data.iter_mut().zip(rest.iter()).for_each(|(to, &from)| *to = from);
        values.iter_mut().zip(last).for_each(|(to, &from)| *to = from);
        self.add(core::slice::from_mut(&mut data), core::slice::from_ref(&values));
        rest.iter_mut().zip(data).for_each(|(to, from)| *to = from);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::scalar::LinearBinary;
    use std::vec::Vec;

    /// All pairs of bytes are as the oracle computes them, or in doubt; few are in doubt.
    fn check(sum: Option<Sum>, exact: impl Fn(i32, i32) -> i32) -> u32 {
        let Some(sum) = sum else { return 0 };
        let mut doubts = 0;
        for a in i8::MIN..=i8::MAX {
            for first in (-128..128).step_by(RUN) {
                let values: [i8; RUN] = core::array::from_fn(|index| (first + index as i32) as i8);
                let mut data = [a; RUN];
                let expected: Vec<i8> = values.iter().map(|&b| exact(a.into(), b.into()) as i8).collect();
                if sum.compute(&mut data, &values) {
                    assert_eq!(data[..], expected[..], "{sum:?} {a} {first}");
                } else {
                    assert_eq!(data, [a; RUN]);
                    doubts += 1;
                }
            }
        }
        doubts
    }

    #[test]
    fn sums_are_the_oracles_or_in_doubt() {
        let mut state = 0x9e37_79b9_u32;
        let mut draw = |count: u32| {
            state = state.wrapping_mul(0x915f_77f5).wrapping_add(1);
            (state >> 8) % count
        };
        let (mut doubts, mut served) = (0, 0);
        for kind in [BinaryKind::Add, BinaryKind::Sub] {
            for _ in 0..60 {
                let zero_points = [0; 3].map(|_| draw(256) as i32 - 128);
                let clamp = [-128 + draw(100) as i32, 127 - draw(100) as i32];
                let floats = [0; 3].map(|_| ((draw(1 << 20) as f32 / (1 << 20) as f32 * 3.0).to_bits(), 0));
                let real = FixedPointBinary { kind, zero_points, clamp, multipliers: floats, wide: false };
                let linear = LinearBinary::new(&real);
                assert_eq!(check(Sum::new(&real, false), |a, b| linear.compute(a, b)), 0);
                let mut multiplier = |shift: i32| ((1 << 30) + draw(1 << 30), (shift - draw(4) as i32) as i8);
                let multipliers = [multiplier(0), multiplier(0), multiplier(-16)];
                let fixed = FixedPointBinary { multipliers, ..real };
                let sum = Sum::new(&fixed, true);
                served += u32::from(sum.is_some());
                doubts += check(sum, |a, b| fixed.compute(a, b));
            }
        }
        assert_eq!(served, 120);
        assert!(doubts < served * 2048 / 8, "{doubts}");
    }

    #[test]
    fn other_functions_and_scales_are_not_served() {
        let clamp = [-128, 127];
        let fixed = |kind, shift| FixedPointBinary {
            kind,
            zero_points: [0; 3],
            clamp,
            multipliers: [(1 << 30, shift), (1 << 30, 0), (1 << 30, -18)],
            wide: false,
        };
        assert_eq!(Sum::new(&fixed(BinaryKind::Mul, 0), true), None);
        assert_eq!(Sum::new(&fixed(BinaryKind::Add, 1), true), None);
        assert!(Sum::new(&fixed(BinaryKind::Add, 0), true).is_some());
    }
}
