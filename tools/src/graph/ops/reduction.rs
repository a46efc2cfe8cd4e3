//! Operators that combine the elements along axes.

use super::normalization::along_axis;
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
    /// Product.
    Product,
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
            Self::Product => "ReduceProd",
        }
    }
}

/// Combines all elements along some axes; integers wrap. Truth values have only the smallest and the largest. Global pooling of an NHWC activation is axes 1 and 2,
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
        if self.kind == ReduceKind::Mean
            || (operand.dtype == DataType::Bool && !matches!(self.kind, ReduceKind::Min | ReduceKind::Max))
        {
            operand.expect_type("the operand", DataType::F32)?;
        }
        let neutral = match self.kind {
            ReduceKind::Mean => false,
            ReduceKind::Min | ReduceKind::Max => operand.dtype == DataType::F32,
            ReduceKind::Sum | ReduceKind::Product => true,
        };
        let rank = operand.shape.len();
        for (position, &axis) in self.axes.iter().enumerate() {
            check_axis(axis, rank)?;
            if position > 0 && self.axes[position - 1] >= axis {
                return Err(ShapeError::Axis { axis, rank });
            }
            if operand.shape[axis] == 0 && !neutral {
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
        Facts::new(shape, operand.dtype)
    }
}

/// exp(beta x) / Σ exp(beta x) along one axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Softmax {
    /// The axis.
    pub axis: usize,
    /// Factor on the operand.
    pub beta: f32,
}

impl Softmax {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        along_axis(self.axis, operands)
    }
}

/// x - log(Σ exp(x)) along one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSoftmax {
    /// The axis.
    pub axis: usize,
}

impl LogSoftmax {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        along_axis(self.axis, operands)
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
        if one(operands)?.shape.get(self.axis) == Some(&0) {
            return Err(ShapeError::Attribute {
                attribute: "axis",
                got: self.axis.to_string(),
                expected: "but that axis has no elements",
            });
        }
        let reduce = Reduce { kind: ReduceKind::Max, axes: vec![self.axis], keep_dims: self.keep_dims };
        Ok(Facts { dtype: DataType::I64, ..reduce.infer(operands)? })
    }
}
