//! Convolutions: the windows of four pixels are gathered and widened, four values to a [`Quad`], and multiplied by the
//! weights of all output channels, one after the other. A window of few values is gathered once, before its outputs are
//! written; so they may lie over it.
//!
//! What does not fill a last quad is nought among the values, whatever stands there among the weights.

use super::words::{self, Quad};
use super::{Direct, Forms, Inside, PIXELS};
use crate::kernels::generic::Place;
use crate::kernels::weights::ByteWeights;
use crate::kernels::{Convolution, Epilogue};
use bantam_format::overlap::{FEW_VALUES, WINDOW_VALUES};
use core::ops::Range;

/// Output channels whose sums are handed to the epilogue at once; loops may read one entry more.
const TILE: usize = 32;

/// Convolution of an image, as [`conv_2d`](crate::kernels::scalar::conv_2d) does it, in the order of the walk.
pub fn convolve<F: Forms>(job: &Direct<'_, F>, place: &mut Place<'_, i8>) -> Option<()> {
    if F::MANY_VALUES {
        convolve_with::<F, { WINDOW_VALUES / 4 }>(job, place)
    } else {
        convolve_with::<F, { FEW_VALUES / 4 }>(job, place)
    }
}

/// The same, gathering `QUADS` quads at a time.
#[inline(never)]
fn convolve_with<F: Forms, const QUADS: usize>(job: &Direct<'_, F>, place: &mut Place<'_, i8>) -> Option<()> {
    let geometry = &job.geometry;
    let [mut rows, width, channels] = geometry.output;
    let mut columns = width;
    let mut quads = [Quad::default(); QUADS];
    let mut windows = Windows::new(job, &mut quads);
    let mut sums = [[0; PIXELS]; TILE + 1];
    // Whether a pixel is read when a part of it has been written; else neighbours may stand in different rows.
    let twice = F::PARTS && windows.taps > 4 * QUADS || job.groups() > 1;
    let step = if twice && geometry.is_pointwise() && overlaps(job, place)? { 1 } else { PIXELS };
    if !twice {
        (rows, columns) = (1, rows.wrapping_mul(width));
    }
    let steps = columns.div_ceil(step);
    for row in 0..rows {
        let row = if place.down { rows - 1 - row } else { row }.wrapping_mul(columns);
        for index in 0..steps {
            let first = if place.down { steps - 1 - index } else { index } * step;
            let count = columns.wrapping_sub(first).min(step);
            let first = row.wrapping_add(first);
            let y = first.checked_div(width).unwrap_or(0);
            let pixels = Pixels { y, x: first.wrapping_sub(y.wrapping_mul(width)), count };
            let at = first.wrapping_mul(channels).wrapping_add(place.output);
            for group in 0..job.groups() {
                windows.multiply(&pixels, group, &mut sums, place, at);
            }
        }
    }
    Some(())
}

/// Whether an image's input and output have memory in common.
fn overlaps<F>(job: &Direct<'_, F>, place: &Place<'_, i8>) -> Option<bool> {
    let elements = |[height, width, channels]: [usize; 3]| height.checked_mul(width)?.checked_mul(channels);
    let [input, output] = [elements(job.geometry.input)?, elements(job.geometry.output)?];
    Some(place.input < place.output.checked_add(output)? && place.output < place.input.checked_add(input)?)
}

/// One to four output pixels that are neighbours: in a row, or at the end of one and the beginning of the next.
struct Pixels {
    y: usize,
    x: usize,
    count: usize,
}

/// Gathers and multiplies windows.
struct Windows<'a, F, const QUADS: usize> {
    job: &'a Direct<'a, F>,
    /// Weights of an output channel, and input channels that it sees.
    taps: usize,
    depth: usize,
    /// Output channels of a group.
    channels: usize,
    /// Weights that are multiplied at a time: of whole rows of the window, where they are not too many.
    part: usize,
    /// Whether every run of values starts and ends with a whole quad.
    whole: bool,
    /// Whether taps that lie side by side are one run of values: neither channels of other groups nor dilation part them.
    together: bool,
    /// The same of every row of a window that is inside.
    lines: bool,
    quads: &'a mut [Quad; QUADS],
}

impl<'a, F: Forms, const QUADS: usize> Windows<'a, F, QUADS> {
    fn new(job: &'a Direct<'a, F>, quads: &'a mut [Quad; QUADS]) -> Self {
        let geometry = &job.geometry;
        let (taps, depth) = (geometry.taps(), geometry.group_channels());
        let together = !F::SPREAD || depth == geometry.input[2] && geometry.dilation[1] == 1;
        let row = geometry.kernel[1].saturating_mul(depth);
        let rows = if row.is_multiple_of(4) { (4 * QUADS).checked_div(row).unwrap_or(0) } else { 0 };
        let part = if !F::PARTS {
            taps
        } else if taps <= 4 * QUADS || rows == 0 {
            4 * QUADS
        } else {
            rows.saturating_mul(row)
        };
        Self {
            job,
            taps,
            depth,
            part,
            channels: geometry.output[2].checked_div(job.groups()).unwrap_or(0),
            whole: depth.is_multiple_of(4),
            together,
            lines: together && row.is_multiple_of(4),
            quads,
        }
    }

    /// The outputs of a group at some pixels, the first of which begins at element `at`.
    fn multiply(
        &mut self,
        pixels: &Pixels,
        group: usize,
        sums: &mut [[i32; PIXELS]; TILE + 1],
        place: &mut Place<'_, i8>,
        at: usize,
    ) {
        let (mut tile, end) = (group.wrapping_mul(self.channels), group.wrapping_add(1).wrapping_mul(self.channels));
        let mut gathered = false;
        while tile < end {
            let outputs = tile..end.min(tile.saturating_add(TILE));
            let mut bias = self.job.bias.get(outputs.clone());
            if bias.is_none() {
                *sums = [[0; PIXELS]; TILE + 1];
            }
            let mut from = 0;
            while from < self.taps {
                let length = if F::PARTS { (self.taps - from).min(self.part) } else { self.taps };
                if !gathered {
                    let input = place.memory.get(place.input..).unwrap_or(&[]);
                    self.gather_all(input, pixels, group, &(from..from + length));
                    // One part is all there is to gather.
                    gathered = length == self.taps;
                }
                let quads = self.quads.get(..length.div_ceil(4)).unwrap_or(&[]);
                let filters = Filters::<_, QUADS> {
                    job: self.job,
                    first: outputs.start.wrapping_mul(self.taps).wrapping_add(from),
                    taps: self.taps,
                    length,
                    alone: pixels.count == 1,
                };
                filters.add(quads, bias.take(), sums.get_mut(..outputs.len()).unwrap_or(&mut []));
                from += length;
            }
            let memory = place.memory.get_mut(at.wrapping_add(tile)..).unwrap_or(&mut []);
            self.finish(&outputs, sums, pixels.count, memory);
            tile = outputs.end;
        }
    }

    /// Gathers a part of the values under the windows of some pixels.
    fn gather_all(&mut self, input: &[i8], pixels: &Pixels, group: usize, part: &Range<usize>) {
        let width = self.job.geometry.output[1];
        let &Pixels { mut y, mut x, count } = pixels;
        let mut rows = Inside::rows(&self.job.geometry, y);
        for pixel in 0..count {
            self.gather(input, x, rows, group, part, pixel);
            x = x.wrapping_add(1);
            if x >= width {
                (y, x) = (y.wrapping_add(1), 0);
                rows = Inside::rows(&self.job.geometry, y);
            }
        }
    }

    /// Gathers a part of the values under a window, in the order of the weights.
    fn gather(&mut self, input: &[i8], x: usize, rows: Inside, group: usize, part: &Range<usize>, pixel: usize) {
        let geometry = &self.job.geometry;
        let columns = Inside::columns(geometry, x);
        if (F::PARTS || F::SPREAD) && !(self.together && part.len() == self.taps) {
            let runs = Runs { geometry, depth: self.depth, together: self.together, rows, columns };
            self.gather_part(&runs, input, x, group, part, pixel);
            return;
        }
        let [_, width, channels] = geometry.input;
        let line = geometry.kernel[1].wrapping_mul(self.depth);
        let lines = Lines {
            step: width.wrapping_mul(channels).wrapping_mul(geometry.dilation[0]),
            rows,
            kernel: geometry.kernel[0],
            line,
            begin: columns.tap.wrapping_mul(self.depth),
            length: columns.taps.wrapping_mul(self.depth),
        };
        let first = rows.position.wrapping_mul(width).wrapping_add(columns.position).wrapping_mul(channels);
        let input = input.get(first..).unwrap_or(&[]);
        if lines.length == line && (self.whole || self.lines) {
            let words = line / 4;
            let begin = rows.tap.wrapping_mul(words);
            let end = begin.wrapping_add(rows.taps.wrapping_mul(words));
            let quads = self.quads.get_mut(..self.taps / 4).unwrap_or(&mut []);
            if rows.taps != geometry.kernel[0] {
                words::clear(quads.get_mut(..begin).unwrap_or(&mut []), pixel);
                words::clear(quads.get_mut(end..).unwrap_or(&mut []), pixel);
            }
            let quads = quads.get_mut(begin..).unwrap_or(&mut []);
            words::widen(input, lines.step, self.job.zero_point, [rows.taps, line], quads, pixel);
        } else if self.whole {
            lines.widen(input, self.job.zero_point, self.quads, pixel);
        } else {
            lines.widen_bytes(input, self.job.zero_point, self.quads, pixel);
        }
    }

    /// The same where a window is gathered in parts, or its rows are not runs of values.
    #[inline(never)]
    fn gather_part(
        &mut self,
        runs: &Runs<'_>,
        input: &[i8],
        x: usize,
        group: usize,
        part: &Range<usize>,
        pixel: usize,
    ) {
        let zero_point = self.job.zero_point;
        let inside = runs.columns.taps == self.job.geometry.kernel[1];
        if !(self.whole || self.lines && inside) {
            gather_bytes(runs, input, zero_point, x, group, part, (self.quads, pixel));
            return;
        }
        let quads = &mut *self.quads;
        if let Some((before, from, step, sizes)) = runs.inside(part) {
            let words = sizes[1] / 4;
            let begin = before.wrapping_mul(words);
            let end = begin.wrapping_add(sizes[0].wrapping_mul(words));
            if begin > 0 {
                words::clear(quads.get_mut(..begin).unwrap_or(&mut []), pixel);
            }
            let last = part.end.saturating_sub(part.start) / 4;
            if end < last {
                words::clear(quads.get_mut(end..last).unwrap_or(&mut []), pixel);
            }
            let quads = quads.get_mut(begin..).unwrap_or(&mut []);
            words::widen(input.get(from..).unwrap_or(&[]), step, zero_point, sizes, quads, pixel);
            return;
        }
        runs.each(x, group, part, &mut |run, from| {
            let quads = quads.get_mut(run.start / 4..run.end / 4).unwrap_or(&mut []);
            match from {
                Some(from) => {
                    words::widen(input.get(from..).unwrap_or(&[]), 0, zero_point, [1, run.len()], quads, pixel);
                }
                None => words::clear(quads, pixel),
            }
        });
    }

    /// Turns the sums of some channels into the outputs of some pixels.
    fn finish(&self, outputs: &Range<usize>, sums: &[[i32; PIXELS]; TILE + 1], count: usize, memory: &mut [i8]) {
        let epilogue = &self.job.epilogue;
        let channels = self.job.geometry.output[2];
        if self.job.is_plain() {
            words::requantize(epilogue, outputs, sums, memory, channels, count);
            return;
        }
        for pixel in 0..count {
            let mut own = [0; TILE];
            for (own, sum) in own.iter_mut().zip(sums.as_flattened().get(pixel..).unwrap_or(&[]).iter().step_by(PIXELS))
            {
                *own = *sum;
            }
            let out = memory.get_mut(pixel.wrapping_mul(channels)..).unwrap_or(&mut []);
            let (own, out) = (own.get(..outputs.len()).unwrap_or(&[]), out.get_mut(..outputs.len()).unwrap_or(&mut []));
            epilogue.store(outputs.start, own, out);
        }
    }
}

/// The rows of a window, each a run of values, that is at the border of the input. The input begins with the first value
/// under the window.
struct Lines {
    /// Input elements from one row to the next.
    step: usize,
    /// Rows inside the input, of so many.
    rows: Inside,
    kernel: usize,
    /// Values of a row; where those inside the input begin, and how many they are.
    line: usize,
    begin: usize,
    length: usize,
}

impl Lines {
    /// Widens them, where all of these numbers are of whole quads.
    #[inline(never)]
    fn widen(&self, input: &[i8], zero_point: i32, quads: &mut [Quad], pixel: usize) {
        let [line, begin, end] = [self.line / 4, self.begin / 4, self.begin.wrapping_add(self.length) / 4];
        for (row, quads) in quads.chunks_mut(line.max(1)).take(self.kernel).enumerate() {
            let row = row.wrapping_sub(self.rows.tap);
            let [begin, end] = if row < self.rows.taps { [begin, end] } else { [line; 2] };
            words::clear(quads.get_mut(..begin).unwrap_or(&mut []), pixel);
            words::clear(quads.get_mut(end..).unwrap_or(&mut []), pixel);
            let input = input.get(row.wrapping_mul(self.step)..).unwrap_or(&[]);
            let quads = quads.get_mut(begin..).unwrap_or(&mut []);
            words::widen(input, 0, zero_point, [1, end.wrapping_sub(begin).wrapping_mul(4)], quads, pixel);
        }
    }

    /// The same of any numbers: copies them first.
    #[inline(never)]
    fn widen_bytes<const QUADS: usize>(&self, input: &[i8], zero_point: i32, quads: &mut [Quad; QUADS], pixel: usize) {
        let mut bytes = [[zero_point as i8; 4]; QUADS];
        let bytes = bytes.as_flattened_mut();
        let (mut to, mut from) = (self.rows.tap.wrapping_mul(self.line).wrapping_add(self.begin), 0_usize);
        for _ in 0..self.rows.taps {
            let (to_line, from_line) = (bytes.get_mut(to..).unwrap_or(&mut []), input.get(from..).unwrap_or(&[]));
            to_line.iter_mut().zip(from_line).take(self.length).for_each(|(to, from)| *to = *from);
            (to, from) = (to.wrapping_add(self.line), from.wrapping_add(self.step));
        }
        let length = self.kernel.wrapping_mul(self.line).next_multiple_of(4);
        words::widen(bytes, 0, zero_point, [1, length], quads, pixel);
    }
}

/// Gathers bytes first, where runs are not whole quads.
#[inline(never)]
fn gather_bytes<const QUADS: usize>(
    runs: &Runs<'_>,
    input: &[i8],
    zero_point: i32,
    x: usize,
    group: usize,
    part: &Range<usize>,
    (quads, pixel): (&mut [Quad; QUADS], usize),
) {
    let mut bytes = [[zero_point as i8; 4]; QUADS];
    let bytes = bytes.as_flattened_mut();
    runs.each(x, group, part, &mut |run, from| {
        let from = from.and_then(|from| input.get(from..));
        if let (Some(bytes), Some(values)) = (bytes.get_mut(run), from) {
            bytes.iter_mut().zip(values).for_each(|(to, from)| *to = *from);
        }
    });
    words::widen(bytes, 0, zero_point, [1, part.len().next_multiple_of(4)], quads, pixel);
}

/// The values under a window, as runs that lie side by side. The products are of sizes that the parser has checked.
struct Runs<'a> {
    geometry: &'a Convolution,
    depth: usize,
    together: bool,
    /// Rows and columns of the window inside the input.
    rows: Inside,
    columns: Inside,
}

impl Runs<'_> {
    /// Input elements from one row of the window to the next.
    fn step(&self) -> usize {
        let [_, width, channels] = self.geometry.input;
        width.wrapping_mul(channels).wrapping_mul(self.geometry.dilation[0])
    }

    /// The first element under the window inside the input.
    fn first(&self) -> usize {
        let [_, width, channels] = self.geometry.input;
        self.rows.position.wrapping_mul(width).wrapping_add(self.columns.position).wrapping_mul(channels)
    }

    /// Where a part is made of rows all columns of which lie inside: rows of padding before, the first element, the step,
    /// and how many rows of which length.
    #[inline(always)]
    fn inside(&self, part: &Range<usize>) -> Option<(usize, usize, usize, [usize; 2])> {
        let [height, width] = self.geometry.kernel;
        if !self.together || self.columns.taps != width {
            return None;
        }
        let (line, length) = (width.wrapping_mul(self.depth), part.end.saturating_sub(part.start));
        let (skipped, rows) = (part.start.checked_div(line)?, length.checked_div(line)?);
        if height == 1 || rows == 0 {
            // A row, or a part of one.
            let at =
                skipped.wrapping_mul(self.step()).wrapping_add(part.start.wrapping_sub(skipped.wrapping_mul(line)));
            let within = part.end <= skipped.wrapping_add(1).wrapping_mul(line) && self.rows.taps == height;
            return within.then_some((0, self.first().wrapping_add(at), 0, [1, length]));
        }
        let whole = skipped.wrapping_mul(line) == part.start && rows.wrapping_mul(line) == length;
        let end = skipped.wrapping_add(rows);
        let begin = self.rows.tap.max(skipped).min(end);
        let inside = self.rows.tap.wrapping_add(self.rows.taps).min(end).saturating_sub(begin);
        let at = begin.wrapping_sub(self.rows.tap).wrapping_mul(self.step());
        whole.then_some((begin.wrapping_sub(skipped), self.first().wrapping_add(at), self.step(), [inside, line]))
    }

    /// Gives each run that is in a part of the window: where it stands in the part, and its first element, `None` in the
    /// padding.
    #[inline(never)]
    fn each(&self, x: usize, group: usize, part: &Range<usize>, put: &mut dyn FnMut(Range<usize>, Option<usize>)) {
        let geometry = self.geometry;
        let mut clip = |start: usize, length: usize, from: Option<usize>| {
            let (begin, end) = (start.max(part.start), start.wrapping_add(length).min(part.end));
            if begin < end {
                put(begin - part.start..end - part.start, from.map(|from| from.wrapping_add(begin - start)));
            }
        };
        let kernel_width = geometry.kernel[1];
        let line = kernel_width.wrapping_mul(self.depth);
        let Inside { tap, taps, position } = self.columns;
        // Where a row's values begin and end inside the input.
        let [inside, outside] = [tap, tap.wrapping_add(taps)].map(|tap| tap.wrapping_mul(self.depth));
        let (first, step) = (self.first(), self.step());
        for tap_y in part.start.checked_div(line).unwrap_or(0)..geometry.kernel[0] {
            let start = tap_y.wrapping_mul(line);
            if start >= part.end {
                return;
            }
            let row = tap_y.wrapping_sub(self.rows.tap);
            let first = first.wrapping_add(row.wrapping_mul(step));
            if row >= self.rows.taps {
                clip(start, line, None);
            } else if self.together {
                let mut from = 0;
                for (end, place) in [(inside, None), (outside, Some(first)), (line, None)] {
                    if from < end {
                        clip(start.wrapping_add(from), end.wrapping_sub(from), place);
                    }
                    from = end;
                }
            } else {
                for tap_x in 0..kernel_width {
                    let start = start.wrapping_add(tap_x.wrapping_mul(self.depth));
                    let column = geometry.input_column(x, tap_x).map(|column| column.wrapping_sub(position));
                    let from = column.map(|column| first.wrapping_add(column.wrapping_mul(geometry.input[2])));
                    clip(start, self.depth, from.map(|from| from.wrapping_add(group.wrapping_mul(self.depth))));
                }
            }
        }
    }
}

/// A part of the weights of some output channels.
struct Filters<'a, F, const QUADS: usize> {
    job: &'a Direct<'a, F>,
    /// The first weight of the first channel.
    first: usize,
    /// Weights from one channel to the next, and of a channel in this part.
    taps: usize,
    length: usize,
    /// Whether there is one pixel, of which the sums alone count.
    alone: bool,
}

impl<F: Forms, const QUADS: usize> Filters<'_, F, QUADS> {
    /// Adds the products with the weights to the sums of each channel, or to its bias.
    fn add(&self, quads: &[Quad], bias: Option<&[i32]>, sums: &mut [[i32; PIXELS]]) {
        let mut inside = 0;
        if let ByteWeights::Bytes(weights) = self.job.weights {
            let weights = weights.get(self.first..).unwrap_or(&[]);
            // The last words of the last channels may reach beyond the weights.
            let room = weights.len().checked_sub(quads.len().wrapping_mul(4));
            let room = room.and_then(|room| room.checked_div(self.taps));
            inside = room.map_or(0, |channels| channels.saturating_add(1)).min(sums.len());
            let sums = sums.get_mut(..inside).unwrap_or(&mut []);
            words::multiply(quads, weights, self.taps, bias, sums, self.alone);
        }
        for (channel, sums) in sums.iter_mut().enumerate().skip(inside) {
            if let Some(bias) = bias {
                *sums = [bias.get(channel).copied().unwrap_or(0); PIXELS];
            }
            self.add_copies(quads, channel, sums);
        }
    }

    /// The same for a channel whose weights are copied first: at the end of all, or two in a byte.
    #[inline(never)]
    fn add_copies(&self, quads: &[Quad], channel: usize, sums: &mut [i32; PIXELS]) {
        let mut copies = [[0; 4]; QUADS];
        let from = self.first.wrapping_add(channel.wrapping_mul(self.taps));
        for (offset, to) in copies.as_flattened_mut().iter_mut().enumerate().take(self.length) {
            *to = self.job.weight(from.wrapping_add(offset));
        }
        let sums = core::slice::from_mut(sums);
        words::multiply(quads, copies.as_flattened(), 4 * QUADS, None, sums, self.alone);
    }
}
