//! Depthwise convolutions. The rows of a strip are copied into scratch memory with padding around them, then every window is
//! summed in vectors of channels.
//!
//! A strip is read whole before its outputs are written, so the output may overlap the input as far as bands may, and
//! lie exactly over it.

use super::loops::{Channels, Layout, Matrix, Strip, VECTORS, Windows, blank_byte};
use super::pack::{Sizes, part, take, take_mut};
use super::panels::{Rows, Target};
use super::{Ask, Kernel, block};
use crate::kernels::Convolution;
use zerocopy::IntoBytes;

/// Scratch memory that a strip shall not exceed, if there is a choice.
const STRIP_BYTES: usize = 32 << 10;

/// Scratch memory that a strip never exceeds.
const LIMIT: usize = 64 << 20;

/// A depthwise convolution of weights `[taps, channels]`.
#[derive(Debug)]
pub struct Depthwise<'a> {
    /// Geometry of one image.
    pub geometry: &'a Convolution,
    /// Zero point of the input.
    pub zero_point: i32,
    /// What to do.
    pub ask: Ask<'a>,
}

impl Kernel for Depthwise<'_> {
    #[inline(always)]
    fn run<L: Matrix + Channels>(self, loops: &L) -> Option<()> {
        #[cfg(target_arch = "wasm32")]
        let loops: &dyn Channels = loops;
        self.run_on(loops)
    }
}

impl Depthwise<'_> {
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn run_on<L: Channels + ?Sized>(self, loops: &L) -> Option<()> {
        let geometry = self.geometry;
        let shape = Shape::new(geometry, loops.layout())?;
        let Shape { layout, taps, pixel: out_pixel, .. } = shape;
        let product = layout.group.max(1);
        let padded = geometry.output[2].checked_next_multiple_of(layout.lanes * VECTORS)?;
        let slots = taps.checked_next_multiple_of(product)?;
        let (tables_of, weights_of) = (padded.checked_mul(layout.table)?, padded.checked_mul(slots / product)?);
        match self.ask {
            Ask::Measure(sizes) => {
                let packed = [padded, tables_of, slots, weights_of]
                    .iter()
                    .fold(0, |sum: usize, &words| sum.saturating_add(part(words)));
                *sizes = Sizes { packed, scratch: part(shape.words()?) };
            }
            Ask::Pack { mut packed, constants } => {
                let (channels, excess) = (geometry.output[2], loops.excess(self.zero_point));
                let mut starts = take_mut(&mut packed, padded)?;
                let mut tables = take_mut(&mut packed, tables_of)?;
                let places = take_mut(&mut packed, slots)?;
                let mut weights = take_mut(&mut packed, weights_of)?;
                let width = geometry.kernel[1].max(1);
                for (tap, place) in places.iter_mut().enumerate() {
                    // What fills up the last group has weights of nought.
                    let tap = if tap < taps { tap } else { 0 };
                    let [y, x] = [tap / width * geometry.dilation[0], tap % width * geometry.dilation[1]];
                    *place = u32::try_from(y * shape.line + x * out_pixel).ok()?;
                }
                // By two vectors of channels, group by group of taps.
                let lanes = VECTORS * layout.lanes;
                for first in (0..channels).step_by(lanes) {
                    let rows = Rows {
                        channels: [first, (channels - first).min(lanes)],
                        strides: [1, channels],
                        runs: [1, taps],
                    };
                    let target = Target {
                        panel: weights.split_off_mut(..slots / product * lanes)?,
                        starts: starts.split_off_mut(..lanes)?,
                        tables: tables.split_off_mut(..lanes * layout.table)?,
                    };
                    constants.pack(&layout, excess, &rows, target)?;
                }
            }
            Ask::Run { mut packed, mut scratch, place, finish, images } => {
                let starts = take(&mut packed, padded)?;
                let tables = take(&mut packed, tables_of)?;
                let taps = take(&mut packed, slots)?;
                let weights = take(&mut packed, weights_of)?;
                let lines = take_mut(&mut scratch, shape.words()?)?.as_mut_bytes();
                let [height, width, channels] = geometry.input;
                let [out_height, out_width, out_channels] = geometry.output;
                let pixel = channels * layout.value;
                let [row_stride, stride] = geometry.stride;
                let windows =
                    Windows { runs: [0; 2], columns: [out_width, stride * out_pixel], row: row_stride * shape.line };
                let blank = blank_byte(layout.value, self.zero_point);
                let multiplier = (out_channels / channels.max(1)).max(1);
                let advance = shape.strip * row_stride;
                let down = place.down && place.input != place.output;
                for image in 0..images {
                    let input = place.input + image * height * width * pixel;
                    let output = place.output + image * out_height * out_width * out_pixel;
                    let mut turn = 0;
                    while let Some(strip) = block(turn, out_height, shape.strip, down) {
                        turn += 1;
                        let source = place.memory.get(input..)?;
                        // Going up, the strip before has read the first rows, and may have written over them.
                        let again = down || strip.start == 0;
                        let kept = if again { 0 } else { shape.rows.saturating_sub(advance) };
                        if kept > 0 {
                            lines.copy_within(advance * shape.line..shape.rows * shape.line, 0);
                        }
                        for row in kept..shape.rows_of(strip.len(), row_stride) {
                            let y = (strip.start * row_stride + row).checked_sub(geometry.pad[0]);
                            let from = y.filter(|&y| y < height).and_then(|y| source.get(y * width * pixel..));
                            let line = lines.get_mut(row * shape.line..)?.get_mut(..shape.line)?;
                            let before = geometry.pad[1].saturating_mul(out_pixel).min(shape.line);
                            let inside = if from.is_some() { (shape.line - before).min(width * out_pixel) } else { 0 };
                            let (before, rest) = line.split_at_mut_checked(before)?;
                            let (inside, after) = rest.split_at_mut_checked(inside)?;
                            before.fill(blank);
                            after.fill(blank);
                            repeat(from.unwrap_or_default(), layout.value, multiplier, inside)?;
                        }
                        let at = output + strip.start * out_width * out_pixel;
                        let target = place.memory.get_mut(at..at + strip.len() * out_width * out_pixel)?;
                        let strip =
                            Strip { lines, windows, taps, weights, starts, tables, finish: &finish, pixel: out_pixel };
                        loops.strip(&strip, target)?;
                    }
                }
            }
        }
        Some(())
    }
}

/// Copies elements, each `times` times.
fn repeat(from: &[u8], element: usize, times: usize, to: &mut [u8]) -> Option<()> {
    if times == 1 {
        to.copy_from_slice(from.get(..to.len())?);
        return Some(());
    }
    for (at, to) in to.iter_mut().enumerate() {
        *to = *from.get(at / element / times * element + at % element)?;
    }
    Some(())
}

#[derive(Clone, Copy)]
struct Shape {
    layout: Layout,
    /// Of a window.
    taps: usize,
    /// Bytes of an output pixel.
    pixel: usize,
    /// Bytes of a row with its padding, each element as often as channels see it.
    line: usize,
    /// Input rows that one output row spans.
    extent: usize,
    /// Output rows of a strip, and the input rows they span.
    strip: usize,
    rows: usize,
}

impl Shape {
    /// `None` where the kernel does not serve: the strip is too large, or taps are few in it.
    fn new(geometry: &Convolution, layout: Layout) -> Option<Self> {
        // Padding is narrower than a window and windows reach no further, so this is counted without overflow.
        let extent = geometry.kernel[0].saturating_sub(1) * geometry.dilation[0] + 1;
        let span = geometry.kernel[1].saturating_sub(1) * geometry.dilation[1] + 1;
        let [row_stride, stride] = geometry.stride;
        let columns = geometry.output[1].saturating_sub(1) * stride + span;
        let pixel = geometry.output[2].checked_mul(layout.value)?;
        let line = columns.checked_mul(pixel)?;
        let taps = (geometry.kernel[0] * geometry.kernel[1]).max(1);
        let mut shape = Self { layout, taps, pixel, line, extent, strip: 0, rows: 0 };
        let fitting = (STRIP_BYTES / line.max(1)).saturating_sub(extent) / row_stride.max(1);
        shape.strip = fitting.saturating_add(1).min(geometry.output[0]);
        shape.rows = shape.rows_of(shape.strip, row_stride);
        // Of windows dilated far most of the rows would be copied for no tap.
        let dense = shape.rows / 4 <= shape.strip.saturating_mul(geometry.kernel[0]);
        (dense && shape.rows.checked_mul(line)? <= LIMIT).then_some(shape)
    }

    /// Input rows that so many output rows span.
    fn rows_of(&self, strip: usize, stride: usize) -> usize {
        strip.saturating_sub(1).saturating_mul(stride).saturating_add(self.extent)
    }

    /// Words of all rows of a strip, and of the vectors that are read behind them.
    fn words(&self) -> Option<usize> {
        let behind = VECTORS * self.layout.lanes * self.layout.value;
        Some(self.rows.checked_mul(self.line)?.checked_add(behind)?.div_ceil(4))
    }
}
