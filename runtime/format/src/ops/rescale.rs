//! Attributes and rules of [`Opcode::Rescale`](crate::Opcode::Rescale).

use crate::bytes::{coded, record};
use crate::check::{Cost, ensure};
use crate::{Arithmetic, DataType, LoadError, Op, Tensor};

coded! {
    /// What is negated of inputs below the zero point.
    pub enum Negation: u8 {
        /// Nothing.
        None = 0,
        /// The input, before it is multiplied.
        Operand = 1,
        /// The product.
        Result = 2,
    }
}

record! {
    /// 28 bytes. Integers of one type become integers of another, or of another scale. Inputs from the zero point on have
    /// the first multiplier, those below it the second.
    pub struct Rescale {
        /// Zero point of the input.
        pub input_zero_point: i32,
        /// Zero point of the output.
        pub output_zero_point: i32,
        /// Smallest output.
        pub clamp_min: i32,
        /// Largest output.
        pub clamp_max: i32,
        /// Q31 multiplier of inputs from the zero point on.
        pub first_multiplier: u32,
        /// Q31 multiplier of inputs below the zero point.
        pub second_multiplier: u32,
        /// Shift of the first multiplier.
        pub first_shift: i8,
        /// Shift of the second multiplier.
        pub second_shift: i8,
        /// Code of [`Negation`].
        pub negation: u8,
        /// Zero.
        pub reserved: u8,
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Rescale = op.read_attributes()?;
    op.check_reserved(&[attributes.reserved])?;
    let unknown = LoadError::OperatorKind { op: op.index, code: u32::from(attributes.negation) };
    ensure(Negation::from_code(attributes.negation).is_some(), unknown)?;
    op.check_operands(1, 1)?;
    ensure(op.artifact.arithmetic() == Arithmetic::Tflite, LoadError::ArithmeticMissing { op: op.index })?;
    let (input, output) = (op.input(0), op.output(0));
    let holds =
        |tensor: &Tensor, number: i32| match op.check_type(tensor, &[DataType::I8, DataType::I16, DataType::I32])? {
            DataType::I8 => Ok(i8::try_from(number).is_ok()),
            DataType::I16 => Ok(i16::try_from(number).is_ok()),
            _ => Ok(true),
        };
    let zero_points = holds(&input, attributes.input_zero_point)? && holds(&output, attributes.output_zero_point)?;
    ensure(zero_points, LoadError::ZeroPoint { op: op.index })?;
    let bounds = [attributes.clamp_min, attributes.clamp_max];
    for bound in bounds {
        ensure(holds(&output, bound)?, LoadError::Clamp { op: op.index })?;
    }
    op.check_clamp(attributes.clamp_min, attributes.clamp_max)?;
    let multipliers = [
        (attributes.first_multiplier, attributes.first_shift),
        (attributes.second_multiplier, attributes.second_shift),
    ];
    for (channel, (multiplier, shift)) in (0u32..).zip(multipliers) {
        op.check_multiplier(multiplier, channel)?;
        op.check_shift(shift, channel)?;
    }
    ensure(input.shape == output.shape, op.shape_error())?;
    Ok(Cost::work(&[output.shape.elements()]))
}
