//! The innermost loops: what is compiled for each type of elements and each way to multiply them.

use super::tile::tile;
use super::{Finish, Plain, Products};
use core::marker::PhantomData;
use zerocopy::{FromBytes, FromZeros, IntoBytes};

/// Vectors of channels per panel of a matrix product.
pub const VECTORS: usize = 2;
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

/// Each byte of an element of so many that stands for real zero.
#[inline(always)]
pub fn blank_byte(value: usize, zero_point: i32) -> u8 {
    if value == 1 { zero_point as u8 } else { 0 }
}

/// How the windows of output pixels lie in memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Windows {
    /// Neighbouring words of a window, and how far it is from such a run to the next.
    pub runs: [usize; 2],
    /// Windows side by side, and how far it is from one to the next.
    pub columns: [usize; 2],
    /// How far it is from the first of those to the first of the next ones.
    pub row: usize,
}

/// Walks over windows.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    column: usize,
    row: usize,
}

impl Place {
    /// Where the next window lies.
    #[inline(always)]
    fn next(&mut self, windows: &Windows) -> usize {
        let [columns, apart] = windows.columns;
        let at = self.row + self.column * apart;
        self.column += 1;
        if self.column == columns {
            *self = Self { column: 0, row: self.row + windows.row };
        }
        at
    }
}

/// What a block of gathered windows is multiplied with, and where the outputs go.
#[derive(Clone, Copy, Debug)]
pub struct Panel<'a> {
    /// What was gathered.
    pub activations: &'a [u8],
    /// Where windows lie in them.
    pub windows: Windows,
    /// Words per window.
    pub depth: usize,
    /// Number of windows.
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

/// Output rows of a depthwise convolution.
#[derive(Clone, Copy, Debug)]
pub struct Strip<'a> {
    /// Rows of the input, padding included, and at least two vectors of elements behind them.
    pub lines: &'a [u8],
    /// Where the windows of output pixels lie in them.
    pub windows: Windows,
    /// Where taps lie in a window, in bytes, filled up to whole groups.
    pub taps: &'a [u32],
    /// The packed weights.
    pub weights: &'a [u32],
    /// Initial sums.
    pub starts: &'a [u32],
    /// Packed tables.
    pub tables: &'a [u32],
    /// The epilogue.
    pub finish: &'a Finish,
    /// Bytes of an output pixel.
    pub pixel: usize,
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
    /// Computes output rows.
    fn strip(&self, strip: &Strip<'_>, output: &mut [u8]) -> Option<()>;
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

    /// What stands under a tap.
    #[inline(always)]
    fn double(window: &[u8], tap: u32) -> Option<&[P::Values; 2]> {
        Some(<[P::Values; 2]>::ref_from_prefix(window.get(tap as usize..)?).ok()?.0)
    }

    /// Stores outputs, as many as fit.
    #[inline(always)]
    fn put<V: Plain>(outputs: &V, into: &mut [u8]) {
        if let Ok((whole, _)) = V::mut_from_prefix(into) {
            *whole = *outputs;
        } else {
            into.iter_mut().zip(outputs.as_bytes()).for_each(|(to, &from)| *to = from);
        }
    }
}

/// Multiplies all rows of a block by a panel of as many vectors as there are names in brackets; the sums of a row become outputs,
/// or those of two rows at once.
macro_rules! panel {
    (
        $products:ident, $panel:ident, $output:ident, $names:tt, $width:literal,
        |$sums:ident| $finish:expr, |$first:ident, $second:ident| $finish_two:expr
    ) => {{
        let weights = P::vectors($panel.weights).as_chunks::<$width>().0.get(..$panel.depth)?;
        let starts = P::vectors($panel.starts).first_chunk::<$width>()?;
        let start = starts.map(|start| $products.load(&start));
        let runs = $panel.windows.runs;
        let (mut row, mut place) = (0, Place::default());
        macro_rules! put {
            ($outputs:expr) => {{
                Self::put(&$outputs, $output.get_mut(row * $panel.row_bytes..)?.get_mut(..$panel.bytes)?);
                row += 1;
            }};
        }
        macro_rules! put_two {
            ($a:ident, $b:ident) => {{
                let ($first, $second) = ($a, $b);
                let [first, second] = $finish_two;
                put!(first);
                put!(second);
            }};
        }
        while row < $panel.rows {
            let left = $panel.rows - row;
            // Two of four are better than one of six and one of two.
            let count = if P::ROWS >= 6 && left >= 6 && left != 8 {
                6
            } else if left >= 4 {
                4
            } else if P::SMALL_TILES && left >= 2 {
                2
            } else {
                1
            };
            let mut places = [0; 6];
            for to in places.iter_mut().take(count) {
                *to = place.next(&$panel.windows);
            }
            macro_rules! rows {
                ($rows:tt) => {
                    tile!($products, $panel.activations, places, runs, weights, start, $names, $rows)
                };
            }
            if P::ROWS >= 6 && count == 6 {
                let [a, b, c, d, e, f] = rows!([a: 0, b: 1, c: 2, d: 3, e: 4, f: 5]);
                put_two!(a, b);
                put_two!(c, d);
                put_two!(e, f);
            } else if P::SMALL_TILES && count == 4 {
                let [a, b, c, d] = rows!([a: 0, b: 1, c: 2, d: 3]);
                put_two!(a, b);
                put_two!(c, d);
            } else if P::SMALL_TILES && count == 2 {
                let [a, b] = rows!([a: 0, b: 1]);
                put_two!(a, b);
            } else {
                // In short code one after the other; the sums of a single row, and some more to fill up the array.
                let sums = if !P::SMALL_TILES && count == 4 {
                    rows!([a: 0, b: 1, c: 2, d: 3])
                } else {
                    let [a] = rows!([a: 0]);
                    [a; 4]
                };
                for $sums in sums.into_iter().take(count) {
                    put!($finish);
                }
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
                        *value = blank_byte(P::VALUE, zero_point);
                    }
                    blank.as_mut_bytes().iter_mut().zip(source).for_each(|(to, &from)| *to = from);
                    &blank
                }
            };
            let converted = self.0.widen(chunk);
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
        let (finish, tables) = (panel.finish, [panel.tables, second]);
        if !P::SMALL_TILES || panel.bytes > vector {
            panel!(
                products, panel, output, [x: 0, y: 1], 2,
                |sums| products.finish_pair(sums, finish, tables),
                |first, second| products.finish_rows([first, second], finish, tables)
            );
        } else {
            panel!(
                products, panel, output, [x: 0], 1,
                |sums| products.finish(sums[0], finish, panel.tables),
                |first, second| [
                    products.finish(first[0], finish, panel.tables),
                    products.finish(second[0], finish, panel.tables)
                ]
            );
        }
        Some(())
    }
}

impl<T, P: Products<T>> Channels for Of<T, P> {
    #[inline(always)]
    fn strip(&self, strip: &Strip<'_>, output: &mut [u8]) -> Option<()> {
        let (products, vector) = (self.0, P::LANES * P::VALUE);
        let (mut weights, mut tables, mut byte) = (P::vectors(strip.weights).as_chunks::<VECTORS>().0, strip.tables, 0);
        for [first, second] in P::vectors(strip.starts).as_chunks::<VECTORS>().0 {
            let start = [products.load(first), products.load(second)];
            let (filter, rest) = weights.split_at_checked(strip.taps.len() / P::GROUP)?;
            let after = tables.get(P::LANES * P::TABLE..).unwrap_or(&[]);
            let bytes = (VECTORS * vector).min(strip.pixel.saturating_sub(byte));
            let (mut at, mut place) = (byte, Place::default());
            while at < output.len() {
                // Two pixels side by side, so that weights are loaded once for both; the last one may stand alone, and in short
                // code each.
                let one = strip.lines.get(byte + place.next(&strip.windows)..)?;
                let two = P::SMALL_TILES && at + strip.pixel < output.len();
                let other = if two { strip.lines.get(byte + place.next(&strip.windows)..)? } else { one };
                let ([mut a, mut b], [mut c, mut d]) = (start, start);
                let mut group = 0;
                while group < filter.len() {
                    let [first, second] = filter.get(group)?;
                    let [first, second] = [products.load(first), products.load(second)];
                    let taps = strip.taps.get(group * P::GROUP..)?;
                    let [low, high] = products.weave(|slot| Self::double(one, *taps.get(slot)?))?;
                    a = products.multiply_add(a, low, first);
                    b = products.multiply_add(b, high, second);
                    if P::SMALL_TILES {
                        let [low, high] = products.weave(|slot| Self::double(other, *taps.get(slot)?))?;
                        c = products.multiply_add(c, low, first);
                        d = products.multiply_add(d, high, second);
                    }
                    group += 1;
                }
                let first = products.finish_pair([a, b], strip.finish, [tables, after]);
                let second =
                    if P::SMALL_TILES { products.finish_pair([c, d], strip.finish, [tables, after]) } else { first };
                Self::put(&first, output.get_mut(at..at + bytes)?);
                at += strip.pixel;
                if two {
                    Self::put(&second, output.get_mut(at..at + bytes)?);
                    at += strip.pixel;
                }
            }
            byte += VECTORS * vector;
            weights = rest;
            tables = after.get(P::LANES * P::TABLE..).unwrap_or(&[]);
        }
        Some(())
    }
}
