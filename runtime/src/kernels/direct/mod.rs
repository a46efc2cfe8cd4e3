//! 8-bit convolutions where nothing is packed and no scratch memory is to be had: what devices run.
//!
//! Two output pixels and two output channels are summed at a time, so that every value and every weight loaded is
//! multiplied twice; [`Values::add`] is the loop over them, which instruction sets may bring. Integer sums do not depend on
//! their order: results are the oracle's.

mod depthwise;
mod dot;

pub use depthwise::{Taps, depthwise_conv_2d};
pub use dot::{Rows, Sums};

use super::{Accumulation, Band, Convolution, Epilogue, Requantization};
use core::ops::Range;
use dot::Values;

/// Output channels whose sums are handed to the epilogue at once; even.
const TILE: usize = 16;

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
    fn rows(geometry: &Convolution, y: usize) -> Self {
        let Convolution { kernel, stride, dilation, pad, input, .. } = geometry;
        Self::new([kernel[0], stride[0], dilation[0], pad[0], input[0]], y)
    }

    /// Of the windows of output column `x`.
    fn columns(geometry: &Convolution, x: usize) -> Self {
        let Convolution { kernel, stride, dilation, pad, input, .. } = geometry;
        Self::new([kernel[1], stride[1], dilation[1], pad[1], input[1]], x)
    }

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

/// Two-dimensional convolution of a band, as [`conv_2d`](super::scalar::conv_2d) does it.
pub fn conv_2d(
    geometry: &Convolution,
    band: &Band,
    input: &[i8],
    accumulation: &Accumulation<'_, i8, Requantization<'_>>,
    output: &mut [i8],
) {
    if geometry.is_pointwise() && band.input == band.output {
        // Neighbours in a row or in a column are the same to it: one long row.
        let width = band.output.len().saturating_mul(geometry.output[1]);
        let mut flat = *geometry;
        (flat.input[0], flat.output[0]) = (1, 1);
        (flat.input[1], flat.output[1]) = (width, width);
        convolve(&flat, &Band { input: 0..1, output: 0..1 }, input, accumulation, output);
    } else {
        convolve(geometry, band, input, accumulation, output);
    }
}

/// Fully connected layers: `rows` of `depth` inputs times `channels` of `depth` weights.
pub fn fully_connected(
    depth: usize,
    channels: usize,
    input: &[i8],
    accumulation: &Accumulation<'_, i8, Requantization<'_>>,
    output: &mut [i8],
) {
    let rows = output.len().checked_div(channels).unwrap_or(0);
    let geometry = Convolution {
        kernel: [1; 2],
        stride: [1; 2],
        dilation: [1; 2],
        pad: [0; 2],
        input: [1, rows, depth],
        output: [1, rows, channels],
        groups: 1,
    };
    convolve(&geometry, &Band { input: 0..1, output: 0..1 }, input, accumulation, output);
}

#[inline(never)]
fn convolve(
    geometry: &Convolution,
    band: &Band,
    input: &[i8],
    accumulation: &Accumulation<'_, i8, Requantization<'_>>,
    output: &mut [i8],
) {
    let [_, out_width, out_channels] = geometry.output;
    let row_elements = out_width.saturating_mul(out_channels).max(1);
    for (y, row) in band.output.clone().zip(output.chunks_exact_mut(row_elements)) {
        let tall = Inside::rows(geometry, y);
        let Some(first) = tall.position.checked_sub(band.input.start).or((tall.taps == 0).then_some(0)) else { return };
        let mut pixels = row.chunks_exact_mut(out_channels.max(1));
        let mut x = 0;
        while let Some(left) = pixels.next() {
            let wide = Inside::columns(geometry, x);
            let next = Inside::columns(geometry, x.saturating_add(1));
            let pair = [next.tap, next.taps] == [wide.tap, wide.taps];
            let right = if pair { pixels.next() } else { None };
            x += if right.is_some() { 2 } else { 1 };
            let ahead = if right.is_some() { next.position.saturating_sub(wide.position) } else { 0 };
            let window = Window { tall, wide, first, ahead };
            window.store(geometry, input, accumulation, left, right);
        }
    }
}

/// The taps of one or two neighbouring pixels.
struct Window {
    tall: Inside,
    wide: Inside,
    /// The row of the band's input under the first tap.
    first: usize,
    /// Columns from the first pixel's window to the second's; 0 where there is one pixel.
    ahead: usize,
}

impl Window {
    fn store(
        &self,
        geometry: &Convolution,
        input: &[i8],
        accumulation: &Accumulation<'_, i8, Requantization<'_>>,
        left: &mut [i8],
        mut right: Option<&mut [i8]>,
    ) {
        let [_, width, channels] = geometry.input;
        let at = self.first.wrapping_mul(width).wrapping_add(self.wide.position).wrapping_mul(channels);
        let depth = geometry.group_channels();
        let skipped = self.tall.tap.wrapping_mul(geometry.kernel[1]).wrapping_add(self.wide.tap).wrapping_mul(depth);
        // Taps that lie side by side are one run of values, unless channels of other groups or dilation part them.
        let together = depth == channels && geometry.dilation[1] == 1;
        let runs = if together { 1 } else { self.wide.taps };
        let rows = Rows {
            count: self.tall.taps,
            length: if together { self.wide.taps.wrapping_mul(depth) } else { depth },
            steps: [
                width.wrapping_mul(channels).wrapping_mul(geometry.dilation[0]),
                geometry.kernel[1].wrapping_mul(depth),
            ],
        };
        let group_outputs = left.len().checked_div(geometry.groups).unwrap_or(0);
        for group in 0..geometry.groups {
            let (mut tile, end) =
                (group.wrapping_mul(group_outputs), group.wrapping_add(1).wrapping_mul(group_outputs));
            while tile < end {
                let outputs = tile..end.min(tile.saturating_add(TILE));
                let mut sums = Tile::new(accumulation.bias, &outputs);
                for run in 0..runs {
                    let step = run.wrapping_mul(geometry.dilation[1]).wrapping_mul(channels);
                    let at = at.wrapping_add(group.wrapping_mul(depth)).wrapping_add(step);
                    let other = at.wrapping_add(self.ahead.wrapping_mul(channels));
                    let values = Values::new(from(input, at), from(input, other), &rows, accumulation.zero_point);
                    let filter = skipped.wrapping_add(run.wrapping_mul(depth));
                    sums.add(&values, accumulation.weights, filter, geometry.taps(), &outputs);
                }
                let [first, second] = sums.split();
                accumulation.epilogue.store(outputs.start, &first, left.get_mut(outputs.clone()).unwrap_or(&mut []));
                if let Some(right) = right.as_deref_mut() {
                    let right = right.get_mut(outputs.clone()).unwrap_or(&mut []);
                    accumulation.epilogue.store(outputs.start, &second, right);
                }
                tile = outputs.end;
            }
        }
    }
}

fn from(slice: &[i8], start: usize) -> &[i8] {
    slice.get(start..).unwrap_or(&[])
}

/// The sums of some output channels at both pixels, channels in pairs.
struct Tile([Sums; TILE / 2]);

impl Tile {
    fn new(bias: &[i32], outputs: &Range<usize>) -> Self {
        let mut sums = [[0; 4]; TILE / 2];
        let bias = bias.get(outputs.clone()).unwrap_or(&[]);
        for (sums, bias) in sums.iter_mut().zip(bias.chunks(2)) {
            let (first, second) = (bias.first().copied().unwrap_or(0), bias.get(1).copied().unwrap_or(0));
            *sums = [first, first, second, second];
        }
        Self(sums)
    }

    /// Adds the products with the weights of these channels, of which there are `taps` each, from `start` on.
    fn add(&mut self, values: &Values<'_>, weights: &[i8], start: usize, taps: usize, outputs: &Range<usize>) {
        let mut at = outputs.start.wrapping_mul(taps).wrapping_add(start);
        let last = outputs.end.wrapping_sub(1).wrapping_mul(taps).wrapping_add(start);
        for sums in &mut self.0 {
            if at > last {
                break;
            }
            let other = at.wrapping_add(taps);
            values.add([from(weights, at), from(weights, other.min(last))], sums);
            at = other.wrapping_add(taps);
        }
    }

    /// Those of the one pixel and those of the other.
    fn split(&self) -> [[i32; TILE]; 2] {
        let mut pixels = [[0; TILE]; 2];
        let [left, right] = &mut pixels;
        let places = left.as_chunks_mut().0.iter_mut().zip(right.as_chunks_mut().0);
        for (&[a, b, c, d], (left, right)) in self.0.iter().zip(places) {
            (*left, *right) = ([a, c], [b, d]);
        }
        pixels
    }
}

#[cfg(test)]
mod tests;
