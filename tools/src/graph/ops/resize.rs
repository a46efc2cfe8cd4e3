//! Interpolation between elements.

use super::{Facts, ShapeError, check_axis, one};
use crate::tensor::DataType;

/// Where one position of the result lies along an axis: between two of the operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tap {
    /// The one position.
    pub low: usize,
    /// The other.
    pub high: usize,
    /// Share of the other, 0 to 1.
    pub weight: f32,
}

impl Tap {
    /// The taps of an axis that keeps its elements.
    #[must_use]
    pub fn identity(size: usize) -> Vec<Self> {
        (0..size).map(|position| Self { low: position, high: position, weight: 0.0 }).collect()
    }
}

/// Linear interpolation of an f32 tensor along two neighbouring axes, with a tap per position of the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// The first of the two axes.
    pub first_axis: usize,
    /// The taps of the first axis.
    pub rows: Vec<Tap>,
    /// The taps of the second.
    pub columns: Vec<Tap>,
}

impl Resize {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let operand = one(operands)?;
        operand.expect_type("the operand", DataType::F32)?;
        check_axis(self.first_axis.saturating_add(1), operand.shape.len())?;
        let mut shape = operand.shape.clone();
        for (taps, axis) in [(&self.rows, self.first_axis), (&self.columns, self.first_axis + 1)] {
            let fits = |tap: &Tap| tap.low < shape[axis] && tap.high < shape[axis] && (0.0..=1.0).contains(&tap.weight);
            if !taps.iter().all(fits) {
                return Err(ShapeError::Attribute {
                    attribute: "taps",
                    got: format!("beyond axis {axis} of {}", shape[axis]),
                    expected: "which must lie inside the operand, with weights from 0 to 1",
                });
            }
            shape[axis] = taps.len();
        }
        Facts::new(shape, DataType::F32)
    }
}
