//! The innermost loops: what is compiled for each type of elements and each way to multiply them.

use super::line::is_line;
use super::tile::tile;
use super::{Channels, Finish, Kernel, Plain, Products};
use core::marker::PhantomData;
use zerocopy::{FromZeros, IntoBytes};

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
    /// See [`Products::COLUMNS`].
    #[cfg(not(target_arch = "wasm32"))]
    pub columns: bool,
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
#[derive(Clone, Copy, Debug)]
struct Walk {
    /// Where the next one lies, and the first one of its row.
    at: usize,
    row: usize,
    /// Those left in the row.
    left: usize,
}

impl Walk {
    #[inline(always)]
    fn new(windows: &Windows) -> Self {
        Self { at: 0, row: 0, left: windows.columns[0] }
    }

    /// Where the next window lies.
    #[inline(always)]
    fn next(&mut self, windows: &Windows) -> usize {
        let at = self.at;
        self.at += windows.columns[1];
        self.left = self.left.wrapping_sub(1);
        if self.left == 0 {
            self.row += windows.row;
            *self = Self { at: self.row, row: self.row, left: windows.columns[0] };
        }
        at
    }
}

/// Where outputs of rows go, and how sums become them.
#[derive(Debug)]
pub struct Outputs<'a> {
    /// The epilogue, and its tables for two vectors of channels.
    pub finish: &'a Finish,
    /// See `finish`.
    pub tables: [&'a [u32]; 2],
    /// Bytes of outputs of a row, at most those of two vectors, and from those to the ones of the next row.
    pub bytes: usize,
    /// See `bytes`.
    pub apart: usize,
    /// The outputs.
    pub output: &'a mut [u8],
}

/// Stores the first `bytes` of outputs.
#[inline(always)]
pub fn put<V: Plain>(outputs: &[V], mut bytes: usize, mut into: &mut [u8]) {
    for outputs in outputs {
        let size = size_of::<V>();
        if bytes < size || into.len() < size {
            let mut from = outputs.as_bytes();
            if !cfg!(target_arch = "wasm32")
                && bytes >= 8
                && let Some((eight, after)) = from.split_first_chunk::<8>()
            {
                let Some((to, rest)) = into.split_first_chunk_mut() else { return };
                *to = *eight;
                (from, into, bytes) = (after, rest, bytes - 8);
            }
            into.iter_mut().zip(from).take(bytes).for_each(|(to, &from)| *to = from);
            return;
        }
        let Ok((whole, rest)) = V::mut_from_prefix(into) else { return };
        *whole = *outputs;
        bytes -= size;
        into = rest;
    }
}

/// Finishes sums of two vectors, row by row.
#[inline(always)]
pub fn finish_each<T, P: Products<T>>(products: P, sums: &[[P::Vector; 2]], rows: Outputs<'_>) -> Option<()> {
    let mut at = 0;
    for &sums in sums {
        put(&products.finish_pair(sums, rows.finish, rows.tables), rows.bytes, rows.output.get_mut(at..)?);
        at += rows.apart;
    }
    Some(())
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

/// Adds a number to bytes.
#[inline(always)]
fn add(from: &[u8], number: u8, to: &mut [u8]) {
    let (from, from_rest) = from.as_chunks::<64>();
    let (to, to_rest) = to.as_chunks_mut::<64>();
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.map(|byte| byte.wrapping_add(number));
    }
    let (from, from_rest) = from_rest.as_chunks::<16>();
    let (to, to_rest) = to_rest.as_chunks_mut::<16>();
    for (to, from) in to.iter_mut().zip(from) {
        *to = from.map(|byte| byte.wrapping_add(number));
    }
    for (to, from) in to_rest.iter_mut().zip(from_rest) {
        *to = from.wrapping_add(number);
    }
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
    /// Multiplies all rows by a panel; a single row by as many as [`LINE`](super::line::LINE), where they are whole and smaller tiles are made.
    fn multiply(&self, panel: &Panel<'_>, output: &mut [u8]) -> Option<()>;
    /// The body of it.
    fn multiply_inline(&self, panel: &Panel<'_>, output: &mut [u8]) -> Option<()>
    where
        Self: Sized;
}

/// [`Matrix::multiply`] as a function of its own.
struct Multiply<'a, 'p> {
    panel: &'a Panel<'p>,
    output: &'a mut [u8],
}

impl Kernel for Multiply<'_, '_> {
    #[inline(always)]
    fn run<L: Matrix + Channels>(self, loops: &L) -> Option<()> {
        loops.multiply_inline(self.panel, self.output)
    }
}

/// The loops of an instruction set for elements `T`.
#[derive(Clone, Copy, Debug)]
pub struct Of<T, P>(pub(super) P, PhantomData<T>);

impl<T, P: Products<T>> Of<T, P> {
    /// Those loops.
    #[inline(always)]
    pub fn new(products: P) -> Self {
        Self(products, PhantomData)
    }

    /// Two rows' places for all outputs, if they have that.
    #[inline(always)]
    pub(super) fn whole<'a, V: Plain>(bytes: usize, one: &'a mut [u8], two: &'a mut [u8]) -> Option<[&'a mut V; 2]> {
        if bytes < size_of::<V>() {
            return None;
        }
        Some([V::mut_from_prefix(one).ok()?.0, V::mut_from_prefix(two).ok()?.0])
    }
}

/// Puts two rows of `$bytes` of outputs, from `$at` on and so far from each other; `$finish` writes `$count` vectors to each of `$outputs`.
macro_rules! put_two {
    ($output:expr, $at:ident, [$bytes:expr, $apart:expr], $count:literal, |$outputs:ident| $finish:expr) => {{
        let (one, two) = $output.get_mut($at..)?.split_at_mut_checked($apart)?;
        let mut spare = [[P::Values::new_zeroed(); $count]; 2];
        let $outputs = match Self::whole($bytes, one, two) {
            Some(whole) => whole,
            None => spare.each_mut(),
        };
        $finish;
        if $bytes < size_of::<[P::Values; $count]>() {
            put(&spare[0], $bytes, one);
            put(&spare[1], $bytes, two);
        }
        $at += 2 * $apart;
    }};
}
pub(super) use put_two;

/// Multiplies all rows of a block by a panel of as many vectors as there are names in brackets; the sums of a row become outputs,
/// or those of two rows at once.
macro_rules! panel {
    (
        $products:ident, $panel:ident, $output:ident, $names:tt, $width:literal,
        $finish:ident, $tables:ident, |$sums:ident| $pairs:expr,
        |$first:ident, $second:ident, $outputs:ident| $finish_two:expr
    ) => {{
        let weights = P::vectors($panel.weights).as_chunks::<$width>().0.get(..$panel.depth)?;
        let starts = P::vectors($panel.starts).first_chunk::<$width>()?;
        let start = starts.map(|start| $products.load(&start));
        let runs = $panel.windows.runs;
        let (mut row, mut at, mut walk) = (0, 0, Walk::new(&$panel.windows));
        macro_rules! two {
            ($a:ident, $b:ident) => {{
                let ($first, $second) = ($a, $b);
                put_two!($output, at, [$panel.bytes, $panel.row_bytes], $width, |$outputs| $finish_two);
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
            row += count;
            let mut places = [0; 6];
            for to in places.iter_mut().take(count) {
                *to = walk.next(&$panel.windows);
            }
            macro_rules! rows {
                ($rows:tt) => {
                    tile!($products, $panel.activations, places, runs, weights, start, $names, $rows)
                };
            }
            if P::ROWS >= 6 && count == 6 {
                let [a, b, c, d, e, f] = rows!([a: 0, b: 1, c: 2, d: 3, e: 4, f: 5]);
                two!(a, b);
                two!(c, d);
                two!(e, f);
            } else if P::SMALL_TILES && count == 4 {
                let [a, b, c, d] = rows!([a: 0, b: 1, c: 2, d: 3]);
                two!(a, b);
                two!(c, d);
            } else if P::SMALL_TILES && count == 2 {
                let [a, b] = rows!([a: 0, b: 1]);
                two!(a, b);
            } else {
                // In short code one after the other; the sums of a single row, and some more to fill up the array.
                let $sums = if !P::SMALL_TILES && count == 4 {
                    rows!([a: 0, b: 1, c: 2, d: 3])
                } else {
                    let [a] = rows!([a: 0]);
                    [a; 4]
                };
                let sums = $pairs;
                let (bytes, apart, output) = ($panel.bytes, $panel.row_bytes, $output.get_mut(at..)?);
                let rows = Outputs { finish: $finish, tables: $tables, bytes, apart, output };
                $products.finish_all(sums.get(..count)?, rows)?;
                at += count * apart;
            }
        }
    }};
}

impl<T, P: Products<T>> Packing for Of<T, P> {
    #[inline(always)]
    fn layout(&self) -> Layout {
        Layout {
            value: P::VALUE,
            table: P::TABLE,
            group: P::GROUP,
            lanes: P::LANES,
            rows: P::ROWS,
            small_tiles: P::SMALL_TILES,
            #[cfg(not(target_arch = "wasm32"))]
            columns: P::COLUMNS,
        }
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
        // In a page words of bytes are made like all others.
        let bytewise = P::VALUE * P::GROUP == size_of::<u32>() && !cfg!(target_arch = "wasm32");
        if (P::VALUE == size_of::<u32>() || bytewise)
            && let Some((from, to)) = source.get(..bytes).zip(into.get_mut(..bytes))
        {
            if P::VALUE == 1 {
                add(from, self.0.excess(0) as u8, to);
            } else {
                // Words are as they are.
                to.copy_from_slice(from);
            }
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
        self.0.run(Multiply { panel, output })
    }

    #[inline(always)]
    fn multiply_inline(&self, panel: &Panel<'_>, output: &mut [u8]) -> Option<()> {
        let (products, vector) = (self.0, P::LANES * P::VALUE);
        // Copies, which stay in registers whatever is written.
        let (panel, finish) = (*panel, &{ *panel.finish });
        if is_line(&self.layout(), panel.rows, panel.bytes) {
            return self.line(&panel, finish, output);
        }
        let second = panel.tables.get(P::LANES * P::TABLE..).unwrap_or(&[]);
        let tables = [panel.tables, second];
        if !P::SMALL_TILES || panel.bytes > vector {
            panel!(
                products, panel, output, [x: 0, y: 1], 2, finish, tables,
                |sums| sums,
                |first, second, outputs| products.finish_rows([first, second], finish, tables, outputs)
            );
        } else {
            // The second sums are those of another row, or stand in for none.
            let tables = [panel.tables; 2];
            panel!(
                products, panel, output, [x: 0], 1, finish, tables,
                |sums| [[sums[0][0]; 2]; 4],
                |first, second, outputs| {
                    [outputs[0][0], outputs[1][0]] =
                        products.finish_pair([first[0], second[0]], finish, tables);
                }
            );
        }
        Some(())
    }
}
