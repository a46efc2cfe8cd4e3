//! The readable oracle: one plain loop nest per op, never optimised.

mod convolution;
mod elementwise;
mod linear;
mod movement;
mod normalization;
mod pooling;
mod reduction;
mod resize;
mod softmax;

pub use convolution::{conv_2d, depthwise_conv_2d, depthwise_conv_2d_in_place, transpose_conv_2d};
pub use elementwise::{
    FixedPointBinary, LinearBinary, RealBinary, binary, binary_f32, binary_i32, clamp, compare, dequantize, quantize,
    table, truncate, unary,
};
pub use linear::{fully_connected, mat_mul};
pub use movement::{Pad, Walk, concat, gather, pad, select, walk_copy};
pub use normalization::normalize;
pub use pooling::{average_pool_2d, max_pool_2d};
pub use reduction::{arg_max, extreme, reduce_f32, reduce_i32, sum, top_k};
pub use resize::{Interpolate, resize};
pub use softmax::{softmax_f32, softmax_i8};

use super::requantize::clamp_f32;

/// Accumulators computed before they are handed to the epilogue.
pub const TILE: usize = 16;

/// What the oracle needs of an element type, so that one loop nest serves integers and floats.
pub trait Number: Copy {
    /// Type of sums.
    type Accumulator: Copy;
    /// The sum of nothing.
    const ZERO: Self::Accumulator;
    /// The smallest value.
    const LOWEST: Self;
    /// `sum + (self - zero_point) * weight`; floats have no zero point, and the product is rounded before the sum.
    fn multiply_add(self, sum: Self::Accumulator, zero_point: i32, weight: Self) -> Self::Accumulator;
    /// `sum + (self - zero_point) * (other - other_zero_point)`.
    fn multiply_add_both(
        self,
        sum: Self::Accumulator,
        zero_point: i32,
        other: Self,
        other_zero_point: i32,
    ) -> Self::Accumulator;
    /// `sum + (self - zero_point)`.
    fn add(self, sum: Self::Accumulator, zero_point: i32) -> Self::Accumulator;
    /// Clamps; NaN stays NaN.
    fn clamp(self, bounds: [Self; 2]) -> Self;
    /// Whether `self` is larger; false with NaN.
    fn exceeds(self, other: Self) -> bool;
}

impl Number for i8 {
    type Accumulator = i32;
    const ZERO: i32 = 0;
    const LOWEST: i8 = i8::MIN;

    fn multiply_add(self, sum: i32, zero_point: i32, weight: i8) -> i32 {
        sum + (i32::from(self) - zero_point) * i32::from(weight)
    }

    fn multiply_add_both(self, sum: i32, zero_point: i32, other: i8, other_zero_point: i32) -> i32 {
        sum + (i32::from(self) - zero_point) * (i32::from(other) - other_zero_point)
    }

    fn add(self, sum: i32, zero_point: i32) -> i32 {
        sum + (i32::from(self) - zero_point)
    }

    fn clamp(self, [low, high]: [i8; 2]) -> i8 {
        self.max(low).min(high)
    }

    fn exceeds(self, other: i8) -> bool {
        self > other
    }
}

impl Number for f32 {
    type Accumulator = f32;
    const ZERO: f32 = 0.0;
    const LOWEST: f32 = f32::NEG_INFINITY;

    fn multiply_add(self, sum: f32, _: i32, weight: f32) -> f32 {
        sum + self * weight
    }

    fn multiply_add_both(self, sum: f32, _: i32, other: f32, _: i32) -> f32 {
        sum + self * other
    }

    fn add(self, sum: f32, _: i32) -> f32 {
        sum + self
    }

    fn clamp(self, bounds: [f32; 2]) -> f32 {
        clamp_f32(self, bounds)
    }

    fn exceeds(self, other: f32) -> bool {
        self > other
    }
}

/// The accumulators of up to [`TILE`] channels from `channel` on, starting from the bias (zeros where it is empty).
fn biased<T: Number>(bias: &[T::Accumulator], channel: usize) -> [T::Accumulator; TILE] {
    let mut tile = [T::ZERO; TILE];
    for (accumulator, &value) in tile.iter_mut().zip(bias.get(channel..).unwrap_or(&[])) {
        *accumulator = value;
    }
    tile
}
