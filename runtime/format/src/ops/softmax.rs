//! Attributes and rules of [`Opcode::Softmax`](crate::Opcode::Softmax) and
//! [`Opcode::LogSoftmax`](crate::Opcode::LogSoftmax).

use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::real;
use crate::{DataType, LoadError, Op};

record! {
    /// 8 bytes, for 8-bit tensors. The output has scale 1/256 and zero point -128, of the logarithm 1/16 and 127.
    pub struct IntegerSoftmax {
        /// Q31 multiplier of `input scale * beta * 2^26`.
        pub multiplier: u32,
        /// Its left shift, 0 to 30.
        pub shift: i8,
        /// Zero.
        pub reserved: [u8; 3],
    }
}

/// Entries of the tables of the 16-bit softmax: one for each value of the input's highest nine bits, and one more.
pub const WIDE_TABLE_ENTRIES: usize = 513;

record! {
    /// 16 bytes, for 16-bit tensors. The output has scale 1/32768 and zero point 0.
    pub struct WideSoftmax {
        /// Q31 multiplier of `input scale * beta * 65535 / 10`.
        pub multiplier: u32,
        /// Its shift.
        pub shift: i8,
        /// Zero.
        pub reserved: [u8; 3],
        /// Byte offset of [`WIDE_TABLE_ENTRIES`] `i16`: exponentials.
        pub exponentials: u32,
        /// Byte offset of [`WIDE_TABLE_ENTRIES`] `i16`: reciprocals.
        pub reciprocals: u32,
    }
}

record! {
    /// 4 bytes, for float tensors.
    pub struct FloatSoftmax {
        /// Factor on the logits before the exponential: the inverse temperature.
        pub beta: f32,
    }
}

/// Most elements of the softmax axis for 8-bit tensors: the sum of exponentials keeps 12 integer bits.
const MAX_INTEGER_CLASSES: usize = 4095;

/// The same for 16-bit tensors: the sum of exponentials of 15 bits has 31.
const MAX_WIDE_CLASSES: usize = 65535;

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    check_types(op, &[DataType::I8, DataType::I16, DataType::F32])
}

pub(crate) fn check_logarithm(op: &Op<'_>) -> Result<Cost, LoadError> {
    check_types(op, &[DataType::I8, DataType::F32])
}

fn check_types(op: &Op<'_>, types: &[DataType]) -> Result<Cost, LoadError> {
    op.check_operands(1, 1)?;
    let data_type = op.check_type(&op.input(0), types)?;
    op.check_type(&op.output(0), &[data_type])?;
    let shape = op.input(0).shape;
    ensure(shape.rank() > 0, LoadError::OperandRank { op: op.index })?;
    ensure(shape == op.output(0).shape, op.shape_error())?;
    if data_type.is_real() {
        let attributes: FloatSoftmax = op.read_attributes()?;
        ensure(real::is_finite(attributes.beta), LoadError::FloatParameter { op: op.index })?;
    } else if data_type.is_wide() {
        let attributes: WideSoftmax = op.read_attributes()?;
        op.check_reserved(&attributes.reserved)?;
        ensure(shape.innermost() <= MAX_WIDE_CLASSES, LoadError::SoftmaxParameters { op: op.index })?;
        op.check_multiplier(attributes.multiplier, 0)?;
        op.check_shift(attributes.shift, 0)?;
        for table in [attributes.exponentials, attributes.reciprocals] {
            op.check_constant(table, WIDE_TABLE_ENTRIES.checked_mul(2))?;
        }
    } else {
        let attributes: IntegerSoftmax = op.read_attributes()?;
        op.check_reserved(&attributes.reserved)?;
        let parameters = (1 << 30..1 << 31).contains(&attributes.multiplier)
            && (0..=30).contains(&attributes.shift)
            && shape.innermost() <= MAX_INTEGER_CLASSES;
        ensure(parameters, LoadError::SoftmaxParameters { op: op.index })?;
    }
    Ok(Cost::work(&[shape.elements(), 3]))
}
