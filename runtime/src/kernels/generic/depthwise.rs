//! Depthwise convolutions. The rows of a strip are padded and widened in scratch memory, one product to a word, then every
//! window is summed in vectors of channels.
//!
//! A strip is read whole before its outputs are written, so the output may overlap the input as far as bands may, and
//! lie exactly over it.

use super::loops::{Channels, Column, Layout, Matrix, PIXELS, Row};
use super::pack::{Sizes, part, take, take_mut};
use super::requantize::pack_tables;
use super::{Ask, Kernel, block, start, word};
use crate::kernels::Convolution;

/// Scratch memory that a strip shall not exceed, if there is a choice.
const STRIP_BYTES: usize = 32 << 10;

/// Scratch memory that a strip never exceeds, in words.
const LIMIT: usize = 16 << 20;

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
        let (layout, taps) = (shape.layout, shape.taps);
        let padded = shape.vectors.checked_mul(layout.lanes)?;
        let (tables_of, weights_of) = (padded.checked_mul(layout.table)?, padded.checked_mul(taps)?);
        match self.ask {
            Ask::Measure(sizes) => {
                let packed = [padded, tables_of, taps, weights_of].map(part);
                let packed = packed.into_iter().fold(0, usize::saturating_add);
                *sizes = Sizes { packed, scratch: part(shape.rows.checked_mul(shape.row_words())?) };
            }
            Ask::Pack { mut packed, weights, bias, scales } => {
                let (channels, excess) = (geometry.output[2], loops.excess(self.zero_point));
                let weight = |tap: usize, channel: usize| match channel < channels {
                    true => weights.at(tap * channels + channel),
                    false => 0,
                };
                let starts = take_mut(&mut packed, padded)?;
                for (channel, word) in starts.iter_mut().enumerate() {
                    *word = start(bias.get(channel).copied(), excess, taps, &|tap| weight(tap, channel));
                }
                let channel = |index| (index < channels).then_some(index);
                let tables = take_mut(&mut packed, tables_of)?;
                if let Some(scales) = scales {
                    pack_tables(scales, layout.lanes, &channel, tables);
                }
                let offsets = take_mut(&mut packed, taps)?;
                let width = geometry.kernel[1].max(1);
                for (tap, offset) in offsets.iter_mut().enumerate() {
                    let [y, x] = [tap / width * geometry.dilation[0], tap % width * geometry.dilation[1]];
                    *offset = u32::try_from(y * shape.line * shape.vectors + shape.column(x)).ok()?;
                }
                // Vector by vector of channels, tap by tap.
                let weights = take_mut(&mut packed, weights_of)?;
                for (at, to) in weights.iter_mut().enumerate() {
                    let (vector, lane) = (at / layout.lanes, at % layout.lanes);
                    let weight = weight(vector % taps, vector / taps * layout.lanes + lane);
                    *to = word(layout.group, |slot| if slot == 0 { weight } else { 0 });
                }
            }
            Ask::Run { mut packed, mut scratch, place, finish, images } => {
                let starts = take(&mut packed, padded)?;
                let tables = take(&mut packed, tables_of)?;
                let offsets = take(&mut packed, taps)?;
                let weights = take(&mut packed, weights_of)?;
                let words = shape.row_words();
                let lines = take_mut(&mut scratch, shape.rows.checked_mul(words)?)?;
                let [height, width, channels] = geometry.input;
                let [out_height, out_width, out_channels] = geometry.output;
                let (pixel, out_pixel) = (channels * layout.value, out_channels * layout.value);
                let stride = geometry.stride[0];
                let advance = shape.strip * stride;
                let down = place.down && place.input != place.output;
                for image in 0..images {
                    let input = place.input.checked_add(image.checked_mul(height * width * pixel)?)?;
                    let output = place.output.checked_add(image.checked_mul(out_height * out_width * out_pixel)?)?;
                    let mut turn = 0;
                    while let Some(strip) = block(turn, out_height, shape.strip, down) {
                        turn += 1;
                        let source = place.memory.get(input..)?;
                        // Going up, the strip before has read the first rows, and may have written over them.
                        let again = down || strip.start == 0;
                        let kept = if again { 0 } else { shape.rows.saturating_sub(advance) };
                        if kept > 0 {
                            lines.copy_within(advance * words..shape.rows * words, 0);
                        }
                        for row in kept..shape.rows_of(strip.len(), stride) {
                            let y = (strip.start * stride + row).checked_sub(geometry.pad[0]).filter(|&y| y < height);
                            let from = y.and_then(|y| source.get(y * width * pixel..));
                            let line = lines.get_mut(row * words..)?;
                            for column in 0..shape.line {
                                let inside = column.checked_sub(geometry.pad[1]).filter(|&column| column < width);
                                let pixel = from.and_then(|from| from.get(inside? * pixel..));
                                let column = Column {
                                    pixel,
                                    zero_point: self.zero_point,
                                    bytes: out_pixel,
                                    multiplier: (out_channels / channels.max(1)).max(1),
                                    line: shape.line,
                                    at: shape.column(column),
                                };
                                loops.widen(&column, line)?;
                            }
                        }
                        for (index, y) in strip.enumerate() {
                            let row = Row {
                                lines: lines.get(index * stride * words..)?,
                                offsets,
                                weights,
                                line: shape.line,
                                starts,
                                tables,
                                finish: &finish,
                                pixel: out_pixel,
                            };
                            let at = output + y * out_width * out_pixel;
                            loops.row(&row, place.memory.get_mut(at..at + out_width * out_pixel)?)?;
                        }
                    }
                }
            }
        }
        Some(())
    }
}

#[derive(Clone, Copy)]
struct Shape {
    layout: Layout,
    /// Of a window.
    taps: usize,
    /// Vectors of channels.
    vectors: usize,
    /// Columns from one output to the next.
    stride: usize,
    /// Columns of a widened row whose distance is a multiple of the stride, so that the columns under one tap of
    /// neighbouring outputs are neighbours; padding included, and what the last outputs side by side read too much.
    columns: usize,
    /// Columns of all remainders, of which there are as many as the stride is long.
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
        let reach = |taps: usize, dilation: usize| taps.saturating_sub(1).saturating_mul(dilation);
        let span = reach(geometry.kernel[1], geometry.dilation[1]);
        let extent = reach(geometry.kernel[0], geometry.dilation[0]).checked_add(1)?;
        let [row_stride, stride] = geometry.stride.map(|stride| stride.max(1));
        let columns = geometry.output[1].next_multiple_of(PIXELS).checked_add(span / stride)?;
        let line = columns.checked_mul(stride)?;
        let vectors = geometry.output[2].div_ceil(layout.lanes);
        let taps = (geometry.kernel[0] * geometry.kernel[1]).max(1);
        let mut shape = Self { layout, taps, vectors, stride, columns, line, extent, strip: 0, rows: 0 };
        let words = line.checked_mul(vectors)?.checked_mul(layout.lanes)?.max(1);
        let fitting = (STRIP_BYTES / 4 / words).saturating_sub(extent) / row_stride;
        shape.strip = fitting.saturating_add(1).min(geometry.output[0]);
        shape.rows = shape.rows_of(shape.strip, row_stride);
        // Of windows dilated far most of the rows would be widened for no tap.
        let dense = shape.rows / 4 <= shape.strip.saturating_mul(geometry.kernel[0]);
        (dense && shape.rows.checked_mul(words)? <= LIMIT).then_some(shape)
    }

    /// Input rows that so many output rows span.
    fn rows_of(&self, strip: usize, stride: usize) -> usize {
        strip.saturating_sub(1).saturating_mul(stride).saturating_add(self.extent)
    }

    /// Where a column stands in a widened row, in vectors.
    fn column(&self, column: usize) -> usize {
        let stride = self.stride.max(1);
        column % stride * self.columns + column / stride
    }

    /// Words of a widened row.
    fn row_words(&self) -> usize {
        self.line.saturating_mul(self.vectors).saturating_mul(self.layout.lanes)
    }
}
