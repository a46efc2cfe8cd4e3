//! Interpolation between neighbours.

use crate::kernels::requantize::{ClampFloat, round_and_saturate};
use bantam_format::ops::{IntegerEpilogue, ResizeTap};

/// How elements are interpolated: as floats, whatever they are stored as.
pub trait Interpolate<T> {
    /// The number an element stands for.
    fn load(&self, value: T) -> f32;
    /// The element for a number.
    fn store(&self, value: f32) -> T;
}

impl Interpolate<f32> for ClampFloat {
    fn load(&self, value: f32) -> f32 {
        value
    }

    fn store(&self, value: f32) -> f32 {
        self.apply(value)
    }
}

impl Interpolate<i8> for IntegerEpilogue {
    fn load(&self, value: i8) -> f32 {
        (i32::from(value) - i32::from(self.input_zero_point)) as f32
    }

    fn store(&self, value: f32) -> i8 {
        let clamp = [self.clamp_min, self.clamp_max].map(i32::from);
        round_and_saturate(value * f32::from_bits(self.table), i32::from(self.output_zero_point), clamp)
    }
}

/// `a` and `b` in the proportion of the tap.
fn between(tap: &ResizeTap, a: f32, b: f32) -> f32 {
    a * (1.0 - tap.weight) + b * tap.weight
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
                    let [a, b, c, d] = [a, b, c, d].map(|value| elements.load(value));
                    *out = elements.store(between(&row, between(&column, a, b), between(&column, c, d)));
                }
            }
        }
    }
}
