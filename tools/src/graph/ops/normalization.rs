//! Normalization over trailing axes.

use super::{Facts, ShapeError, check_axis, one};
use crate::tensor::DataType;

/// Operands x, and optionally a scale and an offset of the shape of the last `axes` axes. Over these axes together:
/// (x - mean) / sqrt(variance + epsilon) * scale + offset.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalize {
    /// The number of last axes that are normalised together, at least 1.
    pub axes: usize,
    /// Whether the mean is taken as 0.
    pub root_mean_square: bool,
    /// What keeps the division finite, at least 0.
    pub epsilon: f32,
}

impl Normalize {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let [operand, parameters @ ..] = operands else {
            return Err(ShapeError::OperandCount { expected: "one or three", got: 0 });
        };
        operand.expect_type("the operand", DataType::F32)?;
        let rank = operand.shape.len();
        let first = rank.checked_sub(self.axes).filter(|_| self.axes > 0);
        let first = first.ok_or(ShapeError::Axis { axis: self.axes, rank })?;
        match parameters {
            [] => {}
            [scale, offset] => {
                for (name, facts) in [("the scale", scale), ("the offset", offset)] {
                    facts.expect_type(name, DataType::F32)?;
                    facts.expect_shape(name, &operand.shape[first..])?;
                }
            }
            _ => return Err(ShapeError::OperandCount { expected: "one or three", got: operands.len() }),
        }
        Ok(operand.clone())
    }
}

/// x / max(√(Σ x²), 1e-6) along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L2Normalize {
    /// The axis.
    pub axis: usize,
}

impl L2Normalize {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        along_axis(self.axis, operands)
    }
}

/// One f32 operand, and a result of its shape, where the axis exists.
pub(super) fn along_axis(axis: usize, operands: &[Facts]) -> Result<Facts, ShapeError> {
    let operand = one(operands)?;
    operand.expect_type("the operand", DataType::F32)?;
    check_axis(axis, operand.shape.len())?;
    Ok(operand.clone())
}
