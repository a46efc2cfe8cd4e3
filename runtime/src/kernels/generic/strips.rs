//! The innermost loops of depthwise convolutions.
//!
//! For a block of channels, words are made of the lines of a strip, each with a group of neighbours in a row: those under the taps
//! of one product. Where taps are in the same columns, neighbouring windows share them.

#[cfg(not(target_arch = "wasm32"))]
use super::columns::Columns;
use super::loops::{Of, Outputs, Packing, VECTORS, put, put_two};
use super::{Finish, Kernel, Matrix, Products};
use zerocopy::{FromBytes, FromZeros};

/// Whether words of so many elements are those of the lines as they stand.
#[inline(always)]
pub const fn stand(group: usize) -> bool {
    group == 1
}

/// How lines and words lie.
#[derive(Clone, Copy, Debug)]
pub struct Steps {
    /// Bytes of an output pixel, of which channels are the blocks.
    pub pixel: usize,
    /// Bytes of a line: a row of the input with its padding, each element as often as channels see it.
    pub line: usize,
    /// Bytes from one tap of a group to the next, and from the first one of a word to that of the next word of a line.
    pub taps: [usize; 2],
    /// Words of a row, and how many it is from a window to its neighbour; bytes where words are elements of the lines.
    pub words: [usize; 2],
    /// Windows side by side, and rows from those to the next ones.
    pub windows: [usize; 2],
}

/// Output rows of a depthwise convolution.
#[derive(Debug)]
pub struct Strip<'a> {
    /// Rows of the input, and room for what is read beyond them.
    pub lines: &'a [u8],
    /// Room for the words of a block of channels.
    pub words: &'a mut [u8],
    /// How they lie.
    pub steps: &'a Steps,
    /// Where the words of a window lie, from its first one on.
    pub places: &'a [u32],
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

/// The loops of depthwise convolutions.
pub trait Channels: Packing {
    /// Computes output rows.
    fn strip(&self, strip: Strip<'_>) -> Option<()>;
    /// The body of it.
    fn strip_inline(&self, strip: Strip<'_>) -> Option<()>
    where
        Self: Sized;
    /// The same by columns.
    #[cfg(not(target_arch = "wasm32"))]
    fn columns(&self, columns: Columns<'_>) -> Option<()>;
    /// The body of it.
    #[cfg(not(target_arch = "wasm32"))]
    fn columns_inline(&self, columns: Columns<'_>) -> Option<()>
    where
        Self: Sized;
    /// Copies a block of channels out of each pixel of so many bytes.
    #[cfg(not(target_arch = "wasm32"))]
    fn pick(&self, from: &[u8], pixel: usize, to: &mut [u8]) -> Option<()>;
}

impl Kernel for Strip<'_> {
    #[inline(always)]
    fn run<L: Matrix + Channels>(self, loops: &L) -> Option<()> {
        loops.strip_inline(self)
    }
}

impl<T, P: Products<T>> Of<T, P> {
    /// What stands under a tap.
    #[inline(always)]
    fn double(line: &[u8], at: usize) -> Option<&[P::Values; VECTORS]> {
        Some(<[P::Values; VECTORS]>::ref_from_prefix(line.get(at..)?).ok()?.0)
    }

    /// A word of two vectors of channels: the lines have those of single elements.
    #[inline(always)]
    fn word(&self, lines: &[u8], words: &[[P::Words; VECTORS]], at: usize) -> Option<[P::Vector; VECTORS]> {
        if stand(P::GROUP) {
            let [first, second] = Self::double(lines, at)?;
            return Some([self.0.load_values(first), self.0.load_values(second)]);
        }
        let [first, second] = words.get(at)?;
        Some([self.0.load(first), self.0.load(second)])
    }
}

/// Sums of neighbouring windows, a number each and a name for each of their vectors of channels.
macro_rules! windows {
    (
        $loops:ident, $lines:ident, $words:ident, $base:expr, $places:ident, $filter:ident, $start:ident, $step:ident,
        [$($index:literal: $low:ident $($high:ident)?),*]
    ) => {{
        $(
            let mut $low = $start[0];
            $(let mut $high = $start[1];)?
        )*
        let mut group = 0;
        while group < $filter.len() {
            let weights = $filter.get(group)?;
            let [first, second] = [$loops.0.load(&weights[0]), $loops.0.load(&weights[1])];
            let place = $base + *$places.get(group)? as usize;
            $(
                let words = $loops.word($lines, $words, place + $index * $step)?;
                $low = $loops.0.multiply_add($low, words[0], first);
                $($high = $loops.0.multiply_add($high, words[1], second);)?
            )*
            let _ = second;
            group += 1;
        }
        [$([$low $(, $high)?]),*]
    }};
}

impl<T, P: Products<T>> Channels for Of<T, P> {
    #[cfg(not(target_arch = "wasm32"))]
    #[inline(always)]
    fn columns(&self, columns: Columns<'_>) -> Option<()> {
        if P::COLUMNS { self.0.run(columns) } else { None }
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[inline(always)]
    fn columns_inline(&self, columns: Columns<'_>) -> Option<()> {
        if P::COLUMNS { self.by_columns(columns) } else { None }
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[inline(always)]
    fn pick(&self, from: &[u8], pixel: usize, to: &mut [u8]) -> Option<()> {
        if P::COLUMNS { Self::pick_block(from, pixel, to) } else { None }
    }

    #[inline(always)]
    fn strip(&self, strip: Strip<'_>) -> Option<()> {
        self.0.run(strip)
    }

    #[inline(always)]
    fn strip_inline(&self, strip: Strip<'_>) -> Option<()> {
        let (products, vector) = (self.0, P::LANES * P::VALUE);
        // A copy, which stays in registers whatever is written.
        let finish = &{ *strip.finish };
        let Strip { lines, words, steps, places, output, .. } = strip;
        let &Steps { pixel, line, taps: [tap, next], words: [length, step], windows: [columns, stride] } = steps;
        let words = <[[P::Words; VECTORS]]>::mut_from_bytes(words).ok()?;
        let (mut weights, mut tables, mut byte) = (P::vectors(strip.weights).as_chunks::<VECTORS>().0, strip.tables, 0);
        for [first, second] in P::vectors(strip.starts).as_chunks::<VECTORS>().0 {
            let mut from = byte;
            // What a group has one element of stands in the lines.
            let rows = if stand(P::GROUP) { &mut [] } else { &mut *words };
            for row in rows.chunks_exact_mut(length.max(1)) {
                let mut at = from;
                for to in row {
                    *to = products.weave(|slot| Self::double(lines, at + slot * tap))?;
                    at += next;
                }
                from += line;
            }
            let start = [products.load(first), products.load(second)];
            let (filter, rest) = weights.split_at_checked(places.len())?;
            let after = tables.get(P::LANES * P::TABLE..).unwrap_or(&[]);
            let bytes = (VECTORS * vector).min(pixel.saturating_sub(byte));
            let (mut at, mut top, mut column) = (byte, 0, 0);
            let tables_of = [tables, after];
            while at < output.len() {
                let origin = if stand(P::GROUP) { byte } else { 0 };
                let (base, many) = (origin + top + column * step, columns - column >= 4);
                if P::SMALL_TILES && many && bytes <= vector {
                    let [[a], [b], [c], [d]] =
                        windows!(self, lines, words, base, places, filter, start, step, [0: a, 1: b, 2: c, 3: d]);
                    put_two!(output, at, [bytes, pixel], 1, |to| {
                        [to[0][0], to[1][0]] = products.finish_pair([a, b], finish, [tables; 2]);
                    });
                    put_two!(output, at, [bytes, pixel], 1, |to| {
                        [to[0][0], to[1][0]] = products.finish_pair([c, d], finish, [tables; 2]);
                    });
                    column += 4;
                } else if P::SMALL_TILES && many {
                    let [a, b, c, d] = windows!(self, lines, words, base, places, filter, start, step, [0: a e, 1: b f, 2: c g, 3: d h]);
                    put_two!(output, at, [bytes, pixel], 2, |to| products.finish_rows([a, b], finish, tables_of, to));
                    put_two!(output, at, [bytes, pixel], 2, |to| products.finish_rows([c, d], finish, tables_of, to));
                    column += 4;
                } else {
                    let count = if P::SMALL_TILES { 1 } else { (columns - column).min(4) };
                    let mut sums = [start; 4];
                    if many {
                        sums = windows!(self, lines, words, base, places, filter, start, step, [0: a e, 1: b f, 2: c g, 3: d h]);
                    } else {
                        let mut base = base;
                        for sums in sums.iter_mut().take(count) {
                            [*sums] = windows!(self, lines, words, base, places, filter, start, step, [0: a b]);
                            base += step;
                        }
                    }
                    column += count;
                    let rows =
                        Outputs { finish, tables: tables_of, bytes, apart: pixel, output: output.get_mut(at..)? };
                    products.finish_all(sums.get(..count)?, rows)?;
                    at += count * pixel;
                }
                if column == columns {
                    column = 0;
                    top += stride * length;
                }
            }
            byte += VECTORS * vector;
            weights = rest;
            tables = after.get(P::LANES * P::TABLE..).unwrap_or(&[]);
        }
        Some(())
    }
}
