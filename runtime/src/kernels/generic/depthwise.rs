//! Depthwise convolutions. The rows of a strip are copied into scratch memory with padding around them; then [`Channels`] makes words
//! of them, block by block of channels, and sums the windows.
//!
//! A strip is read whole before its outputs are written, so the output may overlap the input as far as bands may, and
//! lie exactly over it.

#[cfg(not(target_arch = "wasm32"))]
use super::columns::{self, Columns};
use super::loops::{Layout, Matrix, VECTORS, blank_byte};
use super::pack::{Sizes, part, take, take_mut};
use super::panels::{Rows, Target};
use super::strips::{Channels, Steps, Strip, stand};
use super::{Ask, Kernel, block};
use crate::kernels::Convolution;
use zerocopy::IntoBytes;

/// Scratch memory that a strip shall not exceed, if there is a choice.
const STRIP_BYTES: usize = 32 << 10;

/// The same where words are made column by column: the more rows there are, the less often the same ones are made.
#[cfg(not(target_arch = "wasm32"))]
const COLUMNS_BYTES: usize = 128 << 10;

/// The same of the words made of it for a block of channels.
const WORDS_BYTES: usize = 64 << 10;

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
    fn channels(&self) -> usize {
        self.geometry.output[2]
    }

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
        let Shape { layout, steps: Steps { pixel: out_pixel, line, .. }, .. } = shape;
        let ([height, width, channels], [out_height, out_width, out_channels]) = (geometry.input, geometry.output);
        let product = layout.group.max(1);
        // Words of a channel's weights: each row has its own.
        let [rows, taps] = geometry.kernel;
        let groups = taps.div_ceil(product);
        let depth = rows.checked_mul(groups)?;
        let padded = out_channels.checked_next_multiple_of(layout.lanes * VECTORS)?;
        let (tables_of, weights_of) = (padded.checked_mul(layout.table)?, padded.checked_mul(depth)?);
        let [lines_of, words_of] = shape.scratch;
        match self.ask {
            Ask::Measure(sizes) => {
                let packed = [padded, tables_of, depth, weights_of]
                    .iter()
                    .fold(0, |sum: usize, &words| sum.saturating_add(part(words)));
                *sizes = Sizes { packed, scratch: part(lines_of) + part(words_of) };
            }
            Ask::Pack { mut packed, constants } => {
                let excess = loops.excess(self.zero_point);
                let mut starts = take_mut(&mut packed, padded)?;
                let mut tables = take_mut(&mut packed, tables_of)?;
                let places = take_mut(&mut packed, depth)?;
                let mut weights = take_mut(&mut packed, weights_of)?;
                for (index, place) in places.iter_mut().enumerate() {
                    *place = u32::try_from(shape.place(geometry, [index / groups, index % groups])).ok()?;
                }
                // By two vectors of channels, row by row of a window.
                let lanes = VECTORS * layout.lanes;
                for first in (0..out_channels).step_by(lanes) {
                    let rows = Rows {
                        channels: [first, (out_channels - first).min(lanes)],
                        strides: [1, out_channels],
                        runs: [rows, taps],
                    };
                    let target = Target {
                        panel: weights.split_off_mut(..depth * lanes)?,
                        starts: starts.split_off_mut(..lanes)?,
                        tables: tables.split_off_mut(..lanes * layout.table)?,
                    };
                    constants.pack(&layout, excess, &rows, target)?;
                }
            }
            Ask::Run { mut packed, mut scratch, place, finish, images } => {
                let starts = take(&mut packed, padded)?;
                let tables = take(&mut packed, tables_of)?;
                let places = take(&mut packed, depth)?;
                let weights = take(&mut packed, weights_of)?;
                let lines = take_mut(&mut scratch, lines_of)?.as_mut_bytes();
                let words = take_mut(&mut scratch, words_of)?.as_mut_bytes();
                let pixel = channels * layout.value;
                let row_stride = geometry.stride[0];
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
                        #[cfg(not(target_arch = "wasm32"))]
                        if shape.block > 0 {
                            for (index, lines) in lines.chunks_exact_mut(shape.rows * line).enumerate() {
                                if kept > 0 {
                                    lines.copy_within(advance * line.., 0);
                                }
                                let rows = lines.chunks_exact_mut(line).take(shape.rows_of(strip.len()));
                                for (row, line) in rows.enumerate().skip(kept) {
                                    let y = (strip.start * row_stride + row).checked_sub(geometry.pad[0]);
                                    let from = y.filter(|&y| y < height);
                                    let from = from.and_then(|y| source.get(y * width * pixel + index * shape.block..));
                                    let (before, rest) = line.split_at_mut_checked(geometry.pad[1] * shape.block)?;
                                    let inside = if from.is_some() { (width * shape.block).min(rest.len()) } else { 0 };
                                    let (inside, after) = rest.split_at_mut_checked(inside)?;
                                    before.fill(blank);
                                    after.fill(blank);
                                    loops.pick(from.unwrap_or_default(), pixel, inside)?;
                                }
                            }
                            let at = output + strip.start * out_width * out_pixel;
                            let output = place.memory.get_mut(at..at + strip.len() * out_width * out_pixel)?;
                            loops.columns(Columns {
                                lines,
                                extent: [line / shape.block, shape.rows, out_width],
                                stride: geometry.stride,
                                pixel: out_pixel,
                                weights,
                                starts,
                                tables,
                                finish: &finish,
                                output,
                            })?;
                            continue;
                        }
                        if kept > 0 {
                            lines.copy_within(advance * line..shape.rows * line, 0);
                        }
                        for row in kept..shape.rows_of(strip.len()) {
                            let y = (strip.start * row_stride + row).checked_sub(geometry.pad[0]);
                            let from = y.filter(|&y| y < height).and_then(|y| source.get(y * width * pixel..));
                            let line = lines.get_mut(row * line..)?.get_mut(..line)?;
                            let before = geometry.pad[1].saturating_mul(out_pixel).min(line.len());
                            let inside = if from.is_some() { (line.len() - before).min(width * out_pixel) } else { 0 };
                            let (before, rest) = line.split_at_mut_checked(before)?;
                            let (inside, after) = rest.split_at_mut_checked(inside)?;
                            before.fill(blank);
                            after.fill(blank);
                            repeat(from.unwrap_or_default(), layout.value, multiplier, inside)?;
                        }
                        let at = output + strip.start * out_width * out_pixel;
                        let output = place.memory.get_mut(at..at + strip.len() * out_width * out_pixel)?;
                        let words = words.get_mut(..shape.rows_of(strip.len()) * shape.words)?;
                        let (steps, finish) = (&shape.steps, &finish);
                        loops.strip(Strip { lines, words, steps, places, weights, starts, tables, finish, output })?;
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
    steps: Steps,
    /// Input columns from one word of a line to the next.
    spacing: usize,
    /// Input rows that an output row spans.
    extent: usize,
    /// Bytes of a row of words.
    words: usize,
    /// Output rows of a strip, and the input rows they span.
    strip: usize,
    rows: usize,
    /// Where words are made column by column, lines have the channels of one block, of so many bytes, and stand block by block; else nought.
    #[cfg(not(target_arch = "wasm32"))]
    block: usize,
    /// Words that the lines of a strip take with what is read behind them, and those of a block of channels.
    scratch: [usize; 2],
}

impl Shape {
    /// `None` where the kernel does not serve: the strip is too large, or taps are few in it.
    fn new(geometry: &Convolution, layout: Layout) -> Option<Self> {
        // Padding is narrower than a window and windows reach no further, so this is counted without overflow.
        let ([kernel_rows, taps], [row_stride, stride]) = (geometry.kernel, geometry.stride);
        let ([apart, dilation], group) = (geometry.dilation, layout.group.max(1));
        let extent = kernel_rows.saturating_sub(1) * apart + 1;
        let width = geometry.output[1];
        let columns = width.saturating_sub(1) * stride + taps.saturating_sub(1) * dilation + 1;
        // A word begins where a group of a window does. The last group may reach beyond the window.
        let groups = taps.div_ceil(group).max(1);
        let reach = group.saturating_mul(dilation);
        let spacing = if groups == 1 || reach % stride.max(1) == 0 { stride } else { 1 }.max(1);
        let length = (width.saturating_sub(1) * stride + (groups - 1) * group * dilation) / spacing + 1;
        let pixel = geometry.output[2].saturating_mul(layout.value);
        // What a line and what is read of it take, and a row of words.
        let line = columns.saturating_mul(pixel);
        let read = (reach + length * spacing).saturating_mul(pixel);
        // Single elements are words as they stand in the lines.
        let words = if stand(group) { 0 } else { length.saturating_mul(VECTORS * layout.lanes * 4) };
        let fitting = (STRIP_BYTES / line.max(1)).min(WORDS_BYTES / words.max(1)).saturating_sub(extent);
        let strip = (fitting / row_stride.max(1)).saturating_add(1).min(geometry.output[0]);
        let rows = strip.saturating_sub(1).saturating_mul(row_stride).saturating_add(extent);
        let behind = read.max(line).saturating_add(VECTORS * layout.lanes * layout.value);
        let lines = rows.saturating_mul(line).saturating_add(behind) / 4 + 1;
        let scratch = [lines, rows.saturating_mul(words / 4)];
        // Of windows dilated far most of the rows would be copied for no tap.
        let dense = rows / 4 <= strip.saturating_mul(kernel_rows);
        if !dense || scratch.iter().any(|&words| words > LIMIT / 4) {
            return None;
        }
        let steps = Steps {
            pixel,
            line,
            taps: [dilation * pixel, spacing * pixel],
            words: if stand(group) { [line, stride * pixel] } else { [length, stride / spacing] },
            windows: [width, row_stride],
        };
        let shape = Self {
            layout,
            steps,
            spacing,
            extent,
            words,
            strip,
            rows,
            #[cfg(not(target_arch = "wasm32"))]
            block: 0,
            scratch,
        };
        #[cfg(not(target_arch = "wasm32"))]
        let shape = shape.by_columns(geometry).unwrap_or(shape);
        Some(shape)
    }

    /// The same with words made column by column, where they can be.
    #[cfg(not(target_arch = "wasm32"))]
    fn by_columns(self, geometry: &Convolution) -> Option<Self> {
        let (layout, [kernel_rows, taps]) = (self.layout, geometry.kernel);
        let [row_stride, stride] = geometry.stride;
        let grows = geometry.input[2] != geometry.output[2];
        if !layout.columns
            || grows
            || kernel_rows != columns::ROWS
            || taps > layout.group
            || geometry.dilation != [1; 2]
        {
            return None;
        }
        let block = VECTORS * layout.lanes * layout.value;
        let line = (geometry.output[1].saturating_sub(1) * stride + layout.group).saturating_mul(block);
        let all = line.saturating_mul(self.steps.pixel.div_ceil(block));
        let strip = ((COLUMNS_BYTES / all.max(1)).saturating_sub(self.extent) / row_stride.max(1)).saturating_add(1);
        let strip = strip.min(geometry.output[0]);
        let rows = self.rows_of(strip);
        Some(Self {
            block,
            strip,
            rows,
            steps: Steps { line, ..self.steps },
            scratch: [rows.saturating_mul(all) / 4, 0],
            ..self
        })
    }

    /// Input rows that so many output rows span.
    fn rows_of(&self, strip: usize) -> usize {
        strip.saturating_sub(1) * self.steps.windows[1] + self.extent
    }

    /// Where a window has the word of a group of a row.
    fn place(&self, geometry: &Convolution, [row, group]: [usize; 2]) -> usize {
        let column = if stand(self.layout.group) {
            group * self.steps.taps[0]
        } else {
            group * self.layout.group * geometry.dilation[1] / self.spacing
        };
        row * geometry.dilation[0] * self.steps.words[0] + column
    }
}
