//! Attributes and rules of [`Opcode::Binary`](crate::Opcode::Binary).

use crate::bytes::{coded, record};
use crate::check::{Cost, ensure};
use crate::{Arithmetic, DataType, LoadError, Op};

coded! {
    /// What is computed of the two elements.
    pub enum BinaryKind: u8 {
        /// The sum.
        Add = 0,
        /// The first minus the second.
        Sub = 1,
        /// The product.
        Mul = 2,
    }
}

record! {
    /// 24 bytes, for 8-bit operands. `multipliers` and `shifts` belong to the first input, the second input and the
    /// output; under `onnx` the multipliers are f32 bits, the shifts zero. Products use only the output's.
    pub struct IntegerBinary {
        /// Code of [`BinaryKind`].
        pub kind: u8,
        /// Zero point of the first input.
        pub first_zero_point: i8,
        /// Zero point of the second input.
        pub second_zero_point: i8,
        /// Zero point of the output.
        pub output_zero_point: i8,
        /// Smallest output.
        pub clamp_min: i8,
        /// Largest output.
        pub clamp_max: i8,
        /// Shift of the first input's multiplier.
        pub first_shift: i8,
        /// Shift of the second input's multiplier.
        pub second_shift: i8,
        /// Shift of the output's multiplier.
        pub output_shift: i8,
        /// Zero.
        pub reserved: [u8; 3],
        /// Multiplier of the first input.
        pub first_multiplier: u32,
        /// Multiplier of the second input.
        pub second_multiplier: u32,
        /// Multiplier of the output.
        pub output_multiplier: u32,
    }
}

record! {
    /// 12 bytes, for float operands.
    pub struct FloatBinary {
        /// Code of [`BinaryKind`].
        pub kind: u8,
        /// Zero.
        pub reserved: [u8; 3],
        /// Smallest output.
        pub clamp_min: f32,
        /// Largest output.
        pub clamp_max: f32,
    }
}

/// The kind, and the rules for operands: the first input has the output's shape, the second one's dimensions are the
/// last dimensions of it (or a single element) and repeat.
fn check_operands(op: &Op<'_>, kind: u8, data_type: DataType) -> Result<BinaryKind, LoadError> {
    let kind = BinaryKind::from_code(kind).ok_or(LoadError::OperatorKind { op: op.index, code: kind })?;
    let (first, second, output) = (op.input(0), op.input(1), op.output(0));
    op.check_type(&second, &[data_type])?;
    op.check_type(&output, &[data_type])?;
    let broadcast = second.shape.elements() == 1 || first.shape.dimensions().ends_with(second.shape.dimensions());
    ensure(first.shape == output.shape && broadcast, op.shape_error())?;
    Ok(kind)
}

fn check_integer(op: &Op<'_>) -> Result<(), LoadError> {
    let attributes: IntegerBinary = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    let kind = check_operands(op, attributes.kind, DataType::I8)?;
    op.check_clamp(attributes.clamp_min, attributes.clamp_max)?;
    let scaled = [
        (attributes.first_multiplier, attributes.first_shift, kind != BinaryKind::Mul),
        (attributes.second_multiplier, attributes.second_shift, kind != BinaryKind::Mul),
        (
            attributes.output_multiplier,
            attributes.output_shift,
            kind == BinaryKind::Mul || op.artifact.arithmetic() == Arithmetic::Tflite,
        ),
    ];
    for (channel, (multiplier, shift, used)) in (0u32..).zip(scaled) {
        if !used {
            op.check_reserved(&multiplier.to_le_bytes())?;
            op.check_reserved(&shift.to_le_bytes())?;
            continue;
        }
        op.check_multiplier(multiplier, channel)?;
        match op.artifact.arithmetic() {
            Arithmetic::Tflite => op.check_shift(shift, channel)?,
            _ => op.check_reserved(&shift.to_le_bytes())?,
        }
    }
    Ok(())
}

fn check_float(op: &Op<'_>) -> Result<(), LoadError> {
    let attributes: FloatBinary = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    check_operands(op, attributes.kind, DataType::F32)?;
    op.check_clamp(attributes.clamp_min, attributes.clamp_max)
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    op.check_operands(2, 1)?;
    match op.check_type(&op.input(0), &[DataType::I8, DataType::F32])? {
        DataType::F32 => check_float(op)?,
        _ => check_integer(op)?,
    }
    Ok(Cost::work(&[op.output(0).shape.elements()]))
}
