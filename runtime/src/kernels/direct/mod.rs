//! 8-bit convolutions where nothing is packed and little scratch memory is to be had: what devices run.
//!
//! The sums of four output pixels are made at a time, so that every weight loaded is multiplied four times; depthwise convolutions go channel by channel. The innermost loops are in [`portable`], or those of an
//! instruction set. Integer sums do not depend on their order: results are the oracle's.

mod convolution;
mod depthwise;
mod gather;
#[cfg(any(test, not(bantam_dsp)))]
#[cfg_attr(any(bantam_riscv, bantam_thumb1), allow(dead_code))]
pub mod portable;

pub use depthwise::{Depthwise, Lines, Windows};
pub use words::add;

use super::generic::Place;
use super::weights::{ByteWeights, Weights};
use super::{Accumulation, Convolution, Requantization};
#[cfg(bantam_riscv)]
use crate::kernels::arch::riscv as words;
#[cfg(bantam_dsp)]
use crate::kernels::arch::thumb as words;
#[cfg(bantam_thumb1)]
use crate::kernels::arch::thumb1 as words;
#[cfg(not(any(bantam_dsp, bantam_riscv, bantam_thumb1)))]
use portable as words;

use core::marker::PhantomData;

/// Output pixels whose sums are made at a time.
const PIXELS: usize = 4;

/// Which forms ops may have: what they have not is no code.
pub trait Forms: Copy {
    /// Weights of 4 bits.
    const HALVES: bool = true;
    /// Depthwise convolutions of which not all lines of a channel can be set aside at once.
    const STRIPS: bool = true;
    /// Depthwise convolutions of other windows than 3 x 3 that lie side by side, or whose requantisation is not
    /// [plain](Requantization::is_plain).
    const ANY_DEPTHWISE: bool = true;
    /// Other ops whose requantisation is not plain.
    const ANY_SCALE: bool = true;
    /// Convolutions of several groups, or dilated.
    const SPREAD: bool = true;
    /// Convolutions of windows that reach beyond the input.
    const PADDING: bool = true;
    /// Convolutions of windows of more than [`FEW_VALUES`](bantam_format::overlap::FEW_VALUES).
    const MANY_VALUES: bool = true;
    /// Convolutions of windows too large to be set aside.
    const PARTS: bool = true;
}

/// An op of 8-bit integers, to be run band by band.
#[derive(Clone, Copy, Debug)]
pub struct Direct<'a, F> {
    geometry: Convolution,
    zero_point: i32,
    weights: ByteWeights<'a>,
    bias: &'a [i32],
    epilogue: Requantization<'a>,
    /// Whether the short form of the `tflite` arithmetic serves, see [`Requantization::is_plain`].
    plain: bool,
    forms: PhantomData<F>,
}

impl<'a, F: Forms> Direct<'a, F> {
    /// A weight; nought beyond the last.
    #[inline(always)]
    fn weight(&self, at: usize) -> i8 {
        let weight = match self.weights {
            ByteWeights::Bytes(weights) => weights.at(at),
            ByteWeights::Nibbles(_) if F::HALVES => self.weights.at(at),
            ByteWeights::Nibbles(_) => None,
        };
        weight.unwrap_or(0)
    }

    /// Whether the short form of the `tflite` arithmetic serves.
    fn is_plain(&self) -> bool {
        !F::ANY_SCALE || self.plain
    }

    fn groups(&self) -> usize {
        if F::SPREAD { self.geometry.groups } else { 1 }
    }

    /// A convolution.
    pub fn convolution(geometry: &Convolution, accumulation: &Accumulation<'a, i8, Requantization<'a>>) -> Self {
        let mut geometry = *geometry;
        if geometry.is_pointwise() {
            // Its pixels are as good as in one row, where some of them may be read before one is written.
            for [height, width, _] in [&mut geometry.input, &mut geometry.output] {
                (*height, *width) = (1, height.wrapping_mul(*width));
            }
        }
        Self::new(&geometry, accumulation)
    }

    /// With the geometry as it is; that of a depthwise convolution has weights per channel.
    fn new(geometry: &Convolution, accumulation: &Accumulation<'a, i8, Requantization<'a>>) -> Self {
        let &Accumulation { zero_point, weights, bias, epilogue } = accumulation;
        let plain = !F::ANY_SCALE || epilogue.is_plain(bias, geometry.taps());
        Self { geometry: *geometry, zero_point, weights, bias, epilogue, plain, forms: PhantomData }
    }

    /// Computes a convolution over images that lie one behind the other.
    pub fn conv_2d(&self, place: Place<'_, i8>, images: usize) -> Option<()> {
        let Place { memory, mut input, mut output, down } = place;
        let elements = |[height, width, channels]: [usize; 3]| height.checked_mul(width)?.checked_mul(channels);
        for _ in 0..images {
            convolution::convolve(self, &mut Place { memory: &mut *memory, input, output, down })?;
            input = input.checked_add(elements(self.geometry.input)?)?;
            output = output.checked_add(elements(self.geometry.output)?)?;
        }
        Some(())
    }
}

/// Whether there is something to multiply, and weights and bias suffice for all sums: what loops that read through pointers
/// ask first. Of `values` per pixel; the rest is that of `multiply`.
#[cfg(any(bantam_dsp, bantam_riscv, bantam_thumb1))]
pub fn suffices(values: usize, weights: &[i8], taps: usize, bias: Option<&[i32]>, sums: &[[i32; PIXELS]]) -> bool {
    let last = sums.len().checked_sub(1);
    let reaches = last.and_then(|last| last.checked_mul(taps)?.checked_add(values));
    let starts = bias.is_none_or(|bias| bias.len() >= sums.len());
    values > 0 && starts && reaches.is_some_and(|end| end <= weights.len())
}

/// Whether rows of a channel lie inside the values, and in the lines where they are to be set aside; the numbers are those of
/// `set_aside`.
#[cfg(any(bantam_dsp, bantam_thumb1))]
pub fn lies_inside(
    values: &[i8],
    steps: [usize; 2],
    [rows, columns]: [usize; 2],
    lines: &Lines,
    [at, pitch]: [usize; 2],
) -> bool {
    let last = |[row_step, step]: [usize; 2]| {
        let row = rows.checked_sub(1)?.checked_mul(row_step)?;
        row.checked_add(columns.checked_sub(1)?.checked_mul(step)?)
    };
    let reads = last(steps).is_some_and(|last| last < values.len());
    reads && last([pitch, 1]).and_then(|last| last.checked_add(at)).is_some_and(|last| last < lines.0.len())
}

/// The taps of a window that lie inside the input, along one axis: the first one, how many, and the input position
/// under the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Inside {
    tap: usize,
    taps: usize,
    position: usize,
}

impl Inside {
    /// Of the windows of output row `y`.
    #[inline(always)]
    fn rows(geometry: &Convolution, y: usize) -> Self {
        let Convolution { kernel, stride, dilation, pad, input, .. } = geometry;
        // Most often all of them.
        let extent = kernel[0].wrapping_sub(1).wrapping_mul(dilation[0]);
        let position = y.wrapping_mul(stride[0]).wrapping_sub(pad[0]);
        if position < input[0] && position.wrapping_add(extent) < input[0] {
            return Self { tap: 0, taps: kernel[0], position };
        }
        Self::new([kernel[0], stride[0], dilation[0], pad[0], input[0]], y)
    }

    /// Of the windows of output column `x`.
    fn columns(geometry: &Convolution, x: usize) -> Self {
        let Convolution { kernel, stride, dilation, pad, input, .. } = geometry;
        Self::new([kernel[1], stride[1], dilation[1], pad[1], input[1]], x)
    }

    /// All of them, of a window that lies inside.
    #[inline(always)]
    fn all(taps: usize, stride: usize, at: usize) -> Self {
        Self { tap: 0, taps, position: at.wrapping_mul(stride) }
    }

    #[inline(never)]
    fn new([kernel, stride, dilation, pad, input]: [usize; 5], at: usize) -> Self {
        let start = at.saturating_mul(stride);
        // Taps before a position of the padded input.
        let before = |position: usize| {
            let distance = position.saturating_sub(start);
            if dilation == 1 { distance.min(kernel) } else { distance.div_ceil(dilation.max(1)).min(kernel) }
        };
        let tap = before(pad);
        let end = before(pad.saturating_add(input));
        let position = start.saturating_add(tap.saturating_mul(dilation)).saturating_sub(pad);
        Self { tap, taps: end.saturating_sub(tap), position }
    }
}

#[cfg(test)]
mod tests;
