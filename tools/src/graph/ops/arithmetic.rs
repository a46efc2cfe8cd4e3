//! Elementwise operators.

use super::{Facts, ShapeError};
use crate::graph::Activation;
use crate::tensor::DataType;

/// An operation on two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BinaryKind {
    /// a + b.
    Add,
    /// a - b.
    Sub,
    /// a * b.
    Mul,
    /// a / b; integers are cut towards zero.
    Div,
    /// The smaller.
    Min,
    /// The larger.
    Max,
    /// a to the power b.
    Pow,
    /// a where it is at least 0, else a * b; not for integers.
    PRelu,
    /// (a - b) squared.
    SquaredDifference,
    /// What is left of a divided by b, with the sign of b.
    Modulo,
    /// What is left of a divided by b, with the sign of a.
    Remainder,
}

impl BinaryKind {
    /// The operation's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "Add",
            Self::Sub => "Sub",
            Self::Mul => "Mul",
            Self::Div => "Div",
            Self::Min => "Min",
            Self::Max => "Max",
            Self::Pow => "Pow",
            Self::PRelu => "PRelu",
            Self::SquaredDifference => "SquaredDifference",
            Self::Modulo => "Modulo",
            Self::Remainder => "Remainder",
        }
    }

    /// Whether the operands may be swapped.
    #[must_use]
    pub const fn is_commutative(self) -> bool {
        matches!(self, Self::Add | Self::Mul | Self::Min | Self::Max | Self::SquaredDifference)
    }
}

/// An operation on two broadcast tensors of one type. Dimensions are aligned at the last axis, and a dimension of 1
/// is repeated. Integers wrap. Truth values have `Min`, which is "and", and `Max`, which is "or".
#[derive(Clone, Debug, PartialEq)]
pub struct Binary {
    /// The operation.
    pub kind: BinaryKind,
    /// Clamp of the result; none for integers.
    pub activation: Activation,
}

impl Binary {
    /// The operation without a clamp.
    #[must_use]
    pub const fn new(kind: BinaryKind) -> Self {
        Self { kind, activation: Activation::NONE }
    }
}

/// A function of one f32. Rectifiers that are mere clamps are [`crate::graph::Op::Clip`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Unary {
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// x * clamp(x / 6 + 1/2, 0, 1).
    HardSwish,
    /// clamp(alpha * x + beta, 0, 1).
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The offset.
        beta: f32,
    },
    /// x where x >= 0, else alpha * (exp(x) - 1).
    Elu {
        /// The scale of the negative part.
        alpha: f32,
    },
    /// x where x >= 0, else alpha * x.
    LeakyRelu {
        /// The slope of the negative part.
        alpha: f32,
    },
    /// e to the power x.
    Exp,
    /// Natural logarithm.
    Log,
    /// Square root.
    Sqrt,
    /// 1 / square root of x.
    Rsqrt,
    /// 1 / x.
    Reciprocal,
    /// -x.
    Neg,
    /// |x|.
    Abs,
    /// Gauss error function.
    Erf,
    /// x * Φ(x), with the exact normal distribution function.
    Gelu,
    /// The tanh approximation of [`Unary::Gelu`].
    GeluTanh,
    /// ln(1 + exp(x)).
    Softplus,
    /// x / (1 + |x|).
    Softsign,
    /// x * sigmoid(x).
    Silu,
    /// x * tanh(softplus(x)).
    Mish,
    /// The largest integer not above x.
    Floor,
    /// The smallest integer not below x.
    Ceil,
    /// The nearest integer, halves to even.
    Round,
    /// -1, 0 or 1.
    Sign,
    /// Sine.
    Sin,
    /// Cosine.
    Cos,
    /// Tangent.
    Tan,
    /// Inverse sine.
    Asin,
    /// Inverse cosine.
    Acos,
    /// Inverse tangent.
    Atan,
    /// Hyperbolic sine.
    Sinh,
    /// Hyperbolic cosine.
    Cosh,
    /// Inverse hyperbolic sine.
    Asinh,
    /// Inverse hyperbolic cosine.
    Acosh,
    /// Inverse hyperbolic tangent.
    Atanh,
}

impl Unary {
    /// The function's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "Sigmoid",
            Self::Tanh => "Tanh",
            Self::HardSwish => "HardSwish",
            Self::HardSigmoid { .. } => "HardSigmoid",
            Self::Elu { .. } => "Elu",
            Self::LeakyRelu { .. } => "LeakyRelu",
            Self::Exp => "Exp",
            Self::Log => "Log",
            Self::Sqrt => "Sqrt",
            Self::Rsqrt => "Rsqrt",
            Self::Reciprocal => "Reciprocal",
            Self::Neg => "Neg",
            Self::Abs => "Abs",
            Self::Erf => "Erf",
            Self::Gelu => "Gelu",
            Self::GeluTanh => "GeluTanh",
            Self::Softplus => "Softplus",
            Self::Softsign => "Softsign",
            Self::Silu => "Silu",
            Self::Mish => "Mish",
            Self::Floor => "Floor",
            Self::Ceil => "Ceil",
            Self::Round => "Round",
            Self::Sign => "Sign",
            Self::Sin => "Sin",
            Self::Cos => "Cos",
            Self::Tan => "Tan",
            Self::Asin => "Asin",
            Self::Acos => "Acos",
            Self::Atan => "Atan",
            Self::Sinh => "Sinh",
            Self::Cosh => "Cosh",
            Self::Asinh => "Asinh",
            Self::Acosh => "Acosh",
            Self::Atanh => "Atanh",
        }
    }
}

/// The shape two shapes broadcast to.
///
/// # Errors
/// [`ShapeError::Broadcast`] if a pair of dimensions differs and neither is 1.
pub fn broadcast(left: &[usize], right: &[usize]) -> Result<Vec<usize>, ShapeError> {
    let rank = left.len().max(right.len());
    let at = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank)
        .map(|axis| match (at(left, axis), at(right, axis)) {
            (one, other) if one == other || other == 1 => Ok(one),
            (1, other) => Ok(other),
            _ => Err(ShapeError::Broadcast { left: left.to_vec(), right: right.to_vec() }),
        })
        .collect()
}

pub(in crate::graph) fn infer_binary(binary: &Binary, operands: &[Facts]) -> Result<Facts, ShapeError> {
    let [left, right] = operands else {
        return Err(ShapeError::OperandCount { expected: "two", got: operands.len() });
    };
    right.expect_type("the right operand", left.dtype)?;
    let orders = matches!(binary.kind, BinaryKind::Min | BinaryKind::Max);
    if (left.dtype == DataType::Bool && !orders) || (left.dtype != DataType::F32 && !binary.activation.is_none()) {
        left.expect_type("the left operand", DataType::F32)?;
    }
    Facts::new(broadcast(&left.shape, &right.shape)?, left.dtype)
}

/// Shape rule of x * scale + offset with both of shape `[c]`, the activation's last dimension.
pub(in crate::graph) fn infer_batch_norm(operands: &[Facts]) -> Result<Facts, ShapeError> {
    let [activation, scale, offset] = operands else {
        return Err(ShapeError::OperandCount { expected: "three", got: operands.len() });
    };
    let Some(&channels) = activation.shape.last() else {
        return Err(ShapeError::Rank { operand: "the activation", expected: 1, got: activation.shape.clone() });
    };
    for (operand, facts) in [("the scale", scale), ("the offset", offset)] {
        facts.expect_type(operand, DataType::F32)?;
        facts.expect_shape(operand, &[channels])?;
    }
    activation.expect_type("the activation", DataType::F32)?;
    Ok(activation.clone())
}
