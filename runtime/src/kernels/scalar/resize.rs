//! Interpolation between neighbours.

use crate::kernels::requantize::{ClampFloat, round_and_saturate};
use bantam_format::ops::{FIXED_POINT_ONE, IntegerEpilogue, ResizeTap};

/// How the four elements around a position become one: those of the row's low position first, and of the column's.
pub trait Interpolate<T> {
    /// The element in between.
    fn between(&self, row: &ResizeTap, column: &ResizeTap, corners: [T; 4]) -> T;
}

impl Interpolate<f32> for ClampFloat {
    fn between(&self, row: &ResizeTap, column: &ResizeTap, corners: [f32; 4]) -> f32 {
        self.apply(real(row, column, corners))
    }
}

/// Interpolation of 8-bit elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InterpolateInteger {
    /// Zero points, scale and clamp.
    pub epilogue: IntegerEpilogue,
    /// Whether integers are interpolated, with weights of 10 fractional bits (`ResizeBilinearInteger` of TensorFlow
    /// Lite); else the real numbers they stand for.
    pub fixed_point: bool,
}

impl Interpolate<i8> for InterpolateInteger {
    fn between(&self, row: &ResizeTap, column: &ResizeTap, corners: [i8; 4]) -> i8 {
        let epilogue = &self.epilogue;
        let clamp = [epilogue.clamp_min, epilogue.clamp_max].map(i32::from);
        if self.fixed_point {
            let [low, high] = clamp;
            let sum = fixed_point(row, column, corners.map(i32::from));
            // Half away from zero: the quotient is cut towards it.
            let half = if sum > 0 { 1 << 19 } else { -(1 << 19) };
            return ((sum + half) / (1 << 20)).max(low).min(high) as i8;
        }
        let zero_point = i32::from(epilogue.input_zero_point);
        let value = real(row, column, corners.map(|value| (i32::from(value) - zero_point) as f32));
        round_and_saturate(value * f32::from_bits(epilogue.table), i32::from(epilogue.output_zero_point), clamp)
    }
}

/// The elements in the proportions of both taps.
fn real(row: &ResizeTap, column: &ResizeTap, [a, b, c, d]: [f32; 4]) -> f32 {
    let mix = |tap: &ResizeTap, a: f32, b: f32| a * (1.0 - tap.weight) + b * tap.weight;
    mix(row, mix(column, a, b), mix(column, c, d))
}

/// The same times 2^20, of integers; of 8-bit ones it is below 2^28.
fn fixed_point(row: &ResizeTap, column: &ResizeTap, [a, b, c, d]: [i32; 4]) -> i32 {
    let one = FIXED_POINT_ONE as i32;
    let mix = |tap: &ResizeTap, a: i32, b: i32| {
        let share = (tap.weight * FIXED_POINT_ONE) as i32;
        a * (one - share) + b * share
    };
    mix(row, mix(column, a, b), mix(column, c, d))
}

/// Resizes every image of `[height, width, inner]` elements to the rows and columns of the taps.
pub fn resize<T: Copy, I: Interpolate<T>>(
    [height, width, inner]: [usize; 3],
    rows: impl Iterator<Item = ResizeTap> + Clone,
    columns: impl Iterator<Item = ResizeTap> + Clone,
    elements: &I,
    input: &[T],
    output: &mut [T],
) {
    let mut pixels = output.chunks_exact_mut(inner.max(1));
    for image in input.chunks_exact((height * width * inner).max(1)) {
        for row in rows.clone() {
            for (column, pixel) in columns.clone().zip(&mut pixels) {
                let at = |y: u32, x: u32| {
                    let first = (y as usize * width + x as usize) * inner;
                    image.get(first..).unwrap_or(&[])
                };
                let corners = at(row.low, column.low)
                    .iter()
                    .zip(at(row.low, column.high))
                    .zip(at(row.high, column.low))
                    .zip(at(row.high, column.high));
                for (out, (((&a, &b), &c), &d)) in pixel.iter_mut().zip(corners) {
                    *out = elements.between(&row, &column, [a, b, c, d]);
                }
            }
        }
    }
}
