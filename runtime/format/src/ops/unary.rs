//! Attributes and rules of [`Opcode::Unary`](crate::Opcode::Unary).

use super::table::check_elementwise;
use crate::bytes::{coded, record};
use crate::check::{Cost, ensure};
use crate::{DataType, LoadError, Op};

coded! {
    /// Elementwise float functions of x; p and q are the parameters. Formulas in SPEC.md.
    pub enum UnaryKind: u8 {
        /// `1 / (1 + exp(-x))`.
        Sigmoid = 0,
        /// Hyperbolic tangent.
        Tanh = 1,
        /// `x >= 0 ? x : p x`.
        LeakyRelu = 2,
        /// `x >= 0 ? x : p (exp(x) - 1)`.
        Elu = 3,
        /// `min(1, max(0, p x + q))`.
        HardSigmoid = 4,
        /// `x min(1, max(0, p x + q))`.
        HardSwish = 5,
        /// `log(1 + exp(x))`.
        Softplus = 6,
        /// `exp(x)`.
        Exp = 7,
        /// Natural logarithm.
        Log = 8,
        /// Square root.
        Sqrt = 9,
        /// `-x`.
        Neg = 10,
        /// Absolute value.
        Abs = 11,
        /// The error function.
        Erf = 12,
        /// `x / (1 + exp(-x))`.
        Silu = 13,
        /// `x / 2 (1 + erf(x / sqrt 2))`.
        Gelu = 14,
        /// `1 / x`.
        Reciprocal = 15,
        /// `x / (1 + |x|)`.
        Softsign = 16,
        /// `x tanh(log(1 + exp(x)))`.
        Mish = 17,
        /// The hyperbolic approximation of Gelu.
        GeluTanh = 18,
        /// The largest integer not above x.
        Floor = 19,
        /// The smallest integer not below x.
        Ceil = 20,
        /// The nearest integer, ties to even.
        Round = 21,
        /// `x > 0 ? q x : q p (exp(x) - 1)`.
        Selu = 22,
        /// `x > 0 ? x : p (exp(x / p) - 1)`.
        Celu = 23,
        /// `x > p ? x : 0`.
        ThresholdedRelu = 24,
        /// Sine of radians.
        Sin = 25,
        /// Cosine of radians.
        Cos = 26,
        /// -1, 0 or 1.
        Sign = 27,
        /// Tangent of radians.
        Tan = 28,
        /// Inverse sine, in radians.
        Asin = 29,
        /// Inverse cosine, in radians.
        Acos = 30,
        /// Inverse tangent, in radians.
        Atan = 31,
        /// Hyperbolic sine.
        Sinh = 32,
        /// Hyperbolic cosine.
        Cosh = 33,
        /// Inverse hyperbolic sine.
        Asinh = 34,
        /// Inverse hyperbolic cosine.
        Acosh = 35,
        /// Inverse hyperbolic tangent.
        Atanh = 36,
    }
}

record! {
    /// 12 bytes.
    pub struct Unary {
        /// Code of [`UnaryKind`].
        pub kind: u8,
        /// Zero.
        pub reserved: [u8; 3],
        /// First parameter, zero where the kind has none.
        pub p: f32,
        /// Second parameter, zero where the kind has none.
        pub q: f32,
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Unary = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    op.check_operands(1, 1)?;
    ensure(
        UnaryKind::from_code(attributes.kind).is_some(),
        LoadError::OperatorKind { op: op.index, code: u32::from(attributes.kind) },
    )?;
    ensure(!attributes.p.is_nan() && !attributes.q.is_nan(), LoadError::FloatParameter { op: op.index })?;
    check_elementwise(op, DataType::F32)
}
