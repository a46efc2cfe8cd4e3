//! Operators that move elements without computing.

use super::{Facts, ShapeError, check_axis, one};
use crate::tensor::{DataType, TensorError, element_count, is_permutation};

/// Same elements, another shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// The new dimensions.
    pub shape: Vec<usize>,
}

impl Reshape {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let operand = one(operands)?;
        let (expected, got) = (element_count(&self.shape)?, element_count(&operand.shape)?);
        if expected != got {
            return Err(TensorError::Length { shape: self.shape.clone(), expected, got }.into());
        }
        Facts::new(self.shape.clone(), operand.dtype)
    }
}

/// Reorders axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transpose {
    /// Axis `i` of the result is axis `permutation[i]` of the operand.
    pub permutation: Vec<usize>,
}

impl Transpose {
    /// NCHW to NHWC.
    pub const TO_CHANNELS_LAST: [usize; 4] = [0, 2, 3, 1];
    /// NHWC to NCHW.
    pub const TO_CHANNELS_FIRST: [usize; 4] = [0, 3, 1, 2];

    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let operand = one(operands)?;
        if !is_permutation(&self.permutation, operand.shape.len()) {
            return Err(
                TensorError::Permutation { permutation: self.permutation.clone(), rank: operand.shape.len() }.into()
            );
        }
        let shape = self.permutation.iter().map(|&axis| operand.shape[axis]).collect();
        Facts::new(shape, operand.dtype)
    }
}

/// Joins operands of equal type along one axis; all other dimensions agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concat {
    /// The axis.
    pub axis: usize,
}

impl Concat {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let Some((first, rest)) = operands.split_first() else {
            return Err(ShapeError::OperandCount { expected: "one or more", got: 0 });
        };
        check_axis(self.axis, first.shape.len())?;
        let mut shape = first.shape.clone();
        for operand in rest {
            operand.expect_type("every operand", first.dtype)?;
            check_axis(self.axis, operand.shape.len())?;
            let mut expected = first.shape.clone();
            expected[self.axis] = operand.shape[self.axis];
            operand.expect_shape("every operand", &expected)?;
            shape[self.axis] = shape[self.axis].saturating_add(operand.shape[self.axis]);
        }
        Facts::new(shape, first.dtype)
    }
}

/// Surrounds an f32 tensor with a constant.
#[derive(Clone, Debug, PartialEq)]
pub struct Pad {
    /// Elements before, per axis.
    pub before: Vec<usize>,
    /// Elements after, per axis.
    pub after: Vec<usize>,
    /// What is put there.
    pub value: f32,
}

impl Pad {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let operand = one(operands)?;
        operand.expect_type("the operand", DataType::F32)?;
        let rank = operand.shape.len();
        if self.before.len() != rank || self.after.len() != rank {
            return Err(ShapeError::Attribute {
                attribute: "padding",
                got: format!("{:?} and {:?}", self.before, self.after),
                expected: "which must have a number per axis",
            });
        }
        let shape = (0..rank)
            .map(|axis| operand.shape[axis].saturating_add(self.before[axis]).saturating_add(self.after[axis]))
            .collect();
        Facts::new(shape, DataType::F32)
    }
}

/// Positions taken along one axis: `count` of them from `start`, `step` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceRange {
    /// The first position.
    pub start: usize,
    /// The number of positions.
    pub count: usize,
    /// The distance between positions, at least 1.
    pub step: usize,
}

/// A regular part of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The positions taken, per axis.
    pub ranges: Vec<SliceRange>,
}

impl Slice {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let operand = one(operands)?;
        let fits = |(range, &size): (&SliceRange, &usize)| {
            let last = range.count.checked_sub(1).and_then(|last| last.checked_mul(range.step));
            let end = last.and_then(|last| last.checked_add(range.start));
            range.step > 0 && (range.count == 0 || end.is_some_and(|end| end < size))
        };
        if self.ranges.len() != operand.shape.len() || !self.ranges.iter().zip(&operand.shape).all(fits) {
            return Err(ShapeError::Attribute {
                attribute: "ranges",
                got: format!("{:?}", self.ranges),
                expected: "which must lie inside the operand, one per axis",
            });
        }
        Facts::new(self.ranges.iter().map(|range| range.count).collect(), operand.dtype)
    }
}

/// Takes slices of the first operand along `axis` at the i64 positions of the second; negative
/// positions count from the end. Result: the operand's shape with that axis replaced by the shape
/// of the positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gather {
    /// The axis.
    pub axis: usize,
}

impl Gather {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let [data, positions] = operands else {
            return Err(ShapeError::OperandCount { expected: "two", got: operands.len() });
        };
        positions.expect_type("the positions", DataType::I64)?;
        check_axis(self.axis, data.shape.len())?;
        let shape =
            [&data.shape[..self.axis], &positions.shape, data.shape.get(self.axis + 1..).unwrap_or_default()].concat();
        Facts::new(shape, data.dtype)
    }
}
