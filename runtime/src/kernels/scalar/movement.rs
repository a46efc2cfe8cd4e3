//! Ops that move elements without computing.

use crate::kernels::Band;
use bantam_format::MAX_RANK;
use bantam_format::ops::PadMode;

/// A walk through a tensor in the order of another one: the positions of its elements, one per element of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    dimensions: [usize; MAX_RANK],
    strides: [isize; MAX_RANK],
    index: [usize; MAX_RANK],
    position: isize,
}

impl Walk {
    /// From the first element on, this far from one to the next along each dimension.
    pub fn new(dimensions: [usize; MAX_RANK], strides: [usize; MAX_RANK]) -> Self {
        Self::signed(dimensions, strides.map(|stride| stride as isize), 0)
    }

    /// From an element on, forwards or backwards.
    pub fn signed(dimensions: [usize; MAX_RANK], strides: [isize; MAX_RANK], start: isize) -> Self {
        Self { dimensions, strides, index: [0; MAX_RANK], position: start }
    }

    /// The elements of `input` in the order of the walk, which does not end.
    pub fn read<T: Copy>(self, input: &[T]) -> impl Iterator<Item = T> {
        self.map_while(move |position| input.get(position).copied())
    }
}

impl Iterator for Walk {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let current = usize::try_from(self.position).ok();
        let axes = self.dimensions.iter().rev().zip(self.strides.iter().rev());
        for (index, (&dimension, &stride)) in self.index.iter_mut().rev().zip(axes) {
            *index += 1;
            self.position = self.position.wrapping_add(stride);
            if *index < dimension {
                break;
            }
            *index = 0;
            self.position = self.position.wrapping_sub(stride.wrapping_mul(dimension as isize));
        }
        current
    }
}

/// Fills `output` with what the walk meets.
pub fn walk_copy<T: Copy>(walk: Walk, input: &[T], output: &mut [T]) {
    for (out, value) in output.iter_mut().zip(walk.read(input)) {
        *out = value;
    }
}

/// Copies rows of `input_row` elements into rows of `output_row`, from element `start` of each on.
pub fn concat<T: Copy>(input_row: usize, output_row: usize, start: usize, input: &[T], output: &mut [T]) {
    let rows = output.chunks_exact_mut(output_row.max(1)).zip(input.chunks_exact(input_row.max(1)));
    for (to, from) in rows {
        let part = to.get_mut(start..).unwrap_or(&mut []);
        for (to, &from) in part.iter_mut().zip(from) {
            *to = from;
        }
    }
}

/// A padding: sizes of input and output, and elements before the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pad {
    /// What stands in the border.
    pub mode: PadMode,
    /// Sizes of the input.
    pub input: [usize; MAX_RANK],
    /// Sizes of the output.
    pub output: [usize; MAX_RANK],
    /// Elements before the input.
    pub before: [usize; MAX_RANK],
}

impl Pad {
    /// The padding of a band cut along `axis`.
    pub fn band(&self, axis: usize, band: &Band) -> Self {
        let mut part = *self;
        let sizes = part.input.iter_mut().zip(&mut part.output).zip(&mut part.before);
        for ((input, output), before) in sizes.skip(axis).take(1) {
            *input = band.input.len();
            *output = band.output.len();
            *before = (*before + band.input.start).saturating_sub(band.output.start);
        }
        part
    }

    /// The input position along an axis that an output position shows; `None` where it shows the constant.
    fn source(&self, position: usize, before: usize, input: usize) -> Option<usize> {
        let last = input.checked_sub(1)?;
        if (before..before.saturating_add(input)).contains(&position) {
            return position.checked_sub(before);
        }
        match self.mode {
            PadMode::Reflect => {
                let mirrored = position.checked_sub(before.saturating_add(last));
                Some(mirrored.map_or(before.saturating_sub(position), |beyond| last.saturating_sub(beyond)))
            }
            PadMode::Edge => Some(if position < before { 0 } else { last }),
            // A whole number of inputs before the border keeps the difference positive.
            PadMode::Wrap => (position + before.div_ceil(input) * input).checked_sub(before)?.checked_rem(input),
            _ => None,
        }
    }
}

/// Surrounds `input` with a border.
pub fn pad<T: Copy>(pad: &Pad, value: T, input: &[T], output: &mut [T]) {
    let mut index = [0usize; MAX_RANK];
    for out in output {
        let mut axes = index.iter().zip(pad.before).zip(pad.input);
        let position = axes.try_fold(0usize, |sum, ((&position, before), size)| {
            Some(sum * size + pad.source(position, before, size)?)
        });
        *out = position.and_then(|position| input.get(position)).copied().unwrap_or(value);
        for (index, size) in index.iter_mut().rev().zip(pad.output.iter().rev()) {
            *index += 1;
            if *index < *size {
                break;
            }
            *index = 0;
        }
    }
}

/// Of every block of `size * inner` elements, the slices of `inner` elements at `positions`.
pub fn gather<T: Copy>(
    size: usize,
    inner: usize,
    positions: impl Iterator<Item = usize> + Clone,
    input: &[T],
    output: &mut [T],
) {
    let mut slices = output.chunks_exact_mut(inner.max(1));
    for block in input.chunks_exact((size * inner).max(1)) {
        for (position, to) in positions.clone().zip(&mut slices) {
            let from = block.get(position * inner..).unwrap_or(&[]);
            for (to, &from) in to.iter_mut().zip(from) {
                *to = from;
            }
        }
    }
}

/// The first alternative where the condition is not 0, else the second.
pub fn select<T: Copy>(
    condition: impl Iterator<Item = i32>,
    first: impl Iterator<Item = T>,
    second: impl Iterator<Item = T>,
    output: &mut [T],
) {
    for (((out, condition), first), second) in output.iter_mut().zip(condition).zip(first).zip(second) {
        *out = if condition != 0 { first } else { second };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn padded(mode: PadMode, before: usize, after: usize) -> std::vec::Vec<i8> {
        let size = |last| [1, 1, 1, 1, 1, last];
        let border = Pad { mode, input: size(3), output: size(before + 3 + after), before: [0, 0, 0, 0, 0, before] };
        let mut output = std::vec![0; before + 3 + after];
        pad(&border, 9, &[1, 2, 3], &mut output);
        output
    }

    #[test]
    fn borders_are_constant_mirrored_repeated_or_go_round() {
        assert_eq!(padded(PadMode::Constant, 2, 1), [9, 9, 1, 2, 3, 9]);
        assert_eq!(padded(PadMode::Reflect, 2, 2), [3, 2, 1, 2, 3, 2, 1]);
        assert_eq!(padded(PadMode::Edge, 2, 1), [1, 1, 1, 2, 3, 3]);
        assert_eq!(padded(PadMode::Wrap, 4, 5), [3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2]);
    }

    #[test]
    fn walks_may_go_backwards() {
        let walk = Walk::signed([1, 1, 1, 1, 2, 3], [0, 0, 0, 0, 3, -1], 2);
        let mut output = [0i8; 6];
        walk_copy(walk, &[0, 1, 2, 3, 4, 5], &mut output);
        assert_eq!(output, [2, 1, 0, 5, 4, 3]);
    }
}
