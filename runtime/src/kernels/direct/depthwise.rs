//! Depthwise convolutions, channel by channel: some rows of a channel are set aside as lines of 16-bit numbers, padding
//! included, and windows are summed over them. So the output may overwrite the input channel by channel.

use super::{Direct, Forms, words};
use crate::kernels::{Accumulation, Band, Convolution, Epilogue, Requantization};
use bantam_format::overlap::{LINE_VALUES, Strip, strip};
use core::cell::Cell;
use core::ops::Range;

/// Outputs of a row that are handed to the epilogue at once.
const TILE: usize = 32;

/// Lines of a channel, one behind the other.
#[derive(Debug)]
#[repr(align(4))]
pub struct Lines(pub [i16; LINE_VALUES]);

impl Lines {
    /// Moves values to the beginning.
    fn shift(&mut self, from: usize, count: usize) {
        let cells = Cell::from_mut(&mut self.0[..]).as_slice_of_cells();
        for (to, from) in cells.iter().zip(cells.get(from..).unwrap_or(&[])).take(count) {
            to.set(from.get());
        }
    }
}

/// Windows of three times three taps over lines of a channel.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Values from one line to the next; even.
    pub pitch: usize,
    /// Output rows and columns.
    pub rows: usize,
    /// Output columns.
    pub columns: usize,
    /// Output elements from one column to the next.
    pub step: usize,
    /// Columns of a whole output row.
    pub width: usize,
    /// Where each sum starts.
    pub bias: i32,
}

#[cfg(any(bantam_dsp, bantam_riscv, bantam_thumb1))]
impl Windows {
    /// Whether there is a window, all values lie in the lines, of rows of `columns` windows, and all outputs in their slice.
    pub fn fit(&self, columns: usize, lines: &Lines, output: &[i8]) -> bool {
        let values = self.rows.checked_add(1).and_then(|lines| lines.checked_mul(self.pitch)?.checked_add(columns));
        let reads = values.and_then(|values| values.checked_add(2));
        let last = self.rows.checked_sub(1).and_then(|row| row.checked_mul(self.width));
        let last = last.zip(self.columns.checked_sub(1)).and_then(|(row, column)| row.checked_add(column));
        let writes = last.and_then(|last| last.checked_mul(self.step));
        reads.is_some_and(|end| end <= lines.0.len()) && writes.is_some_and(|last| last < output.len())
    }
}

/// The tensors of an op.
enum Memory<'a> {
    Apart(&'a [i8], &'a mut [i8]),
    /// Output elements lie over those of the input.
    Same(&'a mut [i8]),
}

impl Memory<'_> {
    fn input(&self) -> &[i8] {
        match self {
            Self::Apart(input, _) => input,
            Self::Same(both) => both,
        }
    }

    fn output(&mut self) -> &mut [i8] {
        match self {
            Self::Apart(_, output) => output,
            Self::Same(both) => both,
        }
    }
}

/// A depthwise convolution whose lines can be set aside.
#[derive(Clone, Copy, Debug)]
pub struct Depthwise<'a, F> {
    direct: Direct<'a, F>,
    strip: Strip,
    /// Output channels of an input channel.
    multiplier: usize,
}

impl<'a, F: Forms> Depthwise<'a, F> {
    /// `None` where not even the lines of a single window can be set aside.
    pub fn new(geometry: &Convolution, accumulation: &Accumulation<'a, i8, Requantization<'a>>) -> Option<Self> {
        let &Convolution { kernel, stride, dilation, input, output, .. } = geometry;
        let strip = strip(kernel, stride, dilation, output[1])?;
        let one = Convolution { groups: input[2], ..*geometry };
        let multiplier = output[2].checked_div(input[2])?.max(1);
        Some(Self { direct: Direct::new(&one, accumulation), strip, multiplier })
    }

    /// Computes a band of output rows, as [`depthwise_conv_2d`](crate::kernels::scalar::depthwise_conv_2d) does.
    pub fn band(&self, band: &Band, input: &[i8], output: &mut [i8]) {
        self.run(band, Memory::Apart(input, output));
    }

    /// Computes all rows over the input, as
    /// [`depthwise_conv_2d_in_place`](crate::kernels::scalar::depthwise_conv_2d_in_place) does; `None` where whole rows
    /// cannot be set aside.
    pub fn in_place(&self, data: &mut [i8]) -> Option<()> {
        let [height, width, _] = self.direct.geometry.output;
        (self.strip.columns == width)
            .then(|| self.run(&Band { input: 0..height, output: 0..height }, Memory::Same(data)))
    }

    #[inline(never)]
    fn run(&self, band: &Band, mut memory: Memory<'_>) {
        let geometry = &self.direct.geometry;
        let [_, out_width, channels] = geometry.output;
        let stride = geometry.stride[0].max(1);
        let mut lines = Lines([0; LINE_VALUES]);
        let Strip { columns, rows, pitch, span } = self.strip;
        let (rows, together) = if F::STRIPS { (rows, columns.max(1)) } else { (usize::MAX, usize::MAX) };
        // Otherwise what is padding in a strip may hold values of another.
        let whole = !F::STRIPS || columns == out_width && band.output.len() <= rows;
        for channel in 0..channels {
            let filter = Filter::new(&self.direct, channel);
            let source = channel.checked_div(self.multiplier).unwrap_or(0);
            let mut column = 0;
            while column < out_width {
                let columns = column..out_width.min(column.saturating_add(together));
                let mut y = band.output.start;
                // Padded input rows: the first one whose line is not set aside, and the one whose line is the first.
                let (mut next, mut top) = (y.wrapping_mul(stride), y.wrapping_mul(stride));
                while y < band.output.end {
                    let end = band.output.end.min(y.saturating_add(rows));
                    let start = y.wrapping_mul(stride);
                    if !whole {
                        // What the rows before have set aside and these need too.
                        let kept = next.saturating_sub(start).wrapping_mul(pitch);
                        lines.shift(start.saturating_sub(top).wrapping_mul(pitch), kept);
                    }
                    let last = (end - 1).wrapping_mul(stride).wrapping_add(span);
                    let new = next.max(start)..last;
                    let at = (new.start - start).wrapping_mul(pitch);
                    self.set_aside(
                        &new,
                        [columns.start, source],
                        band,
                        memory.input(),
                        &mut lines,
                        (!whole).then_some(at),
                    );
                    (next, top) = (last, start);
                    let at = (y - band.output.start).wrapping_mul(out_width).wrapping_add(columns.start);
                    let output = memory.output().get_mut(at.wrapping_mul(channels)..).unwrap_or(&mut []);
                    let output = output.get_mut(channel..).unwrap_or(&mut []);
                    self.sum(&filter, &lines, [end - y, columns.len()], output);
                    y = end;
                }
                column = columns.end;
            }
        }
    }

    /// Sets rows of the padded input aside, from value `at` of the lines on, or all of them from the beginning.
    fn set_aside(
        &self,
        rows: &Range<usize>,
        [column, channel]: [usize; 2],
        band: &Band,
        input: &[i8],
        lines: &mut Lines,
        at: Option<usize>,
    ) {
        let geometry = &self.direct.geometry;
        let [_, width, channels] = geometry.input;
        let Strip { columns, pitch, .. } = self.strip;
        // Columns of the line that are padding before the first one inside, and those inside.
        let start = column.wrapping_mul(geometry.stride[1]);
        let before = geometry.pad[1].saturating_sub(start).min(pitch);
        let from = start.saturating_sub(geometry.pad[1]);
        let inside = width.saturating_sub(from).min(pitch - before);
        // The same of rows.
        let first = rows.start.max(band.input.start.wrapping_add(geometry.pad[0])).min(rows.end);
        let last = rows.end.min(band.input.end.wrapping_add(geometry.pad[0])).max(first);
        let place = |row: usize| (row - rows.start).wrapping_mul(pitch).wrapping_add(at.unwrap_or(0));
        if at.is_some() {
            // Rows, and columns where not all are set aside.
            let columns = if columns < geometry.output[1] { place(first)..place(last) } else { 0..0 };
            for padding in [columns, place(rows.start)..place(first), place(last)..place(rows.end)] {
                if let Some(lines) = lines.0.get_mut(padding).filter(|lines| !lines.is_empty()) {
                    lines.fill(0);
                }
            }
        }
        let row = first.wrapping_sub(geometry.pad[0]).wrapping_sub(band.input.start);
        let source = row.wrapping_mul(width).wrapping_add(from).wrapping_mul(channels).wrapping_add(channel);
        words::set_aside(
            input.get(source..).unwrap_or(&[]),
            [width.wrapping_mul(channels), channels],
            self.direct.zero_point,
            [last - first, inside],
            lines,
            [place(first).wrapping_add(before), pitch],
        );
    }

    /// Sums the windows over the lines; the first output is that of the first window.
    fn sum(&self, filter: &Filter<'_, F>, lines: &Lines, [rows, columns]: [usize; 2], output: &mut [i8]) {
        let geometry = &self.direct.geometry;
        if !F::ANY_DEPTHWISE || self.direct.plain && geometry.is_three_by_three() {
            let [_, width, step] = geometry.output;
            let job = Windows { pitch: self.strip.pitch, rows, columns, step, width, bias: filter.bias };
            words::depthwise_3x3(&job, &filter.scales, &filter.square(), lines, output);
            return;
        }
        let [_, width, channels] = geometry.output;
        let stride = geometry.stride[1].max(1);
        for row in 0..rows {
            for first in (0..columns).step_by(TILE) {
                let tile = first..columns.min(first + TILE);
                let mut sums = [filter.bias; TILE];
                let sums = sums.get_mut(..tile.len()).unwrap_or(&mut []);
                for tap_y in 0..geometry.kernel[0] {
                    let line =
                        row.wrapping_mul(geometry.stride[0]).wrapping_add(tap_y.wrapping_mul(geometry.dilation[0]));
                    for tap_x in 0..geometry.kernel[1] {
                        let at = tile.start.wrapping_mul(stride).wrapping_add(tap_x.wrapping_mul(geometry.dilation[1]));
                        let values = lines.0.get(line.wrapping_mul(self.strip.pitch).wrapping_add(at)..).unwrap_or(&[]);
                        let weight = filter.weight(tap_y.wrapping_mul(geometry.kernel[1]).wrapping_add(tap_x));
                        for (sum, &value) in sums.iter_mut().zip(values.iter().step_by(stride)) {
                            *sum = sum.wrapping_add(weight.wrapping_mul(value.into()));
                        }
                    }
                }
                let mut outputs = [0; TILE];
                filter.scales.store(0, sums, &mut outputs);
                let at = row.wrapping_mul(width).wrapping_add(tile.start).wrapping_mul(channels);
                let places = output.get_mut(at..).unwrap_or(&mut []).iter_mut().step_by(channels.max(1));
                for (to, value) in places.zip(outputs).take(tile.len()) {
                    *to = value;
                }
            }
        }
    }
}

/// The constants of an output channel.
struct Filter<'a, F> {
    direct: &'a Direct<'a, F>,
    /// Its first weight, and from one to the next.
    first: usize,
    step: usize,
    bias: i32,
    scales: Requantization<'a>,
}

impl<'a, F: Forms> Filter<'a, F> {
    fn new(direct: &'a Direct<'a, F>, channel: usize) -> Self {
        Self {
            direct,
            first: channel,
            step: direct.geometry.output[2],
            bias: direct.bias.get(channel).copied().unwrap_or(0),
            scales: direct.epilogue.only(channel),
        }
    }

    #[inline(always)]
    fn weight(&self, tap: usize) -> i32 {
        self.direct.weight(tap.wrapping_mul(self.step).wrapping_add(self.first)).into()
    }

    /// Of three times three taps.
    fn square(&self) -> [i32; 9] {
        core::array::from_fn(|tap| self.weight(tap))
    }
}
