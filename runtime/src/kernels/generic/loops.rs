//! The innermost loops: what is compiled for each type of elements and each way to multiply them.

use super::tile::tile;
use super::{Finish, Products};
use core::marker::PhantomData;
use zerocopy::{FromZeros, IntoBytes};

/// Vectors of channels per panel of a matrix product.
pub const VECTORS: usize = 2;
/// Outputs of a depthwise convolution that are computed side by side, so that a weight is loaded once for all of them.
pub const PIXELS: usize = 4;

/// The numbers of a [`Products`], which say how its operands are packed.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// See [`Products::VALUE`].
    pub value: usize,
    /// See [`Products::TABLE`].
    pub table: usize,
    /// See [`Products::GROUP`].
    pub group: usize,
    /// See [`Products::LANES`].
    pub lanes: usize,
    /// See [`Products::ROWS`].
    pub rows: usize,
    /// See [`Products::SMALL_TILES`].
    pub small_tiles: bool,
}

/// What a block of gathered rows is multiplied with, and where the outputs go.
#[derive(Clone, Copy, Debug)]
pub struct Panel<'a> {
    /// The rows, `depth` words each.
    pub activations: &'a [u32],
    /// Words per row.
    pub depth: usize,
    /// Number of rows.
    pub rows: usize,
    /// The packed weights, from the panel's first one on; initial sums and tables of its channels.
    pub weights: &'a [u32],
    /// See `weights`.
    pub starts: &'a [u32],
    /// See `weights`.
    pub tables: &'a [u32],
    /// The epilogue.
    pub finish: &'a Finish,
    /// Bytes of outputs from the panel's first channel to the last one of its group.
    pub bytes: usize,
    /// Bytes from the outputs of one row to those of the next.
    pub row_bytes: usize,
}

/// An output row of a depthwise convolution.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Widened input, from the row of the first taps on.
    pub lines: &'a [u32],
    /// Where the taps stand, in vectors.
    pub offsets: &'a [u32],
    /// The packed weights.
    pub weights: &'a [u32],
    /// Vectors from the lines of one vector of channels to those of the next.
    pub line: usize,
    /// Initial sums.
    pub starts: &'a [u32],
    /// Packed tables.
    pub tables: &'a [u32],
    /// The epilogue.
    pub finish: &'a Finish,
    /// Bytes of an output pixel.
    pub pixel: usize,
}

/// A column of an input row of a depthwise convolution.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    /// The row from the column on; `None` is padding.
    pub pixel: Option<&'a [u8]>,
    /// The zero point.
    pub zero_point: i32,
    /// Bytes of all output channels of a pixel.
    pub bytes: usize,
    /// Output channels of each input channel.
    pub multiplier: usize,
    /// Vectors from one vector of channels to the next.
    pub line: usize,
    /// Where the first of them belongs.
    pub at: usize,
}

/// How operands are packed.
pub trait Packing {
    /// The numbers.
    fn layout(&self) -> Layout;
    /// See [`Products::excess`].
    fn excess(&self, zero_point: i32) -> i32;
}

/// The loops of convolutions.
pub trait Matrix: Packing {
    /// Writes `count` elements of activations, and perhaps some more; blanks where there is nothing to read them from.
    fn gather(&self, from: Option<&[u8]>, zero_point: i32, into: &mut [u8], count: usize);
    /// Multiplies all rows by a panel.
    fn multiply(&self, panel: &Panel<'_>, output: &mut [u8]) -> Option<()>;
}

/// The loops of depthwise convolutions.
pub trait Channels: Packing {
    /// Writes a column into the lines of all vectors of channels.
    fn widen(&self, column: &Column<'_>, line: &mut [u32]) -> Option<()>;
    /// Computes an output row.
    fn row(&self, row: &Row<'_>, output: &mut [u8]) -> Option<()>;
}

/// The loops of an instruction set for elements `T`.
#[derive(Clone, Copy, Debug)]
pub struct Of<T, P>(P, PhantomData<T>);

impl<T, P: Products<T>> Of<T, P> {
    /// Those loops.
    #[inline(always)]
    pub fn new(products: P) -> Self {
        Self(products, PhantomData)
    }

    /// Zeros, for elements that stand for real zero.
    #[inline(always)]
    fn blank(zero_point: i32) -> u8 {
        if P::VALUE == 1 { zero_point as u8 } else { 0 }
    }

    /// Stores outputs, as many as fit.
    #[inline(always)]
    fn put(outputs: &P::Values, into: &mut [u8]) {
        if let Some(whole) = P::values_mut(into) {
            *whole = *outputs;
        } else {
            into.iter_mut().zip(outputs.as_bytes()).for_each(|(to, &from)| *to = from);
        }
    }
}

/// Multiplies all rows of a block by a panel of as many vectors as there are names in brackets.
macro_rules! panel {
    ($products:ident, $panel:ident, $output:ident, $names:tt, $width:literal, |$sums:ident, $into:ident| $finish:expr) => {{
        let weights = P::vectors($panel.weights).as_chunks::<$width>().0.get(..$panel.depth)?;
        let starts = P::vectors($panel.starts).first_chunk::<$width>()?;
        let start = starts.map(|start| $products.load(&start));
        let mut row = 0;
        while row < $panel.rows {
            let left = $panel.rows - row;
            let activations = $panel.activations.get(row * $panel.depth..)?;
            macro_rules! rows {
                ($rows:tt) => {
                    tile!($products, activations, $panel.depth, weights, start, $names, $rows)
                };
            }
            // The sums of as many rows, and some more to fill up the array.
            let (sums, count) = if P::ROWS >= 6 && left >= 6 {
                (rows!([a: 0, b: 1, c: 2, d: 3, e: 4, f: 5]), 6)
            } else if left >= 4 {
                let [a, b, c, d] = rows!([a: 0, b: 1, c: 2, d: 3]);
                ([a, b, c, d, a, a], 4)
            } else if P::SMALL_TILES && left >= 2 {
                let [a, b] = rows!([a: 0, b: 1]);
                ([a, b, a, a, a, a], 2)
            } else {
                let [a] = rows!([a: 0]);
                ([a, a, a, a, a, a], 1)
            };
            for $sums in sums.into_iter().take(count) {
                let $into = $output.get_mut(row * $panel.row_bytes..)?.get_mut(..$panel.bytes)?;
                $finish;
                row += 1;
            }
        }
    }};
}

impl<T, P: Products<T>> Packing for Of<T, P> {
    #[inline(always)]
    fn layout(&self) -> Layout {
        let (group, lanes, rows, small_tiles) = (P::GROUP, P::LANES, P::ROWS, P::SMALL_TILES);
        Layout { value: P::VALUE, table: P::TABLE, group, lanes, rows, small_tiles }
    }

    #[inline(always)]
    fn excess(&self, zero_point: i32) -> i32 {
        self.0.excess(zero_point)
    }
}

impl<T, P: Products<T>> Matrix for Of<T, P> {
    #[inline(always)]
    fn gather(&self, from: Option<&[u8]>, zero_point: i32, into: &mut [u8], count: usize) {
        let (words, step) = (size_of::<P::Words>(), size_of::<P::Chunk>());
        let (mut done, mut bytes) = (0, count * P::VALUE);
        let mut source = from.unwrap_or(&[]);
        if P::VALUE == size_of::<u32>()
            && let Some((from, to)) = source.get(..bytes).zip(into.get_mut(..bytes))
        {
            // Words are as they are.
            to.copy_from_slice(from);
            return;
        }
        let mut blank = P::Chunk::new_zeroed();
        while bytes > 0 {
            let chunk = match P::chunk(source) {
                Some(chunk) => chunk,
                None => {
                    let mut values = blank.as_mut_bytes().iter_mut();
                    for value in &mut values {
                        *value = Self::blank(zero_point);
                    }
                    blank.as_mut_bytes().iter_mut().zip(source).for_each(|(to, &from)| *to = from);
                    &blank
                }
            };
            let converted = self.0.widen(chunk, zero_point);
            let target = into.get_mut(done..).unwrap_or_default();
            if converted.write_to_prefix(target).is_err() {
                target.iter_mut().zip(converted.as_bytes()).for_each(|(to, &from)| *to = from);
            }
            done += words;
            bytes = bytes.saturating_sub(step);
            source = source.get(step..).unwrap_or(&[]);
        }
    }

    #[inline(always)]
    fn multiply(&self, panel: &Panel<'_>, output: &mut [u8]) -> Option<()> {
        let (products, vector) = (self.0, P::LANES * P::VALUE);
        let second = panel.tables.get(P::LANES * P::TABLE..).unwrap_or(&[]);
        if !P::SMALL_TILES || panel.bytes > vector {
            panel!(products, panel, output, [x: 0, y: 1], 2, |sums, into| {
                let [first, last] = products.finish_pair(sums, panel.finish, [panel.tables, second]);
                let (low, high) = into.split_at_mut(into.len().min(vector));
                Self::put(&first, low);
                Self::put(&last, high);
            });
        } else {
            panel!(products, panel, output, [x: 0], 1, |sums, into| {
                let [sums] = sums;
                Self::put(&products.finish(sums, panel.finish, panel.tables), into);
            });
        }
        Some(())
    }
}

impl<T, P: Products<T>> Channels for Of<T, P> {
    #[inline(always)]
    fn widen(&self, column: &Column<'_>, line: &mut [u32]) -> Option<()> {
        let mut blank = P::Values::new_zeroed();
        for value in blank.as_mut_bytes() {
            *value = Self::blank(column.zero_point);
        }
        let width = P::LANES * P::VALUE;
        let (mut at, mut byte) = (column.at, 0);
        while byte < column.bytes {
            let mut values = blank;
            if let Some(pixel) = column.pixel {
                // What is read beyond the last channel meets weights of nought.
                if column.multiplier == 1
                    && let Some(whole) = pixel.get(byte..).and_then(P::values)
                {
                    values = *whole;
                } else {
                    for (to, at) in values.as_mut_bytes().iter_mut().zip(byte..column.bytes) {
                        let value = at / P::VALUE / column.multiplier.max(1) * P::VALUE + at % P::VALUE;
                        *to = *pixel.get(value)?;
                    }
                }
            }
            *P::vectors_mut(line).get_mut(at)? = self.0.spread(&values, column.zero_point);
            at += column.line;
            byte += width;
        }
        Some(())
    }

    #[inline(always)]
    fn row(&self, row: &Row<'_>, output: &mut [u8]) -> Option<()> {
        let (products, width) = (self.0, P::LANES * P::VALUE);
        let (mut lines, mut weights) = (P::vectors(row.lines), P::vectors(row.weights));
        let (mut tables, mut byte) = (row.tables, 0);
        for start in P::vectors(row.starts) {
            let start = products.load(start);
            let (filter, others) = weights.split_at_checked(row.offsets.len())?;
            let bytes = width.min(row.pixel.saturating_sub(byte));
            let (mut at, mut first) = (byte, 0);
            while at < output.len() {
                let (mut a, mut b, mut c, mut d) = (start, start, start, start);
                let pixels = lines.get(first..)?;
                let mut tap = 0;
                while tap < filter.len() {
                    let weights = products.load(filter.get(tap)?);
                    let offset = *row.offsets.get(tap)? as usize;
                    let [first, second, third, fourth] = pixels.get(offset..)?.first_chunk::<PIXELS>()?;
                    a = products.multiply_add(a, products.load(first), weights);
                    b = products.multiply_add(b, products.load(second), weights);
                    c = products.multiply_add(c, products.load(third), weights);
                    d = products.multiply_add(d, products.load(fourth), weights);
                    tap += 1;
                }
                for sums in [[a, b], [c, d]] {
                    for outputs in products.finish_pair(sums, row.finish, [tables; 2]) {
                        if let Some(pixel) = output.get_mut(at..at + bytes) {
                            Self::put(&outputs, pixel);
                        }
                        at += row.pixel;
                    }
                }
                first += PIXELS;
            }
            byte += width;
            lines = lines.get(row.line..).unwrap_or(&[]);
            weights = others;
            tables = tables.get(P::LANES * P::TABLE..).unwrap_or(&[]);
        }
        Some(())
    }
}
