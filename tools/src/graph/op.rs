//! The operators of the graph.

use super::activation::Activation;
use super::error::ShapeError;
use super::ops::{
    ArgMax, AveragePool2d, Binary, Compare, Concat, Conv2d, ConvTranspose2d, Dequantize, Facts, FullyConnected, Gather,
    GatherElements, L2Normalize, LogSoftmax, Normalize, Pad, Pool2d, Quantize, Reduce, Reshape, Resize, Slice, Softmax,
    TopPositions, Transpose, Unary, infer_batch_norm, infer_binary, infer_compare, infer_matmul, infer_select, one,
};
use crate::tensor::DataType;

/// An operator with its attributes. Operands and results are described at each attribute struct.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Op {
    /// Convolution of NHWC activations with OHWI weights.
    Conv2d(Conv2d),
    /// Transposed convolution of NHWC activations with OHWI weights.
    ConvTranspose2d(ConvTranspose2d),
    /// Product of the last axis with `[out, in]` weights.
    FullyConnected(FullyConnected),
    /// Product of two activations: `[.., m, k]` times `[.., k, n]`.
    MatMul,
    /// Elementwise operation on two tensors.
    Binary(Binary),
    /// Elementwise question about two tensors.
    Compare(Compare),
    /// Operands condition, a and b, broadcast: a where the condition is true, else b.
    Select,
    /// Elementwise function of one f32 tensor.
    Unary(Unary),
    /// Clamp of one f32 tensor: every rectifier without a slope.
    Clip(Activation),
    /// Operands x `[.., c]`, scale `[c]`, offset `[c]`; result x * scale + offset. The importer
    /// computes scale and offset from mean and variance.
    BatchNorm,
    /// Maximum over windows, NHWC.
    MaxPool2d(Pool2d),
    /// Mean over windows, NHWC.
    AveragePool2d(AveragePool2d),
    /// Mean, sum, maximum or minimum over whole axes.
    Reduce(Reduce),
    /// Mean 0 and variance 1 over the last axes.
    Normalize(Normalize),
    /// Interpolates along two neighbouring axes.
    Resize(Resize),
    /// Vectors along an axis scaled to length 1.
    L2Normalize(L2Normalize),
    /// Softmax along an axis.
    Softmax(Softmax),
    /// Logarithm of the softmax along an axis.
    LogSoftmax(LogSoftmax),
    /// Position of the maximum along an axis.
    ArgMax(ArgMax),
    /// Same elements, another shape.
    Reshape(Reshape),
    /// Reorders axes.
    Transpose(Transpose),
    /// Joins tensors along an axis.
    Concat(Concat),
    /// Surrounds a tensor with a constant.
    Pad(Pad),
    /// A regular part of a tensor.
    Slice(Slice),
    /// Slices of a tensor at given positions.
    Gather(Gather),
    /// Single elements of a tensor at given positions.
    GatherElements(GatherElements),
    /// Positions of the largest or smallest elements along an axis.
    TopPositions(TopPositions),
    /// Converts the elements: floats are cut towards zero and saturate, integers wrap.
    Cast(DataType),
    /// Integers that stand for real numbers.
    Quantize(Quantize),
    /// The real numbers that integers stand for.
    Dequantize(Dequantize),
}

impl Op {
    /// The operator's name, for messages and reports.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Conv2d(_) => "Conv2d",
            Self::ConvTranspose2d(_) => "ConvTranspose2d",
            Self::FullyConnected(_) => "FullyConnected",
            Self::MatMul => "MatMul",
            Self::Binary(binary) => binary.kind.name(),
            Self::Compare(compare) => compare.name(),
            Self::Select => "Select",
            Self::Unary(unary) => unary.name(),
            Self::Clip(_) => "Clip",
            Self::BatchNorm => "BatchNorm",
            Self::MaxPool2d(_) => "MaxPool2d",
            Self::AveragePool2d(_) => "AveragePool2d",
            Self::Reduce(reduce) => reduce.kind.name(),
            Self::Normalize(_) => "Normalize",
            Self::Resize(_) => "Resize",
            Self::L2Normalize(_) => "L2Normalize",
            Self::Softmax(_) => "Softmax",
            Self::LogSoftmax(_) => "LogSoftmax",
            Self::ArgMax(_) => "ArgMax",
            Self::Reshape(_) => "Reshape",
            Self::Transpose(_) => "Transpose",
            Self::Concat(_) => "Concat",
            Self::Pad(_) => "Pad",
            Self::Slice(_) => "Slice",
            Self::Gather(_) => "Gather",
            Self::GatherElements(_) => "GatherElements",
            Self::TopPositions(_) => "TopPositions",
            Self::Cast(_) => "Cast",
            Self::Quantize(_) => "Quantize",
            Self::Dequantize(_) => "Dequantize",
        }
    }

    /// Shapes and types of the results, from those of the operands. Every operator has one result
    /// today.
    ///
    /// # Errors
    /// [`ShapeError`] says which operand or attribute does not fit.
    pub fn infer(&self, operands: &[Facts]) -> Result<Vec<Facts>, ShapeError> {
        let facts = match self {
            Self::Conv2d(conv) => conv.infer(operands),
            Self::ConvTranspose2d(conv) => conv.infer(operands),
            Self::FullyConnected(linear) => linear.infer(operands),
            Self::MatMul => infer_matmul(operands),
            Self::Binary(binary) => infer_binary(binary, operands),
            Self::Compare(_) => infer_compare(operands),
            Self::Select => infer_select(operands),
            Self::Unary(_) | Self::Clip(_) => {
                let operand = one(operands)?;
                match operand.dtype {
                    DataType::F32 => Ok(operand.clone()),
                    got => Err(ShapeError::Type { operand: "the operand", expected: DataType::F32, got }),
                }
            }
            Self::BatchNorm => infer_batch_norm(operands),
            Self::MaxPool2d(pool) => pool.infer(operands),
            Self::AveragePool2d(average) => average.pool.infer(operands),
            Self::Reduce(reduce) => reduce.infer(operands),
            Self::Normalize(normalize) => normalize.infer(operands),
            Self::Resize(resize) => resize.infer(operands),
            Self::L2Normalize(normalize) => normalize.infer(operands),
            Self::Softmax(softmax) => softmax.infer(operands),
            Self::LogSoftmax(softmax) => softmax.infer(operands),
            Self::ArgMax(arg_max) => arg_max.infer(operands),
            Self::Reshape(reshape) => reshape.infer(operands),
            Self::Transpose(transpose) => transpose.infer(operands),
            Self::Concat(concat) => concat.infer(operands),
            Self::Pad(pad) => pad.infer(operands),
            Self::Slice(slice) => slice.infer(operands),
            Self::Gather(gather) => gather.infer(operands),
            Self::GatherElements(gather) => gather.infer(operands),
            Self::TopPositions(top) => top.infer(operands),
            Self::Cast(to) => Facts::new(one(operands)?.shape.clone(), *to),
            Self::Quantize(quantize) => quantize.infer(operands),
            Self::Dequantize(dequantize) => dequantize.infer(operands),
        }?;
        Ok(vec![facts])
    }

    /// The clamp that can be fused into this operator, for operators that have one.
    #[must_use]
    pub fn activation(&self) -> Option<Activation> {
        match self {
            Self::Conv2d(conv) => Some(conv.activation),
            Self::ConvTranspose2d(conv) => Some(conv.activation),
            Self::FullyConnected(linear) => Some(linear.activation),
            Self::Binary(binary) => Some(binary.activation),
            Self::MaxPool2d(pool) => Some(pool.activation),
            Self::AveragePool2d(average) => Some(average.pool.activation),
            Self::Clip(activation) => Some(*activation),
            _ => None,
        }
    }

    /// Write access to [`Op::activation`].
    pub fn activation_mut(&mut self) -> Option<&mut Activation> {
        match self {
            Self::Conv2d(conv) => Some(&mut conv.activation),
            Self::ConvTranspose2d(conv) => Some(&mut conv.activation),
            Self::FullyConnected(linear) => Some(&mut linear.activation),
            Self::Binary(binary) => Some(&mut binary.activation),
            Self::MaxPool2d(pool) => Some(&mut pool.activation),
            Self::AveragePool2d(average) => Some(&mut average.pool.activation),
            Self::Clip(activation) => Some(activation),
            _ => None,
        }
    }

    /// Whether element `i` of the result depends on elements `i` of the operands, broadcast to the result.
    #[must_use]
    pub const fn is_broadcast(&self) -> bool {
        matches!(self, Self::Binary(_) | Self::Compare(_) | Self::Select)
    }

    /// Whether element `i` of the result depends on element `i` of the one operand alone, so that
    /// the operator commutes with any movement of elements.
    #[must_use]
    pub const fn is_elementwise_unary(&self) -> bool {
        match self {
            Self::Unary(_) | Self::Clip(_) | Self::Cast(_) | Self::Quantize(_) => true,
            Self::Dequantize(dequantize) => dequantize.axis.is_none(),
            _ => false,
        }
    }
}
