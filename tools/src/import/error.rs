//! Why a node of a source model cannot be expressed.

use crate::execute::ExecuteError;
use crate::graph::{GraphError, ShapeError};
use crate::tensor::TensorError;
use std::fmt;
use thiserror::Error;

/// A node that cannot be expressed.
#[derive(Debug)]
pub struct UnsupportedNode {
    /// The node's name, or that of its first result.
    pub name: String,
    /// The operator, with its domain where that is not the default.
    pub operator: String,
    /// Why.
    pub reason: Reason,
}

/// Why a node cannot be expressed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Reason {
    /// The operator is not in the table.
    #[error("the operator is not supported")]
    Operator,
    /// An attribute with a value that is not supported.
    #[error("attribute {attribute} is {got}; {expected}")]
    Attribute {
        /// The attribute.
        attribute: String,
        /// Its value, in words.
        got: String,
        /// What is supported.
        expected: String,
    },
    /// An operand that must be present is not.
    #[error("operand {index} is missing")]
    MissingOperand {
        /// Its position, from 0.
        index: usize,
    },
    /// An operand that must be constant is computed.
    #[error("operand {index} ({name}) must be a constant, but is computed while the model runs")]
    NotConstant {
        /// Its position, from 0.
        index: usize,
        /// Its name.
        name: String,
    },
    /// An operand or result that is not supported.
    #[error("{0}")]
    Operand(String),
    /// Evaluating constants would take much more memory than the file.
    #[error("its constant result would take too much memory")]
    TooLarge,
    /// The operands do not fit the operator.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A tensor rule.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A constant in an attribute.
    #[error(transparent)]
    Constant(#[from] ConstantError),
    /// A constant expression that cannot be evaluated.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// Expressed, but no opcode of the runtime computes it.
    #[error("{0}")]
    Device(String),
}

impl From<GraphError> for Reason {
    fn from(error: GraphError) -> Self {
        match error {
            GraphError::Shape { error, .. } => Self::Shape(error),
            other => Self::Operand(other.to_string()),
        }
    }
}

/// Why a constant cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConstantError {
    /// A negative dimension.
    #[error("dimension {0} is negative")]
    NegativeDimension(i64),
    /// The number of elements differs from the shape.
    #[error("shape {shape:?} needs {expected} elements, but {got} are stored")]
    Length {
        /// The shape.
        shape: Vec<usize>,
        /// Elements the shape stands for.
        expected: usize,
        /// Elements stored.
        got: usize,
    },
    /// The number of raw bytes differs from the shape.
    #[error("shape {shape:?} needs {expected} bytes, but {got} are stored")]
    Bytes {
        /// The shape.
        shape: Vec<usize>,
        /// Bytes needed.
        expected: usize,
        /// Bytes stored.
        got: usize,
    },
    /// Elements stored both raw and typed, or in a field of another type.
    #[error("its elements are stored in a field that does not belong to its type {0}")]
    Field(String),
    /// An element type that is not supported.
    #[error("element type {0} is not supported")]
    Type(String),
    /// A number that does not fit.
    #[error("the number {0} does not fit a signed 64-bit integer")]
    Number(u64),
    /// The elements are in another file.
    #[error(
        "its elements are in another file; save the model with the weights inside \
         (in Python: onnx.save(onnx.load(path), path, save_as_external_data=False))"
    )]
    External,
    /// Part of a segmented tensor.
    #[error("segmented tensors are not supported")]
    Segment,
    /// The shape is too large.
    #[error(transparent)]
    Tensor(#[from] TensorError),
}

impl fmt::Display for UnsupportedNode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "node `{}` ({}): {}", self.name, self.operator, self.reason)
    }
}

/// An attribute's value is not supported.
pub(super) fn refuse(attribute: &str, got: impl Into<String>, expected: impl Into<String>) -> Reason {
    Reason::Attribute { attribute: attribute.to_owned(), got: got.into(), expected: expected.into() }
}
