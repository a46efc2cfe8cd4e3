//! Band geometry: which input rows an output row needs, and how far an output may reach into its own input.
//!
//! An op whose output rows each need a few neighbouring input rows can be computed in bands of output rows. Walking up (row 0 first), the rows
//! already read are free, so the output may start before the input as soon as no row is written before it was read
//! for the last time; walking down likewise from the other end. The parser checks that every band's input and output
//! are disjoint, the planner asks for the safe distance, and the runtime's driver walks the same bands.

use core::ops::Range;

/// How the output of an op may lie relative to one of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// No common byte.
    Disjoint,
    /// Anyhow: the op moves the input to where the output shall be, then works in place.
    Moved,
    /// No common byte, or a distance that [`RowWindow::permits`]; with `in_place` also exactly the same bytes.
    Banded {
        /// The geometry of the bands.
        rows: RowWindow,
        /// Whether the op can also overwrite its input channel by channel.
        in_place: bool,
    },
}

impl Overlap {
    /// The bands of rows alone.
    pub(crate) fn banded(rows: RowWindow) -> Self {
        Self::Banded { rows, in_place: false }
    }

    /// Whether an input and an output that have bytes in common may start at these byte offsets.
    pub fn permits(&self, input_offset: usize, output_offset: usize, down: bool) -> bool {
        match self {
            Self::Disjoint => false,
            Self::Moved => true,
            Self::Banded { rows, in_place } => {
                (*in_place && input_offset == output_offset) || rows.permits(input_offset, output_offset, down)
            }
        }
    }
}

/// Most elements that an op which overwrites its input channel by channel sets aside: rows of one channel.
pub const LINE_BUFFER_ELEMENTS: usize = 256;

/// Values of a window that convolutions set aside on devices.
pub const WINDOW_VALUES: usize = 144;

/// The same in programs all of whose windows have few values.
pub const FEW_VALUES: usize = 64;

/// Values of a channel that depthwise convolutions set aside on devices.
pub const LINE_VALUES: usize = 380;

/// The outputs of a channel that such a convolution computes from what is set aside at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strip {
    /// Output columns.
    pub columns: usize,
    /// Output rows of which all lines can be set aside.
    pub rows: usize,
    /// Values of a line: of an input row under the columns, padding included.
    pub pitch: usize,
    /// Input rows that a window spans.
    pub span: usize,
}

/// The strips of an output of so many columns; `None` where the lines of a single window are too many. Pairs are height, then
/// width.
pub fn strip(kernel: [usize; 2], stride: [usize; 2], dilation: [usize; 2], columns: usize) -> Option<Strip> {
    let span = |axis: usize| {
        let (kernel, dilation) = (kernel.get(axis)?, dilation.get(axis)?);
        kernel.checked_sub(1)?.checked_mul(*dilation)?.checked_add(1)
    };
    // Even, so that lines start at words; windows are computed in pairs.
    let widest = LINE_VALUES.checked_div(span(0)?)? & !1;
    let together = widest.checked_sub(span(1)?)?.checked_div(stride[1])?.checked_add(1)? & !1;
    let together = if together >= columns.checked_next_multiple_of(2)? { columns } else { together.max(1) };
    let last = together.checked_next_multiple_of(2)?.checked_sub(1)?;
    let pitch = last.checked_mul(stride[1])?.checked_add(span(1)?)?.checked_next_multiple_of(2)?;
    let span = span(0)?;
    let rows = LINE_VALUES.checked_div(pitch)?.checked_sub(span)?.checked_div(stride[0].max(1))?.checked_add(1)?;
    Some(Strip { columns: together, rows, pitch, span })
}

/// How the rows of a banded op's output follow from the rows of its input. Rows are consecutive in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowWindow {
    /// Rows of the input.
    pub input_rows: usize,
    /// Rows of the output.
    pub output_rows: usize,
    /// Rows one window spans: `(kernel - 1) * dilation + 1`.
    pub extent: usize,
    /// Rows from one window to the next.
    pub stride: usize,
    /// Rows of padding before the first row.
    pub pad: usize,
    /// Bytes of an input row.
    pub input_row_bytes: usize,
    /// Bytes of an output row.
    pub output_row_bytes: usize,
    /// Whether windows lie on the output, one for each input row, instead of on the input, one for each output row.
    pub transposed: bool,
}

/// A band of output rows and the input rows it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Band {
    /// Output rows to compute.
    pub output: Range<usize>,
    /// Input rows read for them.
    pub input: Range<usize>,
}

impl RowWindow {
    /// Each output row needs the input row of the same number and nothing else.
    pub fn alike(rows: usize, input_row_bytes: usize, output_row_bytes: usize) -> Self {
        let (input_rows, output_rows) = (rows, rows);
        Self {
            input_rows,
            output_rows,
            extent: 1,
            stride: 1,
            pad: 0,
            input_row_bytes,
            output_row_bytes,
            transposed: false,
        }
    }

    /// First input row that output row `row` needs.
    pub fn input_start(&self, row: usize) -> usize {
        let first = if self.transposed {
            let below = row.saturating_add(self.pad).saturating_add(1).saturating_sub(self.extent);
            below.checked_add(self.stride.saturating_sub(1)).and_then(|sum| sum.checked_div(self.stride)).unwrap_or(0)
        } else {
            row.saturating_mul(self.stride).saturating_sub(self.pad)
        };
        first.min(self.input_rows)
    }

    /// One past the last input row that output row `row` needs.
    pub fn input_end(&self, row: usize) -> usize {
        let end = if self.transposed {
            row.saturating_add(self.pad).checked_div(self.stride).unwrap_or(0).saturating_add(1)
        } else {
            row.saturating_mul(self.stride).saturating_add(self.extent).saturating_sub(self.pad)
        };
        end.max(self.input_start(row)).min(self.input_rows)
    }

    /// The band of these output rows.
    pub fn band(&self, output: Range<usize>) -> Band {
        let last = output.end.saturating_sub(1).max(output.start);
        Band { input: self.input_start(output.start)..self.input_end(last), output }
    }

    /// Rows at which the distance between reading and writing can be extreme.
    ///
    /// A window on the input: the distance is piecewise linear in the row, and the pieces meet where a window first
    /// leaves the padding or first reaches the last input row. A transposed one: it is linear along the last rows that
    /// need the same first input row, and along the first rows that need the same last one, which are `stride` apart;
    /// the rows between are less extreme.
    fn critical_rows(&self) -> [usize; 6] {
        let last = self.output_rows.saturating_sub(1);
        let divided = |rows: usize| rows.checked_div(self.stride).unwrap_or(0);
        let rows = if self.transposed {
            let final_input = self.input_rows.saturating_sub(1);
            // Input row y is the first that is needed up to output row `y * stride + extent - 1 - pad`, and the last
            // that is needed from output row `y * stride - pad` on.
            let needed_to = |y: usize| y.saturating_mul(self.stride).saturating_add(self.extent).saturating_sub(1);
            let needed_from = |y: usize| y.saturating_mul(self.stride);
            let reach = last.saturating_add(self.pad);
            let past = self.pad.saturating_add(1).saturating_sub(self.extent);
            [
                0,
                needed_to(divided(past.saturating_add(self.stride).saturating_sub(1))).saturating_sub(self.pad),
                needed_to(divided(reach.saturating_add(1).saturating_sub(self.extent)).min(final_input))
                    .saturating_sub(self.pad),
                needed_from(divided(self.pad.saturating_add(self.stride).saturating_sub(1))).saturating_sub(self.pad),
                needed_from(divided(reach).min(final_input)).saturating_sub(self.pad),
                last,
            ]
        } else {
            let leaves = divided(self.pad);
            let reaches = divided(self.input_rows.saturating_add(self.pad).saturating_sub(self.extent));
            [0, leaves, leaves.saturating_add(1), reaches, reaches.saturating_add(1), last]
        };
        rows.map(|row| row.min(last))
    }

    /// Smallest `input offset - output offset` in bytes at which an upward walk reads every row before it is
    /// overwritten. Never more than the output's size.
    pub fn distance_up(&self) -> usize {
        let needed = |row: usize| {
            let written = row.saturating_add(1).saturating_mul(self.output_row_bytes);
            written.saturating_sub(self.input_start(row).saturating_mul(self.input_row_bytes))
        };
        self.critical_rows().into_iter().map(needed).max().unwrap_or(0)
    }

    /// Smallest `output offset - input offset` in bytes at which a downward walk reads every row before it is
    /// overwritten. Never more than the input's size.
    pub fn distance_down(&self) -> usize {
        let needed = |row: usize| {
            let read = self.input_end(row).saturating_mul(self.input_row_bytes);
            read.saturating_sub(row.saturating_mul(self.output_row_bytes))
        };
        self.critical_rows().into_iter().map(needed).max().unwrap_or(0)
    }

    /// Whether input and output at these byte offsets can be walked in this direction.
    pub fn permits(&self, input_offset: usize, output_offset: usize, down: bool) -> bool {
        let (low, high, distance) = if down {
            (input_offset, output_offset, self.distance_down())
        } else {
            (output_offset, input_offset, self.distance_up())
        };
        low.checked_add(distance).is_some_and(|reach| reach <= high)
    }

    /// The walk over bands for tensors at these byte offsets: all rows at once where the tensors are disjoint, else
    /// bands as large as the overlap allows. Every band's input and output bytes are disjoint where
    /// [`Self::permits`] holds.
    pub fn bands(&self, input_offset: usize, output_offset: usize, down: bool) -> Bands {
        let input_end = input_offset.saturating_add(self.input_rows.saturating_mul(self.input_row_bytes));
        let output_end = output_offset.saturating_add(self.output_rows.saturating_mul(self.output_row_bytes));
        let disjoint = input_end <= output_offset || output_end <= input_offset;
        Bands { window: *self, input_offset, output_offset, down, disjoint, left: 0..self.output_rows }
    }
}

/// Iterator over the bands of one op, in the order they must be computed.
#[derive(Clone, Debug)]
pub struct Bands {
    window: RowWindow,
    input_offset: usize,
    output_offset: usize,
    down: bool,
    disjoint: bool,
    left: Range<usize>,
}

impl Iterator for Bands {
    type Item = Band;

    fn next(&mut self) -> Option<Band> {
        if self.left.is_empty() {
            return None;
        }
        let window = &self.window;
        let output = if self.disjoint {
            core::mem::replace(&mut self.left, 0..0)
        } else if self.down {
            // Rows from `first` on start at or after the last input byte that the topmost of them needs.
            let needed = window.input_end(self.left.end.saturating_sub(1)).saturating_mul(window.input_row_bytes);
            let reach = self.input_offset.saturating_add(needed).saturating_sub(self.output_offset);
            let first = reach.div_ceil(window.output_row_bytes.max(1));
            let first = first.max(self.left.start).min(self.left.end.saturating_sub(1));
            let band = first..self.left.end;
            self.left.end = first;
            band
        } else {
            // Rows before `end` finish at or before the first input byte that the lowest of them needs.
            let needed = window.input_start(self.left.start).saturating_mul(window.input_row_bytes);
            let room = self.input_offset.saturating_add(needed).saturating_sub(self.output_offset);
            let end = room.checked_div(window.output_row_bytes).unwrap_or(0);
            let end = end.max(self.left.start.saturating_add(1)).min(self.left.end);
            let band = self.left.start..end;
            self.left.start = end;
            band
        };
        Some(window.band(output))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn windows() -> impl Strategy<Value = RowWindow> {
        let sizes = (1usize..12, 1usize..5, 1usize..4, 1usize..4, 0usize..6, 1usize..9, 1usize..9);
        (sizes, any::<bool>(), 1usize..40).prop_filter_map(
            "a window that starts inside the input",
            |((input_rows, kernel, dilation, stride, pad, input_row_bytes, output_row_bytes), transposed, rows)| {
                let extent = (kernel - 1) * dilation + 1;
                // Without dilation and stride, the rows of a padding: there the padding may exceed the window.
                let padding = extent == 1 && stride == 1;
                let output_rows =
                    if transposed || padding { rows.max(pad + 1) } else { (input_rows + pad - 1) / stride + 1 };
                let window = RowWindow {
                    input_rows,
                    output_rows,
                    extent,
                    stride,
                    pad,
                    input_row_bytes,
                    output_row_bytes,
                    transposed,
                };
                (transposed || padding || pad < extent).then_some(window)
            },
        )
    }

    /// Walks the bands over a simulated memory and checks that each row is intact when it is read.
    fn walk_is_safe(window: &RowWindow, input: usize, output: usize, down: bool) {
        let mut overwritten = std::vec![false; 4096];
        let mut next = if down { window.output_rows } else { 0 };
        for band in window.bands(input, output, down) {
            let reads =
                input + band.input.start * window.input_row_bytes..input + band.input.end * window.input_row_bytes;
            let writes = output + band.output.start * window.output_row_bytes
                ..output + band.output.end * window.output_row_bytes;
            assert!(reads.end <= writes.start || writes.end <= reads.start, "{window:?} {band:?}");
            assert!(!overwritten[reads].contains(&true), "{window:?} {band:?}");
            overwritten[writes].fill(true);
            if down {
                assert_eq!(band.output.end, next);
                next = band.output.start;
            } else {
                assert_eq!(band.output.start, next);
                next = band.output.end;
            }
        }
        assert_eq!(next, if down { 0 } else { window.output_rows });
    }

    /// The distance over all rows, not only the critical ones.
    fn exhaustive(window: &RowWindow) -> (usize, usize) {
        let rows = 0..window.output_rows;
        let up = rows.clone().map(|r| {
            ((r + 1) * window.output_row_bytes).saturating_sub(window.input_start(r) * window.input_row_bytes)
        });
        let down =
            rows.map(|r| (window.input_end(r) * window.input_row_bytes).saturating_sub(r * window.output_row_bytes));
        (up.max().unwrap(), down.max().unwrap())
    }

    proptest! {
        #[test]
        fn safe_distances_are_exact_and_walks_are_safe(window in windows()) {
            let (up, down) = (window.distance_up(), window.distance_down());
            prop_assert_eq!((up, down), exhaustive(&window));
            walk_is_safe(&window, 500 + up, 500, false);
            walk_is_safe(&window, 500, 500 + down, true);
            prop_assert!(!window.permits(500 + up - 1, 500, false));
            prop_assert!(!window.permits(500, 500 + down - 1, true));
            // Far apart, one band does it.
            prop_assert_eq!(window.bands(0, 2000, false).count(), 1);
            prop_assert_eq!(window.bands(0, 2000, true).count(), 1);
        }
    }
}
