//! The innermost loop of depthwise convolutions of three rows whose taps in a row are one group, where words are made so quickly that
//! they need not be kept: they stay in registers while the windows of a column are summed, from the top to the bottom.

use super::loops::{Of, VECTORS, put, put_two};
use super::{Channels, Finish, Kernel, Matrix, Products};
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Rows of a window.
pub const ROWS: usize = 3;

/// Output rows of a depthwise convolution.
#[derive(Debug)]
pub struct Columns<'a> {
    /// For each block of channels the rows of the input with their padding, and as many pixels more as the last word of a row reads.
    pub lines: &'a [u8],
    /// Pixels of a row of these, rows of a block, and pixels of an output row.
    pub extent: [usize; 3],
    /// Rows, and pixels, from a window to its neighbour.
    pub stride: [usize; 2],
    /// Bytes of an output pixel, of which channels are the blocks.
    pub pixel: usize,
    /// The packed weights, a block after the other.
    pub weights: &'a [u32],
    /// Initial sums.
    pub starts: &'a [u32],
    /// Packed tables.
    pub tables: &'a [u32],
    /// The epilogue.
    pub finish: &'a Finish,
    /// The outputs.
    pub output: &'a mut [u8],
}

impl Kernel for Columns<'_> {
    #[inline(always)]
    fn run<L: Matrix + Channels>(self, loops: &L) -> Option<()> {
        loops.columns_inline(self)
    }
}

impl<T, P: Products<T>> Of<T, P> {
    /// The words of a window's row.
    #[inline(always)]
    fn words(&self, line: &[u8], at: usize) -> Option<[P::Vector; VECTORS]> {
        let taps = P::Taps::ref_from_prefix(line.get(at..)?).ok()?.0;
        Some(self.0.weave_all(taps))
    }

    /// The sums of a window.
    #[inline(always)]
    fn window(
        &self,
        [first, second]: [P::Vector; VECTORS],
        rows: [[P::Vector; VECTORS]; ROWS],
        filter: &[[P::Vector; VECTORS]; ROWS],
    ) -> [P::Vector; VECTORS] {
        let (mut first, mut second) = (first, second);
        let [a, b, c] = rows;
        let [top, middle, bottom] = filter;
        first = self.0.multiply_add(first, a[0], top[0]);
        second = self.0.multiply_add(second, a[1], top[1]);
        first = self.0.multiply_add(first, b[0], middle[0]);
        second = self.0.multiply_add(second, b[1], middle[1]);
        first = self.0.multiply_add(first, c[0], bottom[0]);
        second = self.0.multiply_add(second, c[1], bottom[1]);
        [first, second]
    }

    /// Copies a block of channels out of each pixel.
    #[inline(always)]
    pub(super) fn pick_block(from: &[u8], pixel: usize, to: &mut [u8]) -> Option<()> {
        let blocks = <[[P::Values; VECTORS]]>::mut_from_bytes(to).ok()?;
        let mut at = 0;
        for to in blocks {
            let from = from.get(at..)?;
            match <[P::Values; VECTORS]>::ref_from_prefix(from) {
                Ok((whole, _)) => *to = *whole,
                Err(_) => to.as_mut_bytes().iter_mut().zip(from).for_each(|(to, &from)| *to = from),
            }
            at += pixel;
        }
        Some(())
    }

    /// See [`Columns`].
    #[inline(always)]
    pub(super) fn by_columns(&self, columns: Columns<'_>) -> Option<()> {
        let (products, block) = (self.0, VECTORS * P::LANES * P::VALUE);
        // A copy, which stays in registers whatever is written.
        let finish = &{ *columns.finish };
        let Columns { mut lines, extent: [width, rows, out_width], stride: [down, stride], pixel, output, .. } =
            columns;
        let (line, apart) = (width * block, out_width * pixel);
        let out_rows = output.len() / apart.max(1);
        let (mut weights, mut tables, mut byte) =
            (P::vectors(columns.weights).as_chunks::<VECTORS>().0, columns.tables, 0);
        for [first, second] in P::vectors(columns.starts).as_chunks::<VECTORS>().0 {
            let start = [products.load(first), products.load(second)];
            let (filter, rest) = weights.split_first_chunk::<ROWS>()?;
            let filter = &filter.map(|[first, second]| [products.load(&first), products.load(&second)]);
            let after = tables.get(P::LANES * P::TABLE..).unwrap_or(&[]);
            let (tables_of, bytes) = ([tables, after], block.min(pixel.saturating_sub(byte)));
            for column in 0..out_width {
                let mut from = column * stride * block;
                let mut at = byte + column * pixel;
                let mut left = out_rows;
                let mut rolling = [self.words(lines, from)?, self.words(lines, from + line)?];
                while left >= 2 {
                    let ([a, b], c) = (rolling, self.words(lines, from + 2 * line)?);
                    from += down * line;
                    let [second, third] = match down {
                        1 => [b, c],
                        2 => [c, self.words(lines, from + line)?],
                        _ => [self.words(lines, from)?, self.words(lines, from + line)?],
                    };
                    let fourth = self.words(lines, from + 2 * line)?;
                    let sums =
                        [self.window(start, [a, b, c], filter), self.window(start, [second, third, fourth], filter)];
                    put_two!(output, at, [bytes, apart], 2, |to| products.finish_rows(sums, finish, tables_of, to));
                    left -= 2;
                    from += down * line;
                    if down == 1 {
                        rolling = [third, fourth];
                    } else if left > 0 {
                        rolling = [self.words(lines, from)?, self.words(lines, from + line)?];
                    }
                }
                if left == 1 {
                    let [a, b] = rolling;
                    let sums = self.window(start, [a, b, self.words(lines, from + 2 * line)?], filter);
                    put(&products.finish_pair(sums, finish, tables_of), bytes, output.get_mut(at..)?);
                }
            }
            byte += block;
            weights = rest;
            tables = after.get(P::LANES * P::TABLE..).unwrap_or(&[]);
            lines = lines.get(rows * line..)?;
        }
        Some(())
    }
}
