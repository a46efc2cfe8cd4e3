//! Operators: attributes and shape rules, one family per file.

mod arithmetic;
mod convolution;
mod linear;
mod movement;
mod normalization;
mod pooling;
mod quantization;
mod reduction;
mod resize;
mod selection;

pub use arithmetic::{Binary, BinaryKind, Unary, broadcast};
pub use convolution::{Conv2d, ConvTranspose2d, Padding};
pub use linear::FullyConnected;
pub use movement::{Concat, Gather, Pad, Reshape, Slice, SliceRange, Transpose};
pub use normalization::{L2Normalize, Normalize};
pub use pooling::{AveragePool2d, Pool2d};
pub use quantization::{Dequantize, Quantize, integer_range};
pub use reduction::{ArgMax, LogSoftmax, Reduce, ReduceKind, Softmax};
pub use resize::{Resize, Tap};
pub use selection::{Compare, GatherElements, TopPositions};

pub(super) use arithmetic::{infer_batch_norm, infer_binary};
pub(super) use linear::infer_matmul;
pub(super) use selection::{infer_compare, infer_select};

use super::error::ShapeError;
use crate::tensor::{DataType, element_count};

/// Shape and type of an operand or result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The dimensions.
    pub shape: Vec<usize>,
    /// The type of the elements.
    pub dtype: DataType,
}

impl Facts {
    /// Facts of a result, whose size is checked.
    ///
    /// # Errors
    /// [`ShapeError::Tensor`] if the shape has too many elements.
    pub fn new(shape: Vec<usize>, dtype: DataType) -> Result<Self, ShapeError> {
        element_count(&shape)?;
        Ok(Self { shape, dtype })
    }

    fn expect_type(&self, operand: &'static str, expected: DataType) -> Result<(), ShapeError> {
        if self.dtype == expected { Ok(()) } else { Err(ShapeError::Type { operand, expected, got: self.dtype }) }
    }

    fn expect_shape(&self, operand: &'static str, expected: &[usize]) -> Result<(), ShapeError> {
        if self.shape == expected {
            Ok(())
        } else {
            Err(ShapeError::Shape { operand, expected: expected.to_vec(), got: self.shape.clone() })
        }
    }

    /// The four dimensions of an f32 activation or weight tensor.
    fn expect_f32_rank4(&self, operand: &'static str) -> Result<[usize; 4], ShapeError> {
        self.expect_type(operand, DataType::F32)?;
        <[usize; 4]>::try_from(self.shape.as_slice()).map_err(|_| ShapeError::Rank {
            operand,
            expected: 4,
            got: self.shape.clone(),
        })
    }
}

/// The only operand, for operators with one.
pub(super) fn one(operands: &[Facts]) -> Result<&Facts, ShapeError> {
    match operands {
        [operand] => Ok(operand),
        _ => Err(ShapeError::OperandCount { expected: "one", got: operands.len() }),
    }
}

fn check_axis(axis: usize, rank: usize) -> Result<(), ShapeError> {
    if axis < rank { Ok(()) } else { Err(ShapeError::Axis { axis, rank }) }
}
