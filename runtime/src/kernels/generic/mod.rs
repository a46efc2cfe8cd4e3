//! The fast algorithm once, over the small vector trait [`Products`].
//!
//! All that is multiplied and summed are words of 32 bits: a float, two 16-bit or four 8-bit numbers, a sum. What differs
//! between the types of elements is in [`Matrix`] and [`Channels`]: the innermost loops. Around them stands one program for all, which
//! a processor's program has for each instruction set, compiled for it, and a download just once.
//!
//! Everything here is safe code. What computes is marked `#[inline(always)]`, so that it is compiled for the instruction set
//! of the wrapper in [`super::arch`] that calls it; a WebAssembly module has one set for all, and packing needs none.

#[cfg(not(target_arch = "wasm32"))]
mod columns;
mod convolution;
mod depthwise;
mod line;
mod loops;
mod pack;
mod panels;
mod requantize;
mod strips;
mod sum;
mod tile;

pub use convolution::Convolve;
pub use depthwise::Depthwise;
pub use loops::{Matrix, Of, Outputs, finish_each, put};
pub use pack::{PART, Sizes, part, take, take_mut};
pub use panels::Constants;
pub use requantize::{Finish, ROUNDING};
pub use strips::Channels;
pub use sum::{Sum, Sums};

use super::weights::{ByteWeights, FloatWeights, Weights};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Arrays of numbers: any bytes are a value.
pub trait Plain: Copy + FromBytes + IntoBytes + Immutable + KnownLayout + 'static {}

impl<T: Copy + FromBytes + IntoBytes + Immutable + KnownLayout + 'static> Plain for T {}

/// An instruction set. A value of an implementing type proves that the machine has the instructions.
pub trait Simd: Products<i8> + Products<f32> {}

impl<S: Products<i8> + Products<f32>> Simd for S {}

/// Sums of products of `T` in vector registers.
///
/// A group is the run of [`Self::GROUP`] neighbouring products that one instruction adds into each lane: a word.
pub trait Products<T>: Copy {
    /// Bytes of an element in a tensor.
    const VALUE: usize;
    /// Words per channel of the epilogue's packed tables.
    const TABLE: usize;
    /// Products per lane and instruction: 1, 2 or 4.
    const GROUP: usize;
    /// Sums per vector.
    const LANES: usize;
    /// Rows of the largest tile that stays in registers, with two vectors per row: 4 or 6.
    const ROWS: usize;
    /// Whether smaller tiles, of one vector and of two rows, are worth their code.
    const SMALL_TILES: bool = true;
    /// Whether words of a depthwise convolution are made so quickly that they need not be kept for windows in other rows.
    const COLUMNS: bool = false;
    /// `[u32; LANES]`.
    type Words: Plain;
    /// Elements in a tensor, one for each lane.
    type Values: Plain;
    /// The elements under a group of taps, for two vectors of channels.
    type Taps: Plain;
    /// Elements in a tensor, a group for each lane.
    type Chunk: Plain;
    /// A vector register of weights, activations or sums.
    type Vector: Copy;

    /// Runs a kernel, compiled for this instruction set, as a function of its own.
    fn run<K: Kernel>(self, kernel: K) -> Option<()>;

    /// Words as vectors; what fills none is left out.
    fn vectors(words: &[u32]) -> &[Self::Words];
    /// The first elements, a group per lane.
    fn chunk(bytes: &[u8]) -> Option<&Self::Chunk>;
    /// What activations exceed `activation - zero_point` by; corrected in the bias.
    fn excess(self, zero_point: i32) -> i32;
    /// Activations as they are multiplied.
    fn widen(self, chunk: &Self::Chunk) -> Self::Words;
    /// The same for two vectors of channels whose words are groups of taps; `tap` gives the elements under one of them.
    fn weave<'a>(self, tap: impl Fn(usize) -> Option<&'a [Self::Values; 2]>) -> Option<[Self::Words; 2]>
    where
        Self::Values: 'a;

    /// The same of neighbours, in registers.
    #[cfg(not(target_arch = "wasm32"))]
    #[inline(always)]
    fn weave_all(self, taps: &Self::Taps) -> [Self::Vector; 2] {
        let taps = <[[Self::Values; 2]]>::ref_from_bytes(taps.as_bytes()).unwrap_or(&[]);
        match self.weave(|slot| taps.get(slot)) {
            Some([first, second]) => [self.load(&first), self.load(&second)],
            None => [self.splat(0); 2],
        }
    }

    /// One word in every lane.
    fn splat(self, word: u32) -> Self::Vector;
    /// Words into a register.
    fn load(self, words: &Self::Words) -> Self::Vector;
    /// Elements into a register, where each is a word.
    #[inline(always)]
    fn load_values(self, _: &Self::Values) -> Self::Vector {
        self.splat(0)
    }
    /// In every lane: `sum` and the products of a group.
    fn multiply_add(self, sum: Self::Vector, activations: Self::Vector, weights: Self::Vector) -> Self::Vector;
    /// Outputs for sums; `table` holds [`Self::TABLE`] rows of a word per lane, and is not read beyond.
    fn finish(self, sums: Self::Vector, finish: &Finish, table: &[u32]) -> Self::Values;
    /// Two of them at once.
    #[inline(always)]
    fn finish_pair(self, sums: [Self::Vector; 2], finish: &Finish, tables: [&[u32]; 2]) -> [Self::Values; 2] {
        let ([first, second], [table, other]) = (sums, tables);
        [self.finish(first, finish, table), self.finish(second, finish, other)]
    }
    /// The same for some rows, written where they belong.
    #[inline(always)]
    fn finish_all(self, sums: &[[Self::Vector; 2]], rows: Outputs<'_>) -> Option<()> {
        finish_each(self, sums, rows)
    }
    /// The same for two rows.
    #[inline(always)]
    fn finish_rows(
        self,
        sums: [[Self::Vector; 2]; 2],
        finish: &Finish,
        tables: [&[u32]; 2],
        outputs: [&mut [Self::Values; 2]; 2],
    ) {
        let ([first, second], [one, two]) = (sums, outputs);
        *one = self.finish_pair(first, finish, tables);
        *two = self.finish_pair(second, finish, tables);
    }
}

/// A job that [`Products::run`] runs.
pub trait Kernel {
    /// Neighbouring channels that it computes: vectors of more lanes are not worth it.
    fn channels(&self) -> usize {
        usize::MAX
    }
    /// Does it; `None` where it does not serve. Implementations are `#[inline(always)]`.
    fn run<L: Matrix + Channels>(self, loops: &L) -> Option<()>;
}

/// What is asked of a kernel.
#[derive(Debug)]
pub enum Ask<'a> {
    /// To tell what packing takes.
    Measure(&'a mut Sizes),
    /// To pack.
    Pack {
        /// As many bytes as were told.
        packed: &'a mut [u8],
        /// What of.
        constants: Constants<'a>,
    },
    /// To run over all images.
    Run {
        /// What was packed.
        packed: &'a [u8],
        /// As many bytes as were told.
        scratch: &'a mut [u8],
        /// The tensors.
        place: Place<'a, u8>,
        /// The epilogue.
        finish: Finish,
        /// Images, one behind the other.
        images: usize,
    },
}

/// Weights before they are packed.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Integers.
    Bytes(ByteWeights<'a>),
    /// Floats.
    Reals(FloatWeights<'a>),
}

impl Source<'_> {
    /// A weight as it is packed: an integer, or the bits of a float. Nought beyond the last one.
    fn at(&self, at: usize) -> i32 {
        match self {
            Self::Bytes(weights) => weights.at(at).map_or(0, i32::from),
            Self::Reals(weights) => weights.at(at).map_or(0, |weight| weight.to_bits().cast_signed()),
        }
    }
}

/// Where a windowed op reads and writes: both tensors in one piece of memory, where they may overlap as
/// [`bantam_format::overlap`] allows.
#[derive(Debug)]
pub struct Place<'a, T> {
    /// The memory around both.
    pub memory: &'a mut [T],
    /// First element of the input.
    pub input: usize,
    /// First element of the output.
    pub output: usize,
    /// Whether the output rows are written from the last to the first.
    pub down: bool,
}

/// Puts the weights of a group into a word, the first one lowest.
#[inline(always)]
fn word(group: usize, weight: impl Fn(usize) -> i32) -> u32 {
    let bits = 32 / group.max(1);
    let mut word = 0;
    for slot in 0..group {
        let mask = u32::MAX >> (32 - bits);
        word |= (weight(slot).cast_unsigned() & mask) << (slot * bits);
    }
    word
}

/// Ranges of up to `step` that cover `0..end`, ascending or descending: the range of turn `index`, while there is one.
#[inline(always)]
fn block(index: usize, end: usize, step: usize, down: bool) -> Option<core::ops::Range<usize>> {
    let last = end.div_ceil(step.max(1)).checked_sub(index)?.checked_sub(1)?;
    let start = if down { last } else { index } * step;
    Some(start..end.min(start + step))
}
