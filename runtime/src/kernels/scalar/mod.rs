//! The readable oracle: one plain loop nest per op, never optimised.

mod angle;
mod convolution;
mod elementwise;
mod linear;
mod movement;
mod normalization;
mod pooling;
mod reduction;
mod resize;
mod softmax;
mod wide;

pub use convolution::{conv_2d, depthwise_conv_2d, depthwise_conv_2d_in_place, transpose_conv_2d};
pub use elementwise::{
    FixedPointBinary, FixedPointSum, LinearBinary, RealBinary, binary, binary_f32, binary_i32, clamp, compare,
    dequantize, dequantize_wide, quantize, quantize_wide, table, truncate, unary,
};
pub use linear::{fully_connected, mat_mul};
pub use movement::{Pad, Walk, concat, gather, pad, select, walk_copy};
pub use normalization::{l2_normalize_f32, l2_normalize_i8, normalize};
pub use pooling::{average_pool_2d, max_pool_2d};
pub use reduction::{arg_max, extreme, float_key, reduce_f32, reduce_i32, sum, top_k};
pub use resize::{Interpolate, InterpolateInteger, resize};
pub use softmax::{log_softmax_f32, log_softmax_i8, softmax_f32, softmax_i8};
pub use wide::{Rescaling, sigmoid_table, softmax_i16};

use super::requantize::clamp_f32;
use super::weights::{ByteWeights, FloatWeights, RUN, Weights};

/// Whether programs may be larger for it: blocks of channels then have loops of their own, which become vectors.
const WHOLE: bool = cfg!(any(target_arch = "x86_64", target_arch = "aarch64"));

/// Accumulators computed before they are handed to the epilogue.
pub const TILE: usize = 16;

/// What the oracle needs of an element type, so that one loop nest serves integers and floats.
pub trait Number: Copy {
    /// Type of sums.
    type Accumulator: Copy;
    /// Type of the weights it is multiplied with.
    type Weight: Copy;
    /// How constant weights of its ops lie in memory.
    type Weights<'a>: Weights<Self::Weight> + core::fmt::Debug;
    /// Type of a bias, as artifacts hold it.
    type Bias: Copy;
    /// The weight that adds nothing.
    const NO_WEIGHT: Self::Weight;
    /// The sum of nothing.
    const ZERO: Self::Accumulator;
    /// The smallest value.
    const LOWEST: Self;
    /// `sum + (self - zero_point) * weight`; floats have no zero point, and the product is rounded before the sum.
    fn multiply_add(self, sum: Self::Accumulator, zero_point: i32, weight: Self::Weight) -> Self::Accumulator;
    /// `sum + (self - zero_point) * (other - other_zero_point)`.
    fn multiply_add_both(
        self,
        sum: Self::Accumulator,
        zero_point: i32,
        other: Self,
        other_zero_point: i32,
    ) -> Self::Accumulator;
    /// The sum that starts from a bias.
    fn start(bias: Self::Bias) -> Self::Accumulator;
    /// `sum + (self - zero_point)`.
    fn add(self, sum: Self::Accumulator, zero_point: i32) -> Self::Accumulator;
    /// Clamps; NaN stays NaN.
    fn clamp(self, bounds: [Self; 2]) -> Self;
    /// Whether `self` is larger; false with NaN.
    fn exceeds(self, other: Self) -> bool;
}

impl Number for i8 {
    type Accumulator = i32;
    type Weight = i8;
    type Weights<'a> = ByteWeights<'a>;
    type Bias = i32;
    const NO_WEIGHT: i8 = 0;
    const ZERO: i32 = 0;
    const LOWEST: i8 = i8::MIN;

    fn multiply_add(self, sum: i32, zero_point: i32, weight: i8) -> i32 {
        sum + (i32::from(self) - zero_point) * i32::from(weight)
    }

    fn multiply_add_both(self, sum: i32, zero_point: i32, other: i8, other_zero_point: i32) -> i32 {
        sum + (i32::from(self) - zero_point) * (i32::from(other) - other_zero_point)
    }

    fn start(bias: i32) -> i32 {
        bias
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

/// 16-bit activations are symmetric, their weights have 8 bits, their sums 64. Constants lie at multiples of 4, so a bias is
/// two words, the lower one first.
impl Number for i16 {
    type Accumulator = i64;
    type Weight = i8;
    type Weights<'a> = ByteWeights<'a>;
    type Bias = [i32; 2];
    const NO_WEIGHT: i8 = 0;
    const ZERO: i64 = 0;
    const LOWEST: i16 = i16::MIN;

    fn multiply_add(self, sum: i64, _: i32, weight: i8) -> i64 {
        sum + i64::from(i32::from(self) * i32::from(weight))
    }

    fn multiply_add_both(self, sum: i64, _: i32, other: i16, _: i32) -> i64 {
        sum + i64::from(i32::from(self) * i32::from(other))
    }

    fn start([low, high]: [i32; 2]) -> i64 {
        i64::from(high) << 32 | i64::from(low.cast_unsigned())
    }

    fn add(self, sum: i64, _: i32) -> i64 {
        sum + i64::from(self)
    }

    fn clamp(self, [low, high]: [i16; 2]) -> i16 {
        self.max(low).min(high)
    }

    fn exceeds(self, other: i16) -> bool {
        self > other
    }
}

impl Number for f32 {
    type Accumulator = f32;
    type Weight = f32;
    type Weights<'a> = FloatWeights<'a>;
    type Bias = f32;
    const NO_WEIGHT: f32 = 0.0;
    const ZERO: f32 = 0.0;
    const LOWEST: f32 = f32::NEG_INFINITY;

    fn multiply_add(self, sum: f32, _: i32, weight: f32) -> f32 {
        sum + self * weight
    }

    fn multiply_add_both(self, sum: f32, _: i32, other: f32, _: i32) -> f32 {
        sum + self * other
    }

    fn start(bias: f32) -> f32 {
        bias
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

/// Adds the products of values and the weights from `at` on.
#[inline(always)]
fn add_products<T: Number>(
    accumulator: &mut T::Accumulator,
    values: &[T],
    zero_point: i32,
    weights: T::Weights<'_>,
    at: usize,
) {
    let (mut values, mut at) = (values, at);
    let mut buffer = [T::NO_WEIGHT; RUN];
    while !values.is_empty() {
        let run = weights.run(at, values.len(), &mut buffer);
        for (&value, &weight) in values.iter().zip(run) {
            *accumulator = value.multiply_add(*accumulator, zero_point, weight);
        }
        if run.is_empty() {
            break;
        }
        at += run.len();
        values = values.get(run.len()..).unwrap_or(&[]);
    }
}

/// The accumulators of up to [`TILE`] channels from `channel` on, starting from the bias (zeros where it is empty).
fn biased<T: Number>(bias: &[T::Bias], channel: usize) -> [T::Accumulator; TILE] {
    let mut tile = [T::ZERO; TILE];
    for (accumulator, &value) in tile.iter_mut().zip(bias.get(channel..).unwrap_or(&[])) {
        *accumulator = T::start(value);
    }
    tile
}
