//! Attributes and rules of [`Opcode::Binary`](crate::Opcode::Binary).

use crate::bytes::{coded, record};
use crate::check::{Cost, ensure};
use crate::{Arithmetic, DataType, LoadError, Op, Tensor};

coded! {
    /// What is computed of the two elements.
    pub enum BinaryKind: u8 {
        /// The sum.
        Add = 0,
        /// The first minus the second.
        Sub = 1,
        /// The product.
        Mul = 2,
        /// The quotient.
        Div = 3,
        /// The smaller.
        Min = 4,
        /// The larger.
        Max = 5,
        /// The first to the power of the second.
        Pow = 6,
        /// The first, times the second where it is negative.
        PRelu = 7,
        /// 1 where both are equal, else 0.
        Equal = 8,
        /// 1 where the first is smaller, else 0.
        Less = 9,
        /// 1 where the first is smaller or equal, else 0.
        LessOrEqual = 10,
        /// 1 where the first is larger, else 0.
        Greater = 11,
        /// 1 where the first is larger or equal, else 0.
        GreaterOrEqual = 12,
        /// Bits set in both.
        And = 13,
        /// Bits set in either.
        Or = 14,
        /// Bits set in one.
        Xor = 15,
        /// What is left of the first divided by the second, with the sign of the first.
        Remainder = 16,
        /// The square of the difference.
        SquaredDifference = 17,
        /// As PRelu, in integers.
        IntegerPRelu = 18,
        /// As Equal, in integers.
        IntegerEqual = 19,
        /// As Less, in integers.
        IntegerLess = 20,
        /// As LessOrEqual, in integers.
        IntegerLessOrEqual = 21,
    }
}

impl BinaryKind {
    /// Whether the result is 0 or 1, as a 32-bit integer whatever the inputs are.
    pub const fn is_comparison(self) -> bool {
        matches!(self, Self::Equal | Self::Less | Self::LessOrEqual | Self::Greater | Self::GreaterOrEqual)
            || matches!(self, Self::IntegerEqual | Self::IntegerLess | Self::IntegerLessOrEqual)
    }

    /// Whether it works on bits: only 32-bit integers have it.
    pub const fn is_bitwise(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Xor)
    }

    /// Whether 8-bit operands are added or multiplied as integers, by the rules of the file's arithmetic; the other
    /// kinds compute with the real values that they stand for.
    pub const fn is_integer_arithmetic(self) -> bool {
        matches!(self, Self::Add | Self::Sub | Self::Mul) || self.is_tflite()
    }

    /// Whether it exists for 8-bit operands under the arithmetic `tflite` alone.
    pub const fn is_tflite(self) -> bool {
        matches!(self, Self::SquaredDifference | Self::IntegerPRelu)
            || matches!(self, Self::IntegerEqual | Self::IntegerLess | Self::IntegerLessOrEqual)
    }
}

record! {
    /// 24 bytes, for 8-bit operands. `multipliers` and `shifts` belong to the first input, the second input and the
    /// output; under `onnx` the multipliers are f32 bits, the shifts zero. Products use only the output's. Kinds other
    /// than sums and products have f32 multipliers in every arithmetic: the inputs' scales, 1 / the output's scale.
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
    /// 24 bytes, for 16-bit operands: as [`IntegerBinary`] without zero points.
    pub struct WideBinary {
        /// Code of [`BinaryKind`].
        pub kind: u8,
        /// Zero.
        pub reserved: u8,
        /// Smallest output.
        pub clamp_min: i16,
        /// Largest output.
        pub clamp_max: i16,
        /// Shift of the first input's multiplier.
        pub first_shift: i8,
        /// Shift of the second input's multiplier.
        pub second_shift: i8,
        /// Shift of the output's multiplier.
        pub output_shift: i8,
        /// Zero.
        pub reserved_b: [u8; 3],
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

record! {
    /// 4 bytes, for 32-bit integers.
    pub struct WordBinary {
        /// Code of [`BinaryKind`].
        pub kind: u8,
        /// Zero.
        pub reserved: [u8; 3],
    }
}

/// The kind, and the rules for operands: both inputs broadcast to the output's shape.
fn check_operands(op: &Op<'_>, kind: u8, data_type: DataType) -> Result<BinaryKind, LoadError> {
    let unknown = LoadError::OperatorKind { op: op.index, code: u32::from(kind) };
    let kind = BinaryKind::from_code(kind).ok_or(unknown)?;
    let exists = match data_type {
        DataType::I32 => !matches!(kind, BinaryKind::Pow | BinaryKind::PRelu) && !kind.is_tflite(),
        DataType::F32 => !kind.is_bitwise() && !kind.is_tflite(),
        _ => !kind.is_bitwise() && (!kind.is_tflite() || op.artifact.arithmetic() == Arithmetic::Tflite),
    };
    ensure(exists, unknown)?;
    let (first, second, output) = (op.input(0), op.input(1), op.output(0));
    op.check_type(&second, &[data_type])?;
    op.check_type(&output, &[if kind.is_comparison() { DataType::I32 } else { data_type }])?;
    let fits = |input: &Tensor| input.shape.broadcast(&output.shape).is_some();
    ensure(fits(&first) && fits(&second), op.shape_error())?;
    Ok(kind)
}

fn check_integer(op: &Op<'_>) -> Result<(), LoadError> {
    let attributes: IntegerBinary = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    let kind = check_operands(op, attributes.kind, DataType::I8)?;
    op.check_clamp(attributes.clamp_min, attributes.clamp_max)?;
    check_multipliers(op, kind, &attributes)
}

fn check_wide(op: &Op<'_>) -> Result<(), LoadError> {
    let attributes: WideBinary = op.read_attributes()?;
    op.check_reserved(&[attributes.reserved])?;
    op.check_reserved(&attributes.reserved_b)?;
    let kind = check_operands(op, attributes.kind, DataType::I16)?;
    op.check_clamp(attributes.clamp_min, attributes.clamp_max)?;
    // The multipliers stand where those of 8-bit operands do.
    check_multipliers(op, kind, &op.read_attributes()?)
}

fn check_multipliers(op: &Op<'_>, kind: BinaryKind, attributes: &IntegerBinary) -> Result<(), LoadError> {
    let product = kind == BinaryKind::Mul;
    let tflite = op.artifact.arithmetic() == Arithmetic::Tflite;
    let rescales = !kind.is_comparison() && (!kind.is_integer_arithmetic() || product || tflite);
    let scaled = [
        (attributes.first_multiplier, attributes.first_shift, !product),
        (attributes.second_multiplier, attributes.second_shift, !product && kind != BinaryKind::IntegerPRelu),
        (attributes.output_multiplier, attributes.output_shift, rescales),
    ];
    for (channel, (multiplier, shift, used)) in (0u32..).zip(scaled) {
        if !used {
            op.check_reserved(&multiplier.to_le_bytes())?;
            op.check_reserved(&shift.to_le_bytes())?;
        } else if !kind.is_integer_arithmetic() {
            op.check_real_multiplier(multiplier, channel)?;
            op.check_reserved(&shift.to_le_bytes())?;
        } else {
            op.check_multiplier(multiplier, channel)?;
            match op.artifact.arithmetic() {
                Arithmetic::Tflite => op.check_shift(shift, channel)?,
                _ => op.check_reserved(&shift.to_le_bytes())?,
            }
        }
    }
    Ok(())
}

fn check_float(op: &Op<'_>) -> Result<(), LoadError> {
    let attributes: FloatBinary = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    check_operands(op, attributes.kind, DataType::F32)?;
    op.check_real_clamp(attributes.clamp_min, attributes.clamp_max)
}

fn check_words(op: &Op<'_>) -> Result<(), LoadError> {
    let attributes: WordBinary = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    check_operands(op, attributes.kind, DataType::I32).map(drop)
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    op.check_any_operands(2..=2)?;
    match op.input(0).data_type {
        DataType::F32 => check_float(op)?,
        DataType::I32 => check_words(op)?,
        data_type if data_type.is_wide() => check_wide(op)?,
        _ => check_integer(op)?,
    }
    Ok(Cost::work(&[op.output(0).shape.elements()]))
}
