//! Pooling over windows.

use super::{ExecuteError, dimensions4};
use crate::graph::ops::{AveragePool2d, Facts, Padding, Pool2d};
use crate::tensor::Tensor;
use std::ops::Range;

/// The largest element of each window; padded positions do not count.
pub(super) fn maximum(pool: &Pool2d, operand: &Tensor, result: &Facts) -> Result<Tensor, ExecuteError> {
    over_windows(pool, operand, result, f32::NEG_INFINITY, f32::max, |largest, _| largest)
}

/// The mean of each window.
pub(super) fn average(average: &AveragePool2d, operand: &Tensor, result: &Facts) -> Result<Tensor, ExecuteError> {
    let all = average.pool.kernel[0] * average.pool.kernel[1];
    let include = average.count_include_pad;
    over_windows(
        &average.pool,
        operand,
        result,
        0.0,
        |sum, x| sum + x,
        |sum, real| sum / (if include { all } else { real }) as f32,
    )
}

fn over_windows(
    pool: &Pool2d,
    operand: &Tensor,
    result: &Facts,
    start: f32,
    combine: impl Fn(f32, f32) -> f32,
    finish: impl Fn(f32, usize) -> f32,
) -> Result<Tensor, ExecuteError> {
    let [batch, height, width, channels] = dimensions4(operand.shape())?;
    let [_, out_height, out_width, _] = dimensions4(&result.shape)?;
    let input = operand.as_f32()?;
    let Padding { top, left, .. } = pool.padding;
    let mut output = vec![start; batch * out_height * out_width * channels];
    if channels == 0 {
        return Ok(Tensor::from_vec(result.shape.clone(), output)?);
    }
    for (index, pixel) in output.chunks_exact_mut(channels).enumerate() {
        let column = index % out_width;
        let row = index / out_width % out_height;
        let sample = index / out_width / out_height;
        let rows = inside(pool, 0, row, top, height);
        let columns = inside(pool, 1, column, left, width);
        for kernel_row in rows.clone() {
            let y = row * pool.stride[0] + kernel_row * pool.dilation[0] - top;
            for kernel_column in columns.clone() {
                let x = column * pool.stride[1] + kernel_column * pool.dilation[1] - left;
                let source = ((sample * height + y) * width + x) * channels;
                for (so_far, &x) in pixel.iter_mut().zip(&input[source..source + channels]) {
                    *so_far = combine(*so_far, x);
                }
            }
        }
        let real = rows.len() * columns.len();
        for so_far in pixel {
            *so_far = pool.activation.apply(finish(*so_far, real));
        }
    }
    Ok(Tensor::from_vec(result.shape.clone(), output)?)
}

/// The taps of a window that lie inside the input, along one axis.
fn inside(pool: &Pool2d, axis: usize, window: usize, before: usize, size: usize) -> Range<usize> {
    let (start, dilation) = (window * pool.stride[axis], pool.dilation[axis]);
    let first = before.saturating_sub(start).div_ceil(dilation);
    let end = (before + size).saturating_sub(start).div_ceil(dilation);
    first..end.min(pool.kernel[axis]).max(first)
}

#[cfg(test)]
mod tests {
    use super::super::evaluate;
    use super::*;
    use crate::graph::{Activation, Op};

    fn pool() -> Pool2d {
        Pool2d {
            kernel: [2, 2],
            stride: [2, 2],
            dilation: [1, 1],
            padding: Padding { top: 1, left: 0, bottom: 0, right: 1 },
            activation: Activation::NONE,
        }
    }

    fn image() -> Tensor {
        Tensor::from_vec(vec![1, 3, 3, 1], (1..=9).map(|x| -(x as f32)).collect()).unwrap()
    }

    #[test]
    fn padding_never_wins_a_maximum() {
        let result = evaluate(&Op::MaxPool2d(pool()), &[&image()]).unwrap().remove(0);
        assert_eq!(result.shape(), [1, 2, 2, 1]);
        assert_eq!(result.as_f32().unwrap(), [-1.0, -3.0, -4.0, -6.0]);
    }

    #[test]
    fn an_average_counts_padding_only_when_told() {
        let op = |count_include_pad| Op::AveragePool2d(AveragePool2d { pool: pool(), count_include_pad });
        let without = evaluate(&op(false), &[&image()]).unwrap().remove(0);
        assert_eq!(without.as_f32().unwrap(), [-1.5, -3.0, -6.0, -7.5]);
        let with = evaluate(&op(true), &[&image()]).unwrap().remove(0);
        assert_eq!(with.as_f32().unwrap(), [-0.75, -0.75, -6.0, -3.75]);
    }

    #[test]
    fn windows_of_padding_alone_are_refused() {
        let padding = Padding { top: 2, ..Padding::NONE };
        let op = Op::MaxPool2d(Pool2d { padding, ..pool() });
        assert!(evaluate(&op, &[&image()]).is_err());
        let dilated = Pool2d { dilation: [9, 9], padding: Padding { top: 9, left: 9, bottom: 9, right: 9 }, ..pool() };
        assert!(evaluate(&Op::MaxPool2d(dilated), &[&image()]).is_err());
    }
}
