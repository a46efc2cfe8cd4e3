//! Depthwise convolutions. A strip of input rows is padded in scratch memory, its rows interleaved in groups of as many
//! as one instruction multiplies, then every window is summed in vectors of channels. Where a window's first row stands
//! in a group depends on the output row, so the weights are packed once for each such place.
//!
//! A strip is read whole before its outputs are written, so the output may overlap the input as far as bands may, and
//! lie exactly over it.

use super::loops::{Channels, Column, GROUP, Layout, Matrix, PIXELS, Row};
use super::pack::{Sizes, part, take, take_mut};
use super::{Ask, Kernel, block, word};
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
    const GROUPS: bool = false;

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
        let (layout, kernel) = (shape.layout, geometry.kernel);
        let padded = shape.vectors.checked_mul(layout.lanes)?;
        let tables_of = padded.checked_mul(layout.table)?;
        match self.ask {
            Ask::Measure(sizes) => {
                let filter = shape.filter(geometry);
                let packed = part(padded)
                    .checked_add(part(tables_of))?
                    .checked_add(part(GROUP + 1))?
                    .checked_add(part(filter))?
                    .checked_add(part(filter.checked_mul(padded)?))?;
                *sizes = Sizes { packed, scratch: part(shape.groups.checked_mul(shape.group_words())?) };
            }
            Ask::Pack { mut packed, weights, bias, tables } => {
                let (channels, excess) = (geometry.output[2], loops.excess(self.zero_point));
                let weight = |tap: Option<usize>, channel: usize| match tap {
                    Some(tap) if channel < channels => weights.at(tap * channels + channel),
                    _ => 0,
                };
                let starts = take_mut(&mut packed, padded)?;
                for (channel, start) in starts.iter_mut().enumerate() {
                    *start = bias.get(channel).copied().unwrap_or(0).cast_unsigned();
                    if excess != 0 {
                        for tap in 0..kernel[0] * kernel[1] {
                            let more = excess.wrapping_mul(weight(Some(tap), channel));
                            *start = start.wrapping_sub(more.cast_unsigned());
                        }
                    }
                }
                let channel = |index| (index < channels).then_some(index);
                tables.pack(layout.lanes, &channel, take_mut(&mut packed, tables_of)?);
                let bounds = take_mut(&mut packed, GROUP + 1)?;
                let filter = shape.filter(geometry);
                let offsets = take_mut(&mut packed, filter)?;
                let weights = take_mut(&mut packed, filter.checked_mul(padded)?)?;
                let mut taps = 0;
                for place in 0..shape.places() {
                    *bounds.get_mut(place)? = u32::try_from(taps).ok()?;
                    let first = place * shape.step;
                    for group in 0..shape.span(first) {
                        if !shape.touches(geometry, first, group) {
                            continue;
                        }
                        for tap_x in 0..kernel[1] {
                            let column = shape.column(geometry, tap_x * geometry.dilation[1]);
                            let offset = group.checked_mul(shape.row_vectors())?.checked_add(column)?;
                            *offsets.get_mut(taps)? = u32::try_from(offset).ok()?;
                            for channel in 0..padded {
                                let tap = |slot: usize| {
                                    let tap_y = shape.tap(geometry, first, group * layout.group + slot);
                                    weight(tap_y.map(|tap_y| tap_y * kernel[1] + tap_x), channel)
                                };
                                let (vector, lane) = (channel / layout.lanes, channel % layout.lanes);
                                let at = (vector * filter + taps) * layout.lanes + lane;
                                *weights.get_mut(at)? = word(layout.group, tap);
                            }
                            taps += 1;
                        }
                    }
                }
                *bounds.get_mut(shape.places())? = u32::try_from(taps).ok()?;
                *bounds.last_mut()? = u32::try_from(taps).ok()?;
            }
            Ask::Run { mut packed, mut scratch, place, finish, images } => {
                let starts = take(&mut packed, padded)?;
                let tables = take(&mut packed, tables_of)?;
                let bounds = take(&mut packed, GROUP + 1)?;
                let filter = *bounds.last()? as usize;
                let offsets = take(&mut packed, filter)?;
                let weights = take(&mut packed, filter.checked_mul(padded)?)?;
                let words = shape.group_words();
                let lines = take_mut(&mut scratch, shape.groups.checked_mul(words)?)?;
                let [height, width, channels] = geometry.input;
                let [out_height, out_width, out_channels] = geometry.output;
                let (pixel, out_pixel) = (channels * layout.value, out_channels * layout.value);
                let stride = geometry.stride[0].max(1);
                let down = place.down && place.input != place.output;
                for image in 0..images {
                    let input = place.input.checked_add(image.checked_mul(height * width * pixel)?)?;
                    let output = place.output.checked_add(image.checked_mul(out_height * out_width * out_pixel)?)?;
                    let mut turn = 0;
                    while let Some(strip) = block(turn, out_height, shape.strip, down) {
                        turn += 1;
                        let rows = (strip.len().saturating_sub(1) * stride).saturating_add(shape.extent);
                        let source = place.memory.get(input..)?;
                        // Going up, the strip before has read the first groups, and may have written over their rows.
                        let again = down || strip.start == 0;
                        let kept = if again { 0 } else { shape.groups.saturating_sub(shape.advance) };
                        if kept > 0 {
                            let from = shape.advance * words;
                            lines.copy_within(from..from + kept * words, 0);
                        }
                        let last = strip.end == out_height;
                        let needed = if last { rows.div_ceil(layout.group) } else { shape.groups };
                        for group in kept..needed {
                            let mut sources = [None; GROUP];
                            for (slot, row) in sources.iter_mut().enumerate().take(layout.group) {
                                let y = strip.start * stride + group * layout.group + slot;
                                let y = y.checked_sub(geometry.pad[0]).filter(|&y| y < height);
                                *row = y.and_then(|y| source.get(y * width * pixel..));
                            }
                            let line = lines.get_mut(group * words..)?;
                            for column in 0..shape.line {
                                let inside = column.checked_sub(geometry.pad[1]).filter(|&column| column < width);
                                let at = shape.column(geometry, column) * layout.lanes;
                                let column = Column {
                                    rows: sources.map(|row| row.and_then(|row| row.get(inside? * pixel..))),
                                    zero_point: self.zero_point,
                                    bytes: out_pixel,
                                    multiplier: (out_channels / channels.max(1)).max(1),
                                    line: shape.line,
                                };
                                loops.interleave(&column, line.get_mut(at..)?)?;
                            }
                        }
                        for (index, y) in strip.enumerate() {
                            let first = index * stride;
                            let place_in_group = first % layout.group / shape.step.max(1);
                            let start = *bounds.get(place_in_group)? as usize;
                            let end = *bounds.get(place_in_group + 1)? as usize;
                            let row = Row {
                                lines: lines.get(first / layout.group * words..)?,
                                offsets: offsets.get(start..end)?,
                                weights: weights.get(start * layout.lanes..)?,
                                filter,
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
    /// Vectors of channels.
    vectors: usize,
    /// Columns of an interleaved row whose distance is a multiple of the stride, so that the columns under one tap of
    /// neighbouring outputs are neighbours; padding included, and what the last outputs side by side read too much.
    columns: usize,
    /// Columns of all remainders, of which there are as many as the stride is long.
    line: usize,
    /// Input rows that one output row spans.
    extent: usize,
    /// Output rows of a strip; the groups of rows they read, and those from one strip to the next.
    strip: usize,
    groups: usize,
    advance: usize,
    /// Rows between the places in a group where windows may begin.
    step: usize,
}

impl Shape {
    /// `None` where the kernel does not serve: the strip is too large.
    fn new(geometry: &Convolution, layout: Layout) -> Option<Self> {
        let reach = |taps: usize, dilation: usize| taps.saturating_sub(1).saturating_mul(dilation);
        let extent = reach(geometry.kernel[0], geometry.dilation[0]);
        let span = reach(geometry.kernel[1], geometry.dilation[1]);
        let [row_stride, stride] = geometry.stride.map(|stride| stride.max(1));
        let extent = extent.checked_add(1)?;
        let columns = geometry.output[1].next_multiple_of(PIXELS).checked_add(span / stride)?;
        let line = columns.checked_mul(stride)?;
        let vectors = geometry.output[2].div_ceil(layout.lanes);
        let words = line.checked_mul(vectors)?.checked_mul(layout.lanes)?.max(1);
        let fitting = (STRIP_BYTES / 4 / words).saturating_mul(layout.group).saturating_sub(extent) / row_stride;
        // Strips begin where groups do.
        let strip = (fitting / layout.group).max(1).saturating_mul(layout.group).min(geometry.output[0]);
        let rows = strip.saturating_sub(1).checked_mul(row_stride)?.checked_add(extent)?;
        let groups = rows.div_ceil(layout.group);
        let advance = strip.checked_mul(row_stride)? / layout.group;
        // The greatest common divisor of the stride and the rows of a group.
        let step = (1 << row_stride.trailing_zeros()).min(layout.group);
        let fits = groups.checked_mul(words)? <= LIMIT;
        fits.then_some(Self { layout, vectors, columns, line, extent, strip, groups, advance, step })
    }

    /// Where a column stands in an interleaved row, in vectors.
    fn column(&self, geometry: &Convolution, column: usize) -> usize {
        let stride = geometry.stride[1].max(1);
        column % stride * self.columns + column / stride
    }

    /// Vectors of a group.
    fn row_vectors(&self) -> usize {
        self.line.saturating_mul(self.vectors)
    }

    /// Words of a group.
    fn group_words(&self) -> usize {
        self.row_vectors().saturating_mul(self.layout.lanes)
    }

    /// Places in a group where windows may begin.
    fn places(&self) -> usize {
        self.layout.group / self.step.max(1)
    }

    /// Groups that a window spans which begins at row `first` of one.
    fn span(&self, first: usize) -> usize {
        (first + self.extent).div_ceil(self.layout.group)
    }

    /// The tap on row `row` of the group in which a window begins at row `first`.
    fn tap(&self, geometry: &Convolution, first: usize, row: usize) -> Option<usize> {
        let (distance, dilation) = (row.checked_sub(first)?, geometry.dilation[0].max(1));
        (distance % dilation == 0).then_some(distance / dilation).filter(|&tap| tap < geometry.kernel[0])
    }

    /// Whether such a window has a tap in a group.
    fn touches(&self, geometry: &Convolution, first: usize, group: usize) -> bool {
        let rows = group * self.layout.group..(group + 1) * self.layout.group;
        rows.into_iter().any(|row| self.tap(geometry, first, row).is_some())
    }

    /// Vectors of weights per vector of channels, for all places.
    fn filter(&self, geometry: &Convolution) -> usize {
        let mut touched = 0;
        for place in 0..self.places() {
            let first = place * self.step;
            touched += (0..self.span(first)).filter(|&group| self.touches(geometry, first, group)).count();
        }
        touched * geometry.kernel[1]
    }
}
