//! Products with matrices.

use super::super::lowering::{Lowering, Sums, refuse};
use crate::graph::Op;
use crate::graph::ops::FullyConnected;
use crate::import::Reason;

/// `FULLY_CONNECTED`: the input is seen as rows of the weights' depth.
pub(super) fn fully_connected(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(8);
    if options.byte(1)? != 0 {
        return Err(refuse("weights_format", options.byte(1)?.to_string(), "only the default order is supported"));
    }
    let (input, weights) = (lowering.input(0)?, lowering.input(1)?);
    let shape = lowering.shape(input);
    let &[_, depth] = lowering.shape(weights).as_slice() else {
        return Err(Reason::Operand(format!("weights of shape {:?} are no matrix", lowering.shape(weights))));
    };
    let count: usize = shape.iter().product();
    if depth == 0 || !count.is_multiple_of(depth) {
        return Err(Reason::Operand(format!("an input of shape {shape:?} does not make rows of {depth}")));
    }
    let rows = if shape.last() == Some(&depth) { shape } else { vec![count / depth, depth] };
    let rows = lowering.reshape(input, &rows)?;
    let mut operands = vec![rows, weights];
    operands.extend(lowering.bias(2, 0, 1, Sums::AsBias)?);
    let linear = FullyConnected { activation: options.activation(0)? };
    let result = lowering.emit(Op::FullyConnected(linear), &operands)?;
    lowering.set_output(0, result)
}

/// `BATCH_MATMUL`: either operand may be given transposed.
pub(super) fn batch_matmul(lowering: &mut Lowering<'_, '_>) -> Result<(), Reason> {
    let options = lowering.options(101);
    let mut operands = [lowering.input(0)?, lowering.input(1)?];
    for (operand, field) in operands.iter_mut().zip(0..) {
        let rank = lowering.shape(*operand).len();
        if options.flag(field)? && rank >= 2 {
            let mut swap: Vec<usize> = (0..rank).collect();
            swap.swap(rank - 2, rank - 1);
            *operand = lowering.transpose(*operand, &swap)?;
        }
    }
    let result = lowering.emit(Op::MatMul, &operands)?;
    lowering.set_output(0, result)
}
