//! Where an evaluation finds its op, and which numbers it is compiled for.
//!
//! One evaluation serves both ways to run: a session decodes ops from a parsed artifact, a compiled model has them as
//! constants. What is not linked is no code: evaluations ask [`Context::is`](super::Context::is) for the type, which the
//! compiler decides where it can.

use crate::compiled::Step;
use crate::kernels::direct::Forms;
use crate::kernels::dispatch::Backend;
use bantam_format::{Arithmetic, DataType, Op, Tensor};

/// An op as evaluations see it.
pub(crate) trait Source: Copy {
    /// The data types and arithmetics linked, as [`numbers`] packs them.
    const NUMBERS: u32;
    /// Whether ops have packed forms.
    const PACKS: bool;
    /// Whether 8-bit sums of products are made by `kernels::direct`; by the oracle otherwise.
    const DIRECT: bool;
    /// The arithmetic of the artifact.
    fn arithmetic(&self) -> Arithmetic;
    /// The bytes from the attribute record on.
    fn attributes(&self) -> &[u8];
    /// Whether a banded op walks from the last output row to the first.
    fn walks_down(&self) -> bool;
    /// Number of inputs.
    fn input_count(&self) -> usize;
    /// Input `position`.
    fn input(&self, position: usize) -> Tensor;
    /// Output `position`.
    fn output(&self, position: usize) -> Tensor;
}

/// The forms of 8-bit sums of products that a source's ops have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linked<S>(core::marker::PhantomData<S>);

impl<S: Source> Forms for Linked<S> {
    const HALVES: bool = links_form(S::NUMBERS, HALVES);
    const STRIPS: bool = links_form(S::NUMBERS, STRIPS);
    const ANY_DEPTHWISE: bool = links_form(S::NUMBERS, ANY_DEPTHWISE);
    const ANY_SCALE: bool = links_form(S::NUMBERS, ANY_SCALE);
    const SPREAD: bool = links_form(S::NUMBERS, SPREAD);
    const PADDING: bool = links_form(S::NUMBERS, PADDING);
    const MANY_VALUES: bool = links_form(S::NUMBERS, MANY_VALUES);
    const PARTS: bool = links_form(S::NUMBERS, PARTS);
}

/// A set of data types and arithmetics: a bit for each code.
pub const fn numbers(data_types: &[DataType], arithmetics: &[Arithmetic]) -> u32 {
    let (mut set, mut data_types, mut arithmetics) = (0, data_types, arithmetics);
    while let [first, rest @ ..] = data_types {
        set |= type_bit(*first);
        data_types = rest;
    }
    while let [first, rest @ ..] = arithmetics {
        set |= 0x100 << first.code();
        arithmetics = rest;
    }
    set
}

/// Added to a set where weights may have 4 bits.
pub const HALVES: u32 = 0x1000;
/// Added to a set where ops that work in place may find their input elsewhere, and have to move it.
pub const MOVES: u32 = 0x2000;
/// Added to a set where depthwise convolutions may overwrite their input channel by channel.
pub const OVERWRITES: u32 = 0x4000;
/// Added to a set where the output of a depthwise convolution may lie elsewhere than its input.
pub const APART: u32 = 0x8000;
/// Added to a set where the lines of depthwise convolutions may be too long to be set aside.
pub const LONG_LINES: u32 = 0x1_0000;
/// Added to a set where not all lines of a channel may be set aside at once.
pub const STRIPS: u32 = 0x2_0000;
/// Added to a set where depthwise convolutions may have other windows than 3 x 3 that lie side by side, or
/// requantisations that are not [plain](bantam_format::ops::Accumulation::is_plain).
pub const ANY_DEPTHWISE: u32 = 0x4_0000;
/// Added to a set where the requantisations of other ops may not be plain.
pub const ANY_SCALE: u32 = 0x8_0000;
/// Added to a set where the rows of a convolution's windows may not be runs of values.
pub const SPREAD: u32 = 0x10_0000;
/// Added to a set where convolutions may have windows too large to be set aside.
pub const PARTS: u32 = 0x20_0000;
/// Added to a set where convolutions may have windows of more than a few values.
pub const MANY_VALUES: u32 = 0x40_0000;
/// Added to a set where convolutions may have windows that reach beyond the input.
pub const PADDING: u32 = 0x200_0000;
/// Added to a set where the weights of float ops may have 16 bits.
pub const HALF_FLOATS: u32 = 0x80_0000;

/// Takes [`HALVES`] out of the sets of [`linked_numbers`].
const NO_HALVES: u32 = 0x8000_0000;

const FORMS: u32 = HALVES
    | MOVES
    | OVERWRITES
    | APART
    | LONG_LINES
    | STRIPS
    | ANY_DEPTHWISE
    | ANY_SCALE
    | SPREAD
    | PARTS
    | MANY_VALUES
    | PADDING
    | HALF_FLOATS;

/// Added to a set where sessions pack: what has a packed form is not linked in any other where the target has instructions
/// for it.
pub const PACKED: u32 = 0x100_0000;

/// All of them.
pub(crate) const EVERY_NUMBER: u32 = numbers(DataType::ALL, Arithmetic::ALL) | FORMS;

/// All but 16-bit integers, for sessions that pack.
pub(crate) const DOWNLOADED: u32 = EVERY_NUMBER & !type_bit(DataType::I16) | PACKED;

/// What [`ops!`](crate::ops!) can name in front of the operators.
#[allow(non_upper_case_globals, missing_docs)]
pub mod linkable {
    use super::{Arithmetic, DataType, numbers};
    pub const Float: u32 = numbers(&[DataType::F32], &[Arithmetic::Float]);
    pub const Tflite: u32 = numbers(&[], &[Arithmetic::Tflite]);
    pub const Onnx: u32 = numbers(&[], &[Arithmetic::Onnx]);
    pub const Int16: u32 = numbers(&[DataType::I16], &[]);
    pub const WholeBytes: u32 = super::NO_HALVES;
    pub const Packed: u32 = super::PACKED;
}

/// The set that [`ops!`](crate::ops!) makes of what is [`linkable`]; integers of 8 and 32 bits are in it.
pub const fn linked_numbers(sets: &[u32]) -> u32 {
    let (mut set, mut sets) = (numbers(&[DataType::I8, DataType::I32], &[]) | FORMS, sets);
    while let [first, rest @ ..] = sets {
        set |= *first;
        sets = rest;
    }
    if set & NO_HALVES != 0 { set & !(HALVES | NO_HALVES) } else { set }
}

#[inline(always)]
const fn type_bit(data_type: DataType) -> u32 {
    1 << data_type.code()
}

/// Whether the set has this type.
#[inline(always)]
pub(crate) const fn links_type(numbers: u32, data_type: DataType) -> bool {
    numbers & type_bit(data_type) != 0
}

/// Whether the set has what is added to sets.
pub(crate) const fn links_form(numbers: u32, form: u32) -> bool {
    numbers & form != 0
}

/// Whether the oracle's loops are linked for what has a packed form.
pub(crate) const fn links_oracle(numbers: u32) -> bool {
    numbers & PACKED == 0 || !Backend::PACKS
}

/// Whether the set has this type and no other.
#[inline(always)]
pub(crate) const fn links_only(numbers: u32, data_type: DataType) -> bool {
    numbers & 0xff == type_bit(data_type)
}

/// Whether the set has this arithmetic.
#[inline(always)]
pub(crate) const fn links(numbers: u32, arithmetic: Arithmetic) -> bool {
    numbers & (0x100 << arithmetic.code()) != 0
}

/// The arithmetic where there is no choice.
#[inline(always)]
pub(crate) const fn only_arithmetic(numbers: u32) -> Option<Arithmetic> {
    let float = links(numbers, Arithmetic::Float);
    match (links(numbers, Arithmetic::Tflite), links(numbers, Arithmetic::Onnx), float) {
        (true, false, false) => Some(Arithmetic::Tflite),
        (false, true, false) => Some(Arithmetic::Onnx),
        (false, false, true) => Some(Arithmetic::Float),
        _ => None,
    }
}

/// An op of a parsed artifact.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parsed<'a, const NUMBERS: u32> {
    op: Op<'a>,
    /// Its first input and output, read once where programs may be larger for it.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    first: [Tensor; 2],
}

impl<'a, const NUMBERS: u32> Parsed<'a, NUMBERS> {
    #[inline(always)]
    pub fn new(op: Op<'a>) -> Self {
        Self {
            op,
            #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
            first: [op.input(0), op.output(0)],
        }
    }
}

impl<const NUMBERS: u32> Source for Parsed<'_, NUMBERS> {
    const NUMBERS: u32 = NUMBERS;
    const PACKS: bool = Backend::PACKS;
    // Where nothing can be packed. Elsewhere what is not packed is the oracle, to compare with. A page downloads the
    // program: there the oracle's loops are chosen for being shorter.
    const DIRECT: bool = !Backend::PACKS && !cfg!(target_arch = "wasm32");

    fn arithmetic(&self) -> Arithmetic {
        self.op.artifact().arithmetic()
    }

    fn attributes(&self) -> &[u8] {
        self.op.attributes()
    }

    fn walks_down(&self) -> bool {
        self.op.walk_down
    }

    fn input_count(&self) -> usize {
        self.op.input_count
    }

    fn input(&self, position: usize) -> Tensor {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        if position == 0 {
            return self.first[0];
        }
        self.op.input(position)
    }

    fn output(&self, position: usize) -> Tensor {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        if position == 0 {
            return self.first[1];
        }
        self.op.output(position)
    }
}

/// An op whose records are constants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compiled<const NUMBERS: u32>(pub &'static Step);

impl<const NUMBERS: u32> Source for Compiled<NUMBERS> {
    const NUMBERS: u32 = NUMBERS;
    const PACKS: bool = false;
    const DIRECT: bool = true;

    fn arithmetic(&self) -> Arithmetic {
        only_arithmetic(NUMBERS).unwrap_or(Arithmetic::Float)
    }

    fn attributes(&self) -> &[u8] {
        self.0.attributes
    }

    fn walks_down(&self) -> bool {
        self.0.walk_down
    }

    fn input_count(&self) -> usize {
        self.0.inputs
    }

    fn input(&self, position: usize) -> Tensor {
        self.0.operands.get(position).map_or(Tensor::NONE, |&&tensor| tensor)
    }

    fn output(&self, position: usize) -> Tensor {
        self.input(self.0.inputs.saturating_add(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_numbers() {
        let set = linked_numbers(&[linkable::Onnx]);
        assert!(links(set, Arithmetic::Onnx) && !links(set, Arithmetic::Tflite));
        assert!(links_type(set, DataType::I8) && links_type(set, DataType::I32) && !links_type(set, DataType::F32));
        assert_eq!(only_arithmetic(set), Some(Arithmetic::Onnx));
        assert_eq!(only_arithmetic(EVERY_NUMBER), None);
        assert_eq!(only_arithmetic(linked_numbers(&[linkable::Onnx, linkable::Float])), None);
        let most = [linkable::Packed, linkable::Float, linkable::Tflite, linkable::Onnx];
        assert_eq!(linked_numbers(&most), DOWNLOADED);
        assert_eq!(linked_numbers(&most) | linkable::Int16, EVERY_NUMBER | PACKED);
        let floats = numbers(&[DataType::F32], &[Arithmetic::Float]);
        assert!(links_only(floats, DataType::F32) && !links_only(floats, DataType::I8));
        assert!(!links_only(EVERY_NUMBER, DataType::F32));
    }
}
