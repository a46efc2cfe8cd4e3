//! The fast algorithm once, over the small vector trait [`Products`].
//!
//! Everything here is safe code and marked `#[inline(always)]`, so that it is compiled for the instruction set of the
//! wrapper in [`super::arch`] that calls it: plain loops over short arrays become vector code there too. What the
//! compiler would not find by itself, products summed in registers, goes through [`Products`].

mod convolution;
mod depthwise;
mod pack;
mod requantize;
mod tile;

pub use convolution::{ConvolutionJob, convolution_sizes, pack_convolution};
pub use depthwise::{DepthwiseJob, depthwise_sizes, pack_depthwise};
pub use pack::{PART, Sizes, part, take, take_mut};
pub use requantize::{Clamp, Requantize, Tables};

use super::scalar::Number;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Numbers and arrays of numbers: any bytes are a value.
pub trait Plain: Copy + FromBytes + IntoBytes + Immutable + KnownLayout + 'static {}

impl<T: Copy + FromBytes + IntoBytes + Immutable + KnownLayout + 'static> Plain for T {}

/// What fast kernels need of an element type.
pub trait Value: Number<Accumulator: Plain, Weight = Self> + Plain {
    /// The weight that changes nothing.
    const NOTHING: Self;
    /// Entries per channel of the epilogue's packed tables.
    const TABLE: usize;
    /// How sums become outputs.
    type Finish: Copy + core::fmt::Debug;
    /// The products of an instruction set.
    type Of<S: Simd>: Products<Self>;
    /// The same instruction set.
    fn of<S: Simd>(simd: S) -> Self::Of<S>;
    /// `sum` without what elements that exceed their value by `excess` add over a filter.
    fn less_excess(sum: Self::Accumulator, excess: i32, filter: impl Iterator<Item = Self>) -> Self::Accumulator;
    /// `self - zero_point`.
    fn real(self, zero_point: i32) -> f32;
    /// Where a float sum begins, for [`Self::whole`].
    fn begin(start: Self::Accumulator) -> f32;
    /// The sums that float sums stand for, `starts` included.
    fn whole<S: Simd>(simd: S, sums: Floats<S>, starts: Vector<S, Self>) -> Vector<S, Self>;
}

/// A register of float sums.
pub type Floats<S> = <S as Products<f32>>::Vector;
/// A register of sums of products of `T`.
pub type Vector<S, T> = <<T as Value>::Of<S> as Products<T>>::Vector;

/// 1.5 * 2^23: whole numbers up to 2^22 can be added to it exactly, and stand in its last bits.
pub const WHOLE: f32 = 12_582_912.0;

impl Value for i8 {
    const NOTHING: i8 = 0;
    const TABLE: usize = 2;
    type Finish = Requantize;
    type Of<S: Simd> = S;

    #[inline(always)]
    fn of<S: Simd>(simd: S) -> S {
        simd
    }

    fn less_excess(sum: i32, excess: i32, mut filter: impl Iterator<Item = i8>) -> i32 {
        // Wraps, as the lanes of vectors do: the sum in the end fits again.
        if excess == 0 {
            return sum;
        }
        filter.by_ref().fold(sum, |sum, weight| sum.wrapping_sub(excess.wrapping_mul(i32::from(weight))))
    }

    #[inline(always)]
    fn real(self, zero_point: i32) -> f32 {
        (i32::from(self) - zero_point) as f32
    }

    #[inline(always)]
    fn begin(_: i32) -> f32 {
        WHOLE
    }

    #[inline(always)]
    fn whole<S: Simd>(simd: S, sums: Floats<S>, starts: Vector<S, i8>) -> Vector<S, i8> {
        simd.whole(sums, starts)
    }
}

impl Value for f32 {
    const NOTHING: f32 = 0.0;
    const TABLE: usize = 0;
    type Finish = Clamp;
    type Of<S: Simd> = S;

    #[inline(always)]
    fn of<S: Simd>(simd: S) -> S {
        simd
    }

    fn less_excess(sum: f32, _: i32, _: impl Iterator<Item = f32>) -> f32 {
        sum
    }

    #[inline(always)]
    fn real(self, _: i32) -> f32 {
        self
    }

    #[inline(always)]
    fn begin(start: f32) -> f32 {
        start
    }

    #[inline(always)]
    fn whole<S: Simd>(_: S, sums: Floats<S>, _: Floats<S>) -> Floats<S> {
        sums
    }
}

/// An instruction set. A value of an implementing type proves that the machine has the instructions.
pub trait Simd: Products<i8> + Products<f32> {
    /// Sums of whole numbers that began at [`WHOLE`], as integers, added to `starts`.
    fn whole(self, sums: Floats<Self>, starts: Vector<Self, i8>) -> Vector<Self, i8>;
    /// Runs a kernel, compiled for this instruction set.
    fn run<K: Kernel>(self, kernel: K) -> K::Output;
}

/// Sums of products of `T` in vector registers.
///
/// A group is the run of [`Self::GROUP`] neighbouring products that one instruction adds into each lane.
pub trait Products<T: Value>: Copy {
    /// Products per lane and instruction.
    const GROUP: usize;
    /// Sums per vector.
    const LANES: usize;
    /// Rows of the largest tile that stays in registers, with two vectors per row: 4 or 6.
    const ROWS: usize;
    /// An activation, as gathered.
    type Element: Plain;
    /// `[Element; GROUP]`.
    type Group: Plain;
    /// A weight, as packed.
    type Weight: Plain;
    /// `[[Weight; GROUP]; LANES]`.
    type Weights: Plain;
    /// `[sum; LANES]`.
    type Sums: Plain + AsRef<[T::Accumulator]> + AsMut<[T::Accumulator]>;
    /// `[T; LANES]`.
    type Outputs: AsRef<[T]>;
    /// A vector register of weights, activations or sums.
    type Vector: Copy;

    /// The element of an activation.
    fn element(value: T, zero_point: i32) -> Self::Element;
    /// The element of an activation that stands for real zero.
    fn zero(zero_point: i32) -> Self::Element;
    /// What elements exceed `activation - zero_point` by; corrected in the bias.
    fn excess(zero_point: i32) -> i32;
    /// The packed form of a weight.
    fn weight(value: T) -> Self::Weight;
    /// Elements as groups; what fills no group is left out.
    fn groups(elements: &[Self::Element]) -> &[Self::Group];
    /// The first vector of sums.
    fn sums(sums: &[T::Accumulator]) -> Option<&Self::Sums>;

    /// One group in every lane.
    fn splat(self, group: &Self::Group) -> Self::Vector;
    /// One group of weights per lane.
    fn weights(self, weights: &Self::Weights) -> Self::Vector;
    /// Sums into a register.
    fn load(self, sums: &Self::Sums) -> Self::Vector;
    /// In every lane: `sum` and the products of a group.
    fn multiply_add(self, sum: Self::Vector, activations: Self::Vector, weights: Self::Vector) -> Self::Vector;
    /// Outputs for sums; `table` holds [`Value::TABLE`] rows of an entry per lane, and is not read beyond.
    fn finish(self, sums: Self::Vector, finish: &T::Finish, table: &[i32]) -> Self::Outputs;
}

/// A job that [`Simd::run`] runs.
pub trait Kernel {
    /// What it gives.
    type Output;
    /// Does it. Implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Stores the first of `outputs`, as many as `output` takes.
#[inline(always)]
fn put<T: Value, P: Products<T>>(outputs: &P::Outputs, output: &mut [T]) {
    let outputs = outputs.as_ref();
    if let Some(whole) = output.get_mut(..P::LANES) {
        // Of constant length: one vector store.
        whole.iter_mut().zip(outputs).for_each(|(to, &from)| *to = from);
    } else {
        output.iter_mut().zip(outputs).for_each(|(to, &from)| *to = from);
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

/// Ranges of up to `step` that cover `0..end`, ascending or descending.
#[inline(always)]
fn blocks(end: usize, step: usize, down: bool) -> impl Iterator<Item = core::ops::Range<usize>> {
    let step = step.max(1);
    let count = end.div_ceil(step);
    (0..count).map(move |index| {
        let start = if down { count - 1 - index } else { index } * step;
        start..end.min(start + step)
    })
}
