//! Products with matrices.

use super::arithmetic::broadcast;
use super::{Facts, ShapeError};
use crate::graph::Activation;
use crate::tensor::DataType;

/// Product of the last axis with constant-like weights.
///
/// Operands: activation `[.., in]`, weights `[out, in]`, and optionally a bias `[out]`. Result:
/// `[.., out]`.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct FullyConnected {
    /// Clamp of the result.
    pub activation: Activation,
}

impl FullyConnected {
    pub(in crate::graph) fn infer(&self, operands: &[Facts]) -> Result<Facts, ShapeError> {
        let (activation, weights, bias) = match operands {
            [activation, weights] => (activation, weights, None),
            [activation, weights, bias] => (activation, weights, Some(bias)),
            _ => {
                return Err(ShapeError::OperandCount { expected: "two or three", got: operands.len() });
            }
        };
        activation.expect_type("the activation", DataType::F32)?;
        weights.expect_type("the weights", DataType::F32)?;
        let (&[out, depth], Some((&last, leading))) = (weights.shape.as_slice(), activation.shape.split_last()) else {
            return Err(ShapeError::Rank { operand: "the weights", expected: 2, got: weights.shape.clone() });
        };
        if depth != last {
            return Err(ShapeError::Shape {
                operand: "the weights (out, in)",
                expected: vec![out, last],
                got: weights.shape.clone(),
            });
        }
        if let Some(bias) = bias {
            bias.expect_type("the bias", DataType::F32)?;
            bias.expect_shape("the bias", &[out])?;
        }
        Facts::new([leading, &[out]].concat(), DataType::F32)
    }
}

/// Shape rule of the general product of two activations: `[.., m, k]` times `[.., k, n]`, leading
/// axes broadcast. Result: `[.., m, n]`.
pub(in crate::graph) fn infer_matmul(operands: &[Facts]) -> Result<Facts, ShapeError> {
    let [left, right] = operands else {
        return Err(ShapeError::OperandCount { expected: "two", got: operands.len() });
    };
    left.expect_type("the left matrix", DataType::F32)?;
    right.expect_type("the right matrix", DataType::F32)?;
    let rank_error = |operand, facts: &Facts| ShapeError::Rank { operand, expected: 2, got: facts.shape.clone() };
    let [left_leading @ .., rows, depth] = left.shape.as_slice() else {
        return Err(rank_error("the left matrix", left));
    };
    let [right_leading @ .., right_depth, columns] = right.shape.as_slice() else {
        return Err(rank_error("the right matrix", right));
    };
    if depth != right_depth {
        return Err(ShapeError::Shape {
            operand: "the right matrix",
            expected: [right_leading, &[*depth, *columns]].concat(),
            got: right.shape.clone(),
        });
    }
    let leading = broadcast(left_leading, right_leading)?;
    Facts::new([leading.as_slice(), &[*rows, *columns]].concat(), DataType::F32)
}
