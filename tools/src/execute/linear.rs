//! Products with matrices.

use super::ExecuteError;
use crate::graph::ops::{Facts, FullyConnected};
use crate::tensor::{Tensor, gather_strided, strides};

/// Outputs summed side by side.
const ROWS: usize = 8;

/// Each result is its bias, then products in the order of the inputs.
pub(super) fn fully_connected(
    linear: &FullyConnected,
    operands: &[&Tensor],
    result: &Facts,
) -> Result<Tensor, ExecuteError> {
    let (input, weights) = (operands[0].as_f32()?, operands[1].as_f32()?);
    let (out, depth) = (operands[1].shape()[0], operands[1].shape()[1]);
    let count: usize = result.shape.iter().product();
    let mut output = vec![0.0f32; count];
    if let Some(bias) = operands.get(2) {
        let bias = bias.as_f32()?;
        for row in output.chunks_exact_mut(out.max(1)) {
            row.copy_from_slice(bias);
        }
    }
    if depth > 0 && out > 0 {
        for (row, sums) in input.chunks_exact(depth).zip(output.chunks_exact_mut(out)) {
            for (sums, weights) in sums.chunks_mut(ROWS).zip(weights.chunks(ROWS * depth)) {
                for (index, x) in row.iter().enumerate() {
                    for (position, sum) in sums.iter_mut().enumerate() {
                        *sum += x * weights[position * depth + index];
                    }
                }
            }
        }
    }
    if !linear.activation.is_none() {
        for sum in &mut output {
            *sum = linear.activation.apply(*sum);
        }
    }
    Ok(Tensor::from_vec(result.shape.clone(), output)?)
}

/// `[.., m, k]` times `[.., k, n]`, leading axes broadcast.
pub(super) fn matmul(operands: &[&Tensor], result: &Facts) -> Result<Tensor, ExecuteError> {
    let (left, right) = (operands[0].as_f32()?, operands[1].as_f32()?);
    let rank = result.shape.len();
    let leading = &result.shape[..rank - 2];
    let (rows, columns) = (result.shape[rank - 2], result.shape[rank - 1]);
    let depth = operands[0].shape()[operands[0].rank() - 1];
    let mut output = vec![0.0f32; result.shape.iter().product()];
    let left_starts = matrix_starts(operands[0].shape(), leading);
    let right_starts = matrix_starts(operands[1].shape(), leading);
    if rows * columns > 0 {
        let matrices = output.chunks_exact_mut(rows * columns);
        for ((matrix, &left_start), &right_start) in matrices.zip(&left_starts).zip(&right_starts) {
            for (row, sums) in matrix.chunks_exact_mut(columns).enumerate() {
                for index in 0..depth {
                    let x = left[left_start + row * depth + index];
                    let weights = &right[right_start + index * columns..][..columns];
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum += x * weight;
                    }
                }
            }
        }
    }
    Ok(Tensor::from_vec(result.shape.clone(), output)?)
}

/// Where the matrix of each leading index starts.
fn matrix_starts(shape: &[usize], leading: &[usize]) -> Vec<usize> {
    let own = strides(shape);
    let axes = shape.len() - 2;
    let steps: Vec<usize> = (0..leading.len())
        .map(|axis| match (axis + axes).checked_sub(leading.len()) {
            Some(axis) if shape[axis] != 1 => own[axis],
            _ => 0,
        })
        .collect();
    let size: usize = shape.iter().product();
    let positions: Vec<usize> = (0..size.max(1)).collect();
    gather_strided(&positions, leading, &steps, 0)
}

#[cfg(test)]
mod tests {
    use super::super::evaluate;
    use super::*;
    use crate::graph::{Activation, Op};

    #[test]
    fn a_layer_applies_weights_bias_and_clamp() {
        let x = Tensor::from_vec(vec![2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
        let weights = Tensor::from_vec(vec![3, 2], vec![1.0f32, 0.0, 0.0, 1.0, -1.0, -1.0]).unwrap();
        let bias = Tensor::vector(vec![0.5f32, 0.0, 0.0]);
        let op = Op::FullyConnected(FullyConnected { activation: Activation::RELU });
        let result = evaluate(&op, &[&x, &weights, &bias]).unwrap().remove(0);
        assert_eq!(result.shape(), [2, 3]);
        assert_eq!(result.as_f32().unwrap(), [1.5, 2.0, 0.0, 3.5, 4.0, 0.0]);
    }

    #[test]
    fn many_outputs_are_all_computed() {
        let x = Tensor::from_vec(vec![1, 3], vec![1.0f32, 10.0, 100.0]).unwrap();
        let weights = Tensor::from_vec(vec![19, 3], (0..57).map(|i| i as f32).collect()).unwrap();
        let op = Op::FullyConnected(FullyConnected::default());
        let result = evaluate(&op, &[&x, &weights]).unwrap().remove(0);
        for (out, &got) in result.as_f32().unwrap().iter().enumerate() {
            let first = 3.0 * out as f32;
            assert_eq!(got, first + 10.0 * (first + 1.0) + 100.0 * (first + 2.0));
        }
    }

    #[test]
    fn leading_axes_of_a_product_broadcast() {
        let left = Tensor::from_vec(vec![2, 1, 1, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
        let right = Tensor::from_vec(vec![2, 2, 1], vec![1.0f32, 1.0, 1.0, -1.0]).unwrap();
        let result = evaluate(&Op::MatMul, &[&left, &right]).unwrap().remove(0);
        assert_eq!(result.shape(), [2, 2, 1, 1]);
        assert_eq!(result.as_f32().unwrap(), [3.0, -1.0, 7.0, -1.0]);
    }
}
