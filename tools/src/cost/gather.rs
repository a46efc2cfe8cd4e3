//! What gathering the windows of a convolution takes, counted as `gather.rs` of the runtime's direct kernels goes about it.

use super::terms::{Geometry, PIXELS};
use bantam_format::overlap::WINDOW_VALUES;

/// A convolution as the kernel takes it.
pub(super) struct Gathering<'a> {
    pub geometry: &'a Geometry,
    /// Values of a window, and weights that are multiplied at a time.
    pub taps: usize,
    pub part: usize,
    pub groups: usize,
    /// Whether a window, or each of its parts, is gathered once, so that four neighbours may stand in different rows.
    pub once: bool,
    /// Elements before and behind the input that windows may be read from.
    pub room: [usize; 2],
}

/// How often each step is taken for all pixels of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Calls for pixels that are neighbours in a row.
    pub calls: usize,
    /// Rows, and quads, of four pixels that are widened together.
    pub four_rows: usize,
    pub four_quads: usize,
    /// The same of one pixel after the other.
    pub rows: usize,
    pub quads: usize,
    /// Quads made nought, and steps across the rows of a window that do so.
    pub cleared: usize,
    pub blanks: usize,
    /// Pixels put together from runs of values alone, those runs and, where these are not whole quads, their values.
    pub alone: usize,
    pub runs: usize,
    pub values: usize,
}

impl Gathering<'_> {
    /// Counts them.
    pub fn counts(&self) -> Counts {
        let [_, height, width, _] = self.geometry.output;
        let pointwise = self.geometry.is_pointwise();
        let row = if pointwise { height * width } else { width };
        let (lines, length) = if self.once || pointwise { (1, height * width) } else { (height, width) };
        let mut counts = Counts::default();
        for line in 0..lines {
            let mut at = 0;
            while at < length {
                let (y, x) = (line + at / row, at % row);
                let count = (PIXELS - at % PIXELS).min(length - at).min(row - x);
                self.add(&mut counts, if pointwise { [0, 0] } else { [y, x] }, count, pointwise);
                at += count;
            }
        }
        counts
    }

    /// Adds some neighbours in a row.
    fn add(&self, counts: &mut Counts, [y, x]: [usize; 2], count: usize, pointwise: bool) {
        let geometry = self.geometry;
        let [kernel_height, kernel_width] = geometry.kernel;
        let line = self.taps / kernel_height.max(1);
        let depth = line / kernel_width.max(1);
        let together = self.groups == 1 && geometry.dilation[1] == 1;
        let (first, down) = if pointwise { (0, 1) } else { geometry.inside(0, y) };
        let across = |x: usize| if pointwise { (0, 1) } else { geometry.inside(1, x) };
        let lies_within = pointwise || self.lies_within([y, x], count, first, down);
        for start in (0..self.taps).step_by(self.part.max(1)) {
            let length = self.part.min(self.taps - start);
            let whole = length == self.taps;
            let (rows, run) = if length < line { (1, length) } else { (length / line.max(1), line) };
            let fits = whole || start % line + run <= line && rows * run == length;
            counts.calls += 1;
            if together && line.is_multiple_of(4) && fits && lies_within {
                let begin = start / line.max(1);
                let inside = (first + down).min(begin + rows).saturating_sub(first.max(begin));
                let quads = inside * run / 4;
                if count == PIXELS {
                    counts.four_rows += inside;
                    counts.four_quads += quads;
                } else {
                    counts.rows += count * inside;
                    counts.quads += count * quads;
                }
                if quads < length / 4 {
                    counts.cleared += count * (length / 4 - quads);
                }
                for (left, taps) in (x..x + count).map(across) {
                    for taps in [left, kernel_width - left - taps] {
                        let steps = (taps * depth).min(run).div_ceil(4);
                        counts.blanks += steps;
                        counts.cleared += steps * inside;
                    }
                }
            } else {
                for (_, taps) in (x..x + count).map(across) {
                    let share = |number: usize| (number * length).div_ceil(self.taps.max(1));
                    let tapwise = !together && depth.is_multiple_of(4);
                    counts.alone += 1;
                    counts.runs += share(down * if together { 1 } else { taps });
                    counts.quads += length.div_ceil(4);
                    if !(tapwise || depth.is_multiple_of(4) && !whole) {
                        counts.values += share(down * taps * depth);
                    }
                }
            }
        }
    }

    /// Whether what windows cover lies in the memory around the input, also where it is not the input's.
    fn lies_within(&self, [y, x]: [usize; 2], count: usize, first: usize, down: usize) -> bool {
        let geometry = self.geometry;
        let [_, height, width, channels] = geometry.input;
        let row = y * geometry.stride[0] + first * geometry.dilation[0];
        let last = row + down.saturating_sub(1) * geometry.dilation[0];
        let column = x * geometry.stride[1];
        let end = column + (count - 1) * geometry.stride[1] + geometry.kernel[1];
        // Both in elements behind the beginning of the room, with the padding before the input.
        let before = self.room[0] + (row - geometry.pad[0].min(row)) * width * channels + column * channels;
        let after = (last - geometry.pad[0].min(last)) * width * channels + end * channels;
        let padding = geometry.pad[1] * channels;
        before >= padding && after <= height * width * channels + self.room[1] + padding
    }
}

/// Weights that are multiplied at a time: of whole rows of `line` values, where they are not too many.
pub(super) fn part(taps: usize, line: usize) -> usize {
    let rows = if line.is_multiple_of(4) { WINDOW_VALUES / line.max(1) } else { 0 };
    if taps <= WINDOW_VALUES || rows == 0 { WINDOW_VALUES } else { rows * line }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometry(kernel: usize, stride: usize, pad: usize, [side, out]: [usize; 2], depth: usize) -> Geometry {
        Geometry {
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            pad: [pad; 2],
            input: [1, side, side, depth],
            output: [1, out, out, 8],
        }
    }

    fn counts(geometry: &Geometry, taps: usize, room: [usize; 2]) -> Counts {
        Gathering { geometry, taps, part: part(taps, taps / geometry.kernel[0]), groups: 1, once: true, room }.counts()
    }

    #[test]
    fn windows_inside_are_widened_by_fours() {
        // Nine pixels in rows of three: four blocks and two of them parted by the ends of rows.
        let found = counts(&geometry(2, 1, 0, [4, 3], 4), 16, [0; 2]);
        assert_eq!(found, Counts { calls: 5, rows: 18, quads: 36, ..Counts::default() });
        let found = counts(&geometry(2, 1, 0, [5, 4], 4), 16, [0; 2]);
        assert_eq!(found, Counts { calls: 4, four_rows: 8, four_quads: 16, ..Counts::default() });
    }

    #[test]
    fn what_lies_beside_the_input_is_made_nought_or_put_together_alone() {
        let geometry = geometry(3, 1, 1, [4, 4], 4);
        let found = counts(&geometry, 36, [64; 2]);
        assert_eq!(found.alone, 0);
        // Of the corner rows one of three is missing; a quad of each row at either side.
        assert_eq!([found.four_rows, found.four_quads, found.blanks], [10, 30, 8]);
        assert_eq!(found.cleared, 2 * 4 * 3 + 2 * 10);
        // Of larger images the first and the last rows, at the corners.
        let found = counts(&self::geometry(3, 1, 1, [8, 8], 4), 36, [0; 2]);
        assert_eq!([found.alone, found.four_rows], [16, 34]);
    }
}
