//! Functions of 16-bit integers, and integers as others, as TensorFlow Lite Micro's reference kernels compute them.

use crate::kernels::requantize::multiply_by_quantized_multiplier;
use bantam_format::ops::{Negation, WideFunction};

/// Integers of one type or scale as those of another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rescaling {
    /// Zero points of input and output.
    pub zero_points: [i32; 2],
    /// Smallest and largest output.
    pub clamp: [i32; 2],
    /// Multipliers and shifts of inputs from the zero point on, and of those below it.
    pub multipliers: [(u32, i8); 2],
    /// What is negated of inputs below the zero point.
    pub negation: Negation,
}

impl Rescaling {
    /// The output for an input.
    pub fn apply(&self, value: i32) -> i32 {
        let ([input_zero, output_zero], [low, high]) = (self.zero_points, self.clamp);
        let [first, second] = self.multipliers;
        let multiply = |value: i32, (multiplier, shift): (u32, i8)| {
            multiply_by_quantized_multiplier(value, multiplier as i32, shift)
        };
        let value = value.wrapping_sub(input_zero);
        let scaled = match self.negation {
            _ if value >= 0 => multiply(value, first),
            Negation::Operand => multiply(value.wrapping_neg(), second),
            Negation::Result => multiply(value, second).wrapping_neg(),
            _ => multiply(value, second),
        };
        scaled.saturating_add(output_zero).max(low).min(high)
    }
}

/// The sigmoid or the hyperbolic tangent of every value times `multiplier / 2^shift`, interpolated in a table of the
/// sigmoid of multiples of 1/24 with 16 fractional bits; the results have 15.
pub fn sigmoid_table(function: WideFunction, multiplier: u32, shift: u8, table: &[i16], data: &mut [i16]) {
    let entry = |index: u32| table.get(index as usize).map_or(0, |&entry| u32::from(entry.cast_unsigned()));
    let shift = u32::from(shift).min(30);
    // The input's bits between two entries; a tangent is a sigmoid of twice the number.
    let bits = if function == WideFunction::Tanh { 8 } else { 9 };
    for value in data {
        let x = i32::from(*value).wrapping_mul(multiplier as i32).wrapping_add((1 << shift) >> 1) >> shift;
        let (index, rest) = (x.unsigned_abs() >> bits, x.unsigned_abs() & ((1 << bits) - 1));
        let [low, high] = [entry(index), entry(index.wrapping_add(1))];
        let between = (low << bits).wrapping_add(rest.wrapping_mul(high.wrapping_sub(low)));
        let is_saturated = index >= 255;
        *value = if function == WideFunction::Tanh {
            let sigmoid = if is_saturated { 0xffff << 8 } else { between as i32 };
            let distance = sigmoid.wrapping_sub(1 << 23);
            let rounded = if x >= 0 { distance.wrapping_add(128) } else { 127i32.wrapping_sub(distance) };
            (rounded >> 8) as i16
        } else {
            let sigmoid = if is_saturated { 0x7fff << 10 } else { between };
            let rounded = if x >= 0 { sigmoid.wrapping_add(512) } else { ((1u32 << 25) + 511).wrapping_sub(sigmoid) };
            (rounded >> 10) as i16
        };
    }
}

/// Linear interpolation in a table of 513 entries by a 16-bit number: its highest nine bits choose.
fn interpolated(table: &[i16], value: i32) -> i32 {
    let value = value.clamp(-32768, 32767);
    let index = (256 + (value >> 7)) as usize;
    let entry = |index: usize| table.get(index).map_or(0, |&entry| i32::from(entry));
    let (low, high) = (entry(index), entry(index + 1));
    i32::from((low + (((high - low) * (value & 0x7f) + 64) >> 7)) as i16)
}

/// 16-bit softmax of every `classes` elements. `multiplier` and `shift` are those of `input scale * beta * 65535 / 10`;
/// the tables hold exponentials from -10 to 0 and 1 / (1 + x) from 0 to 1; the output has 15 fractional bits.
pub fn softmax_i16(
    classes: usize,
    (multiplier, shift): (u32, i8),
    [exponentials, reciprocals]: [&[i16]; 2],
    data: &mut [i16],
) {
    for row in data.chunks_exact_mut(classes.max(1)) {
        let max = i32::from(row.iter().copied().max().unwrap_or(0));
        let mut sum = 0i32;
        for value in row.iter_mut() {
            let difference = i32::from(*value) - max;
            let scaled = multiply_by_quantized_multiplier(difference, multiplier as i32, shift);
            let term = interpolated(exponentials, scaled.saturating_add(32767));
            *value = term as i16;
            sum = sum.wrapping_add(term);
        }
        let headroom = sum.leading_zeros();
        let shifted = ((i64::from(sum) << headroom.saturating_sub(1)) + (1 << 13)) >> 14;
        let reciprocal = i64::from(interpolated(reciprocals, shifted as i32 - (1 << 15) - (1 << 16)));
        let right = 31u32.saturating_sub(headroom);
        for value in row {
            let product = i64::from(*value) * reciprocal;
            *value = ((product + ((1 << right) >> 1)) >> right).clamp(0, 32767) as i16;
        }
    }
}
