//! The values under the windows of output pixels, gathered and widened in the order of the weights.
//!
//! Where rows of a window are runs of whole quads, the windows of pixels that are neighbours in a row are widened together:
//! what is read beside the input is made nought afterwards. Other windows, and those that would reach beyond the memory, are
//! put together from runs of values, one pixel after the other.

use super::words::{self, Quad};
use super::{Direct, Forms, Inside};
use crate::kernels::Convolution;
use crate::kernels::generic::Place;
use core::ops::Range;

/// One to four output pixels that are neighbours: in a row, or at the end of one and the beginning of the next.
pub struct Pixels {
    pub y: usize,
    pub x: usize,
    pub count: usize,
}

/// The windows of four pixels.
pub struct Windows<'a, F, const QUADS: usize> {
    pub job: &'a Direct<'a, F>,
    /// Weights of an output channel, and input channels that it sees.
    pub taps: usize,
    depth: usize,
    /// Weights that are multiplied at a time: of whole rows of the window, where they are not too many.
    pub part: usize,
    /// Values of a row of the window.
    line: usize,
    /// Whether every run of values starts and ends with a whole quad.
    whole: bool,
    /// Whether taps that lie side by side are one run of values: neither channels of other groups nor dilation part them.
    together: bool,
    /// Values of a window, or of a part of one.
    pub quads: &'a mut [Quad; QUADS],
}

/// What of a part of a window lies in rows of the input.
struct Rows {
    /// Rows of the part that are padding, before those inside the input, and how many are inside.
    before: usize,
    inside: usize,
    /// Values of each row, and those of the window's row that the part leaves out before.
    length: usize,
    skipped: usize,
    /// Elements from the window's first row inside the input to that of the part.
    ahead: usize,
}

impl<'a, F: Forms, const QUADS: usize> Windows<'a, F, QUADS> {
    pub fn new(job: &'a Direct<'a, F>, quads: &'a mut [Quad; QUADS]) -> Self {
        let geometry = &job.geometry;
        let (taps, depth) = (geometry.taps(), geometry.group_channels());
        let line = geometry.kernel[1].saturating_mul(depth);
        let rows = if line.is_multiple_of(4) { (4 * QUADS).checked_div(line).unwrap_or(0) } else { 0 };
        let part = if !F::PARTS {
            taps
        } else if taps <= 4 * QUADS || rows == 0 {
            4 * QUADS
        } else {
            rows.saturating_mul(line)
        };
        let together = !F::SPREAD || depth == geometry.input[2] && geometry.dilation[1] == 1;
        Self { job, taps, depth, part, line, whole: depth.is_multiple_of(4), together, quads }
    }

    /// Gathers a part of the values under the windows of some pixels.
    #[inline(always)]
    pub fn gather(&mut self, place: &Place<'_, i8>, pixels: &Pixels, group: usize, part: &Range<usize>) {
        let geometry = &self.job.geometry;
        let &Pixels { mut y, mut x, count } = pixels;
        let mut first = 0;
        while first < count {
            // Those in the same row.
            let end = first.saturating_add(geometry.output[1].saturating_sub(x).max(1)).min(count);
            let rows = if F::PADDING {
                Inside::rows(geometry, y)
            } else {
                Inside::all(geometry.kernel[0], geometry.stride[0], y)
            };
            if self.gather_together(place, x, rows, part, first..end).is_none() {
                let input = place.memory.get(place.input..).unwrap_or(&[]);
                for (pixel, x) in (first..end).zip(x..) {
                    self.gather_alone(input, x, rows, group, part, pixel);
                }
            }
            (first, y, x) = (end, y.wrapping_add(1), 0);
        }
    }

    /// Gathers pixels of a row at once, the first of which is in column `x`; `None` where rows are not runs of whole quads,
    /// or the memory ends before they do.
    #[inline(never)]
    fn gather_together(
        &mut self,
        place: &Place<'_, i8>,
        x: usize,
        rows: Inside,
        part: &Range<usize>,
        pixels: Range<usize>,
    ) -> Option<()> {
        if !self.together || !self.line.is_multiple_of(4) {
            return None;
        }
        let geometry = &self.job.geometry;
        let [_, width, channels] = geometry.input;
        let step = width.wrapping_mul(geometry.dilation[0]).wrapping_mul(channels);
        let pixel_step = geometry.stride[1].wrapping_mul(channels);
        let Rows { before, inside, length, skipped, ahead } = self.rows_in(part, rows, step)?;
        // The first column under the windows, padding included, and the end of the last.
        let start = x.wrapping_mul(geometry.stride[1]);
        let others = pixels.len().wrapping_sub(1);
        let end = start.wrapping_add(others.wrapping_mul(geometry.stride[1])).wrapping_add(geometry.kernel[1]);
        let column = start.wrapping_sub(geometry.pad[1]);
        let from = rows.position.wrapping_mul(width).wrapping_add(column).wrapping_mul(channels);
        let from = from.wrapping_add(ahead).wrapping_add(place.input);
        let extent = inside.saturating_sub(1).wrapping_mul(step).wrapping_add(others.wrapping_mul(pixel_step));
        let values = place.memory.get(from..from.wrapping_add(extent).wrapping_add(length))?;
        let words = length / 4;
        let (above, quads) = self.quads.get_mut(..part.len() / 4)?.split_at_mut_checked(before.wrapping_mul(words))?;
        let (quads, below) = quads.split_at_mut_checked(inside.wrapping_mul(words))?;
        if F::PADDING {
            for pixel in pixels.clone() {
                words::clear(above, 1, pixel, 0..4);
                words::clear(below, 1, pixel, 0..4);
            }
        }
        words::widen(values, [step, pixel_step], self.job.zero_point, [inside, length], quads, pixels.clone());
        let padded = width.wrapping_add(geometry.pad[1]);
        if F::PADDING && (start < geometry.pad[1] || end > padded) {
            let value = |tap: usize| tap.wrapping_mul(self.depth).saturating_sub(skipped).min(length);
            let mut start = start;
            for pixel in pixels {
                // Taps left of the input, and right of it.
                let left = geometry.pad[1].saturating_sub(start);
                let right = start.wrapping_add(geometry.kernel[1]).saturating_sub(padded);
                if left > 0 {
                    blank(quads, words, pixel, 0..value(left));
                }
                if right > 0 {
                    blank(quads, words, pixel, value(geometry.kernel[1].saturating_sub(right))..length);
                }
                start = start.wrapping_add(geometry.stride[1]);
            }
        }
        Some(())
    }

    /// What lies in rows of the input, `step` elements apart; `None` where the part is not of whole rows, nor of a piece of
    /// one.
    #[inline(always)]
    fn rows_in(&self, part: &Range<usize>, rows: Inside, step: usize) -> Option<Rows> {
        let Inside { tap, taps, .. } = rows;
        // Not `len`, which tells the length with an assertion that the compiler does not always see through.
        let size = part.end.saturating_sub(part.start);
        if !F::PARTS || size == self.taps {
            return Some(Rows { before: tap, inside: taps, length: self.line, skipped: 0, ahead: 0 });
        }
        let (first, count) = (part.start.checked_div(self.line)?, size.checked_div(self.line)?);
        let skipped = part.start.wrapping_sub(first.wrapping_mul(self.line));
        let (count, length) = if count == 0 { (1, size) } else { (count, self.line) };
        if skipped.wrapping_add(length) > self.line || count.wrapping_mul(length) != size {
            return None;
        }
        let end = first.wrapping_add(count);
        let begin = tap.max(first).min(end);
        let inside = tap.wrapping_add(taps).min(end).saturating_sub(begin);
        let ahead = begin.wrapping_sub(tap).wrapping_mul(step).wrapping_add(skipped);
        Some(Rows { before: begin.wrapping_sub(first), inside, length, skipped, ahead })
    }

    /// Gathers the window of one pixel from runs of values.
    #[inline(never)]
    fn gather_alone(&mut self, input: &[i8], x: usize, rows: Inside, group: usize, part: &Range<usize>, pixel: usize) {
        let Direct { geometry, zero_point, .. } = self.job;
        let columns = if F::PADDING {
            Inside::columns(geometry, x)
        } else {
            Inside::all(geometry.kernel[1], geometry.stride[1], x)
        };
        let runs = Runs { geometry, depth: self.depth, together: self.together, rows, columns };
        let quads = &mut *self.quads;
        if !(F::PARTS || F::SPREAD) || self.together && part.len() == self.taps {
            runs.copy_rows(input, *zero_point, quads, pixel);
        } else if self.whole {
            runs.each(x, group, part, &mut |run, from| {
                let quads = quads.get_mut(run.start / 4..run.end / 4).unwrap_or(&mut []);
                match from.and_then(|from| input.get(from..)) {
                    Some(values) => {
                        words::widen(values, [0; 2], *zero_point, [1, run.len()], quads, pixel..pixel.wrapping_add(1));
                    }
                    None => words::clear(quads, 1, pixel, 0..4),
                }
            });
        } else {
            runs.copy(input, *zero_point, x, group, part, (quads, pixel));
        }
    }
}

/// Makes some values of a pixel nought in each run of so many quads.
fn blank(quads: &mut [Quad], words: usize, pixel: usize, values: Range<usize>) {
    for at in values.start / 4..values.end.div_ceil(4) {
        let value = |value: usize| value.saturating_sub(at.wrapping_mul(4)).min(4);
        words::clear(quads.get_mut(at..).unwrap_or(&mut []), words, pixel, value(values.start)..value(values.end));
    }
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

    /// Widens a whole window, each row of which is a run: copies them first.
    fn copy_rows<const QUADS: usize>(&self, input: &[i8], zero_point: i32, quads: &mut [Quad; QUADS], pixel: usize) {
        let [height, width] = self.geometry.kernel;
        let line = width.wrapping_mul(self.depth);
        let (begin, length) = (self.columns.tap.wrapping_mul(self.depth), self.columns.taps.wrapping_mul(self.depth));
        let mut bytes = [[zero_point as i8; 4]; QUADS];
        let bytes = bytes.as_flattened_mut();
        let (mut to, mut from) = (self.rows.tap.wrapping_mul(line).wrapping_add(begin), self.first());
        for _ in 0..self.rows.taps {
            copy(bytes.get_mut(to..), input.get(from..), length);
            (to, from) = (to.wrapping_add(line), from.wrapping_add(self.step()));
        }
        let length = height.wrapping_mul(line).next_multiple_of(4);
        words::widen(bytes, [0; 2], zero_point, [1, length], quads, pixel..pixel.wrapping_add(1));
    }

    /// The same of a part of any window.
    #[inline(never)]
    fn copy<const QUADS: usize>(
        &self,
        input: &[i8],
        zero_point: i32,
        x: usize,
        group: usize,
        part: &Range<usize>,
        (quads, pixel): (&mut [Quad; QUADS], usize),
    ) {
        let mut bytes = [[zero_point as i8; 4]; QUADS];
        let bytes = bytes.as_flattened_mut();
        self.each(x, group, part, &mut |run, from| {
            copy(bytes.get_mut(run.start..), from.and_then(|from| input.get(from..)), run.len());
        });
        let length = part.len().next_multiple_of(4);
        words::widen(bytes, [0; 2], zero_point, [1, length], quads, pixel..pixel.wrapping_add(1));
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

/// Copies so many values, where there are both.
#[inline(always)]
fn copy(to: Option<&mut [i8]>, from: Option<&[i8]>, count: usize) {
    if let Some((to, from)) = to.zip(from) {
        to.iter_mut().zip(from).take(count).for_each(|(to, from)| *to = *from);
    }
}
