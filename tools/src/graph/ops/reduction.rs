//! Operators that combine the elements along axes.

use super::{Facts, ShapeError, check_axis, one};
use crate::tensor::DataType;

/// How elements are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReduceKind {
    /// Arithmetic mean.
    Mean,
    /// Sum.
    Sum,
    /// Largest.
    Max,
    /// Smallest.
    Min,
}

impl ReduceKind {
    /// The operator's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mean => "ReduceMean",
            Self::Sum => "ReduceSum",
            Self::Max => "ReduceMax",
            Self::Min => "ReduceMin",
        }
    }
}

/// Combines all elements along some axes. Global pooling of an NHWC activation is axes 1 and 2,
/// kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduce {
    /// How.
    pub kind: ReduceKind,
    /// The axes, ascending, each once.
    pub axes: Vec<usize>,
    /// Whether the axes stay, with size 1.
    pub keep_dims: bool,
}

impl Reduce {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let operand = one(operands)?;
        operand.expect_type("the operand", DataType::F32)?;
        let rank = operand.shape.len();
        for (position, &axis) in self.axes.iter().enumerate() {
            check_axis(axis, rank)?;
            if position > 0 && self.axes[position - 1] >= axis {
                return Err(ShapeError::Axis { axis, rank });
            }
            if operand.shape[axis] == 0 {
                return Err(ShapeError::Attribute {
                    attribute: "axes",
                    got: axis.to_string(),
                    expected: "but that axis has no elements",
                });
            }
        }
        let reduced = |axis: &usize| self.axes.binary_search(axis).is_ok();
        let shape = if self.keep_dims {
            let size = |axis| if reduced(&axis) { 1 } else { operand.shape[axis] };
            (0..rank).map(size).collect()
        } else {
            (0..rank).filter(|axis| !reduced(axis)).map(|axis| operand.shape[axis]).collect()
        };
        Facts::new(shape, DataType::F32)
    }
}

/// exp(x) / Σ exp(x) along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// The axis.
    pub axis: usize,
}

impl Softmax {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let operand = one(operands)?;
        operand.expect_type("the operand", DataType::F32)?;
        check_axis(self.axis, operand.shape.len())?;
        Ok(operand.clone())
    }
}

/// Index of the largest element along one axis, as i64; of equals, the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgMax {
    /// The axis.
    pub axis: usize,
    /// Whether the axis stays, with size 1.
    pub keep_dims: bool,
}

impl ArgMax {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let reduce = Reduce { kind: ReduceKind::Max, axes: vec![self.axis], keep_dims: self.keep_dims };
        Ok(Facts { dtype: DataType::I64, ..reduce.infer(operands)? })
    }
}
