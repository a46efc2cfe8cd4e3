//! Operators that compare elements and choose between them.

use super::arithmetic::broadcast;
use super::{Facts, ShapeError, check_axis, one};
use crate::tensor::DataType;

/// A question about two numbers. Other comparisons swap the operands or negate the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compare {
    /// a == b.
    Equal,
    /// a < b.
    Less,
    /// a <= b.
    LessOrEqual,
}

impl Compare {
    /// The question's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "Equal",
            Self::Less => "Less",
            Self::LessOrEqual => "LessOrEqual",
        }
    }
}

/// Shape rule of a comparison of two broadcast tensors of one type; the result is of truth values.
pub(in crate::graph) fn infer_compare(operands: &[Facts]) -> Result<Facts, ShapeError> {
    let [left, right] = operands else {
        return Err(ShapeError::OperandCount { expected: "two", got: operands.len() });
    };
    right.expect_type("the right operand", left.dtype)?;
    Facts::new(broadcast(&left.shape, &right.shape)?, DataType::Bool)
}

/// Shape rule of the choice between two tensors of one type by truth values, all three broadcast.
pub(in crate::graph) fn infer_select(operands: &[Facts]) -> Result<Facts, ShapeError> {
    let [condition, yes, no] = operands else {
        return Err(ShapeError::OperandCount { expected: "three", got: operands.len() });
    };
    condition.expect_type("the condition", DataType::Bool)?;
    no.expect_type("the last operand", yes.dtype)?;
    let shape = broadcast(&yes.shape, &no.shape)?;
    Facts::new(broadcast(&condition.shape, &shape)?, yes.dtype)
}

/// Takes single elements of the first operand: along `axis` at the i64 positions of the second, on all other axes at
/// the position's own index. Negative positions count from the end. Result: the shape of the positions, which is at
/// most the operand's on every other axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatherElements {
    /// The axis.
    pub axis: usize,
}

impl GatherElements {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let [data, positions] = operands else {
            return Err(ShapeError::OperandCount { expected: "two", got: operands.len() });
        };
        positions.expect_type("the positions", DataType::I64)?;
        check_axis(self.axis, data.shape.len())?;
        let fits = |(axis, (&size, &taken)): (usize, (&usize, &usize))| axis == self.axis || taken <= size;
        if positions.shape.len() != data.shape.len() || !data.shape.iter().zip(&positions.shape).enumerate().all(fits) {
            return Err(ShapeError::Shape {
                operand: "the positions (at most, beside the axis)",
                expected: data.shape.clone(),
                got: positions.shape.clone(),
            });
        }
        Facts::new(positions.shape.clone(), data.dtype)
    }
}

/// Positions, as i64, of the largest or smallest `count` elements along one axis, best first; of equals, the first in
/// order comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopPositions {
    /// The axis.
    pub axis: usize,
    /// How many.
    pub count: usize,
    /// Whether the largest are taken; otherwise the smallest.
    pub largest: bool,
}

impl TopPositions {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let operand = one(operands)?;
        check_axis(self.axis, operand.shape.len())?;
        if self.count > operand.shape[self.axis] {
            return Err(ShapeError::Attribute {
                attribute: "count",
                got: self.count.to_string(),
                expected: "which must not exceed the size of the axis",
            });
        }
        let mut shape = operand.shape.clone();
        shape[self.axis] = self.count;
        Facts::new(shape, DataType::I64)
    }
}
