//! Where an evaluation finds its op, and which numbers it is compiled for.
//!
//! One evaluation serves both ways to run: a session decodes ops from a parsed artifact, a compiled model has them as
//! constants. What is not linked is no code: evaluations ask [`Context::is`](super::Context::is) for the type, which the
//! compiler decides where it can.

use crate::compiled::Step;
use crate::kernels::dispatch::Backend;
use bantam_format::{Arithmetic, DataType, Op, Tensor};

/// An op as evaluations see it.
pub(crate) trait Source: Copy {
    /// The data types and arithmetics linked, as [`numbers`] packs them.
    const NUMBERS: u16;
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

/// A set of data types and arithmetics: a bit for each code.
pub const fn numbers(data_types: &[DataType], arithmetics: &[Arithmetic]) -> u16 {
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

/// Added to a set where ops that work in place may find their input elsewhere, and have to move it.
pub const MOVES: u16 = 0x4000;
/// Added to a set where depthwise convolutions may overwrite their input channel by channel.
pub const OVERWRITES: u16 = 0x8000;

/// Added to a set where the lines of depthwise convolutions may be too long to be set aside.
pub const LONG_LINES: u16 = 0x2000;

/// Added to a set where no weights have 4 bits.
pub const WHOLE_BYTES: u16 = 0x1000;

/// Added to a set where sessions pack: what has a packed form is not linked in any other where the target has instructions
/// for it.
pub const PACKED: u16 = 0x0800;

/// All of them.
pub(crate) const EVERY_NUMBER: u16 = numbers(DataType::ALL, Arithmetic::ALL) | MOVES | OVERWRITES | LONG_LINES;

/// All but 16-bit integers, for sessions that pack.
pub(crate) const DOWNLOADED: u16 = EVERY_NUMBER & !type_bit(DataType::I16) | PACKED;

/// What [`ops!`](crate::ops!) can name in front of the operators.
#[allow(non_upper_case_globals, missing_docs)]
pub mod linkable {
    use super::{Arithmetic, DataType, numbers};
    pub const Float: u16 = numbers(&[DataType::F32], &[Arithmetic::Float]);
    pub const Tflite: u16 = numbers(&[], &[Arithmetic::Tflite]);
    pub const Onnx: u16 = numbers(&[], &[Arithmetic::Onnx]);
    pub const Int16: u16 = numbers(&[DataType::I16], &[]);
    pub const WholeBytes: u16 = super::WHOLE_BYTES;
    pub const Packed: u16 = super::PACKED;
}

/// The set that [`ops!`](crate::ops!) makes of what is [`linkable`]; integers of 8 and 32 bits are in it.
pub const fn linked_numbers(sets: &[u16]) -> u16 {
    let (mut set, mut sets) = (numbers(&[DataType::I8, DataType::I32], &[]) | MOVES | OVERWRITES | LONG_LINES, sets);
    while let [first, rest @ ..] = sets {
        set |= *first;
        sets = rest;
    }
    set
}

#[inline(always)]
const fn type_bit(data_type: DataType) -> u16 {
    1 << data_type.code()
}

/// Whether the set has this type.
#[inline(always)]
pub(crate) const fn links_type(numbers: u16, data_type: DataType) -> bool {
    numbers & type_bit(data_type) != 0
}

/// Whether ops that work in place may have to move their input.
pub(crate) const fn links_moves(numbers: u16) -> bool {
    numbers & MOVES != 0
}

/// Whether depthwise convolutions may overwrite their input channel by channel.
pub(crate) const fn links_overwrites(numbers: u16) -> bool {
    numbers & OVERWRITES != 0
}

/// Whether the lines of depthwise convolutions may be too long to be set aside.
pub(crate) const fn links_long_lines(numbers: u16) -> bool {
    numbers & LONG_LINES != 0
}

/// Whether weights may have 4 bits.
pub(crate) const fn links_halves(numbers: u16) -> bool {
    numbers & WHOLE_BYTES == 0
}

/// Whether the oracle's loops are linked for what has a packed form.
pub(crate) const fn links_oracle(numbers: u16) -> bool {
    numbers & PACKED == 0 || !Backend::PACKS
}

/// Whether the set has this type and no other.
#[inline(always)]
pub(crate) const fn links_only(numbers: u16, data_type: DataType) -> bool {
    numbers & 0xff == type_bit(data_type)
}

/// Whether the set has this arithmetic.
#[inline(always)]
pub(crate) const fn links(numbers: u16, arithmetic: Arithmetic) -> bool {
    numbers & (0x100 << arithmetic.code()) != 0
}

/// The arithmetic where there is no choice.
#[inline(always)]
pub(crate) const fn only_arithmetic(numbers: u16) -> Option<Arithmetic> {
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
pub(crate) struct Parsed<'a, const NUMBERS: u16>(pub Op<'a>);

impl<const NUMBERS: u16> Source for Parsed<'_, NUMBERS> {
    const NUMBERS: u16 = NUMBERS;
    const PACKS: bool = Backend::PACKS;
    // Where nothing can be packed. Elsewhere what is not packed is the oracle, to compare with. A page downloads the
    // program: there the oracle's loops are chosen for being shorter.
    const DIRECT: bool = !Backend::PACKS && !cfg!(target_arch = "wasm32");

    fn arithmetic(&self) -> Arithmetic {
        self.0.artifact().arithmetic()
    }

    fn attributes(&self) -> &[u8] {
        self.0.attributes()
    }

    fn walks_down(&self) -> bool {
        self.0.walk_down
    }

    fn input_count(&self) -> usize {
        self.0.input_count
    }

    fn input(&self, position: usize) -> Tensor {
        self.0.input(position)
    }

    fn output(&self, position: usize) -> Tensor {
        self.0.output(position)
    }
}

/// An op whose records are constants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compiled<const NUMBERS: u16>(pub &'static Step);

impl<const NUMBERS: u16> Source for Compiled<NUMBERS> {
    const NUMBERS: u16 = NUMBERS;
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
