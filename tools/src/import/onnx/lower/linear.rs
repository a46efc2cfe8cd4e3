//! Products with matrices.

use super::super::lowering::Lowering;
use crate::graph::ops::{Binary, BinaryKind, FullyConnected};
use crate::graph::{Op, ValueId};
use crate::import::Reason;
use crate::tensor::Tensor;

/// `Gemm`: alpha * A' * B' + beta * C, where ' may transpose.
pub(super) fn gemm(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let alpha = lowering.attributes.float("alpha")?.unwrap_or(1.0);
    let beta = lowering.attributes.float("beta")?.unwrap_or(1.0);
    if lowering.opset < 7 {
        // Whether the addend may be broadcast; it always may.
        lowering.attributes.ignore(&["broadcast"]);
    }
    let transpose_left = lowering.attributes.flag("transA", false)?;
    let transpose_right = lowering.attributes.flag("transB", false)?;
    let (mut left, mut right) = (lowering.input(0)?, lowering.input(1)?);
    for matrix in [left, right] {
        let shape = lowering.shape(matrix);
        if shape.len() != 2 {
            return Err(Reason::Operand(format!("a matrix is expected, got shape {shape:?}")));
        }
    }
    if transpose_left {
        left = lowering.transpose(left, &[1, 0])?;
    }
    // Quantised weights stay as they are.
    let constant = lowering.known(right).is_some() || (lowering.is_known(right) && alpha == 1.0);
    // Weights of a fully connected layer are [out, in].
    if transpose_right != constant {
        right = lowering.transpose(right, &[1, 0])?;
    }
    let addend = match lowering.optional_input(2) {
        Some(addend) => Some(scaled(lowering, addend, beta)?),
        None => None,
    };
    let result = if constant {
        let weights = scaled(lowering, right, alpha)?;
        let out = lowering.shape(weights)[0];
        match addend {
            Some(addend) => match as_bias(lowering, addend, out)? {
                Some(bias) => fully_connected(lowering, &[left, weights, bias])?,
                None => {
                    let product = fully_connected(lowering, &[left, weights])?;
                    add(lowering, product, addend)?
                }
            },
            None => fully_connected(lowering, &[left, weights])?,
        }
    } else {
        let product = lowering.emit(Op::MatMul, &[left, right])?;
        let product = scaled(lowering, product, alpha)?;
        match addend {
            Some(addend) => add(lowering, product, addend)?,
            None => product,
        }
    };
    lowering.set_output(0, result);
    Ok(())
}

/// `MatMul`: with a constant matrix on the right, a fully connected layer.
pub(super) fn matmul(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let (left, right) = (lowering.input(0)?, lowering.input(1)?);
    let (left_shape, right_shape) = (lowering.shape(left), lowering.shape(right));
    let result = match (left_shape.as_slice(), right_shape.as_slice()) {
        ([], _) | (_, []) => {
            return Err(Reason::Operand("a matrix is expected, got a single number".to_owned()));
        }
        (_, [_, _]) if lowering.is_known(right) => {
            let weights = lowering.transpose(right, &[1, 0])?;
            fully_connected(lowering, &[left, weights])?
        }
        (left_dimensions, &[depth]) if lowering.is_known(right) => {
            let weights = lowering.reshape(right, &[1, depth])?;
            let product = fully_connected(lowering, &[left, weights])?;
            let shape = left_dimensions[..left_dimensions.len() - 1].to_vec();
            lowering.reshape(product, &shape)?
        }
        (left_dimensions, right_dimensions) => {
            // A vector is a row on the left and a column on the right; that axis is dropped again.
            let row = left_dimensions.len() == 1;
            let column = right_dimensions.len() == 1;
            let left = if row { lowering.reshape(left, &[1, left_dimensions[0]])? } else { left };
            let right = if column { lowering.reshape(right, &[right_dimensions[0], 1])? } else { right };
            let product = lowering.emit(Op::MatMul, &[left, right])?;
            let mut shape = lowering.shape(product);
            if column {
                shape.pop();
            }
            if row {
                shape.remove(shape.len() - if column { 1 } else { 2 });
            }
            lowering.reshape(product, &shape)?
        }
    };
    lowering.set_output(0, result);
    Ok(())
}

fn fully_connected(lowering: &mut Lowering<'_>, operands: &[ValueId]) -> Result<ValueId, Reason> {
    lowering.emit(Op::FullyConnected(FullyConnected::default()), operands)
}

fn add(lowering: &mut Lowering<'_>, left: ValueId, right: ValueId) -> Result<ValueId, Reason> {
    lowering.emit(Op::Binary(Binary::new(BinaryKind::Add)), &[left, right])
}

/// The value times a number.
fn scaled(lowering: &mut Lowering<'_>, value: ValueId, factor: f32) -> Result<ValueId, Reason> {
    if factor == 1.0 {
        return Ok(value);
    }
    if lowering.known(value).is_some() {
        return lowering.derive(value, &format!("times {:#x}", factor.to_bits()), |tensor| {
            let items = tensor.as_f32()?.iter().map(|item| item * factor).collect();
            Ok(Tensor::from_vec(tensor.shape().to_vec(), items)?)
        });
    }
    let factor = lowering.emit_constant(Tensor::scalar(factor))?;
    lowering.emit(Op::Binary(Binary::new(BinaryKind::Mul)), &[value, factor])
}

/// A constant that has one number per output, or one for all, as a bias; none for other addends.
fn as_bias(lowering: &mut Lowering<'_>, addend: ValueId, out: usize) -> Result<Option<ValueId>, Reason> {
    let shape = lowering.shape(addend);
    if !lowering.is_known(addend) {
        return Ok(None);
    }
    match shape.as_slice() {
        &[columns] | &[1, columns] if columns == out => lowering.reshape(addend, &[out]).map(Some),
        [] | [1] | [1, 1] => match lowering.known(addend).and_then(Tensor::single_f32) {
            // The weights have `out` rows, so the bias takes no more memory than they do.
            Some(number) => {
                let bias = Tensor::vector(vec![number; out]);
                lowering.emit_constant(bias).map(Some)
            }
            None => Ok(None),
        },
        _ => Ok(None),
    }
}
