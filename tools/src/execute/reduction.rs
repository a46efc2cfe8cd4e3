//! Operators that combine the elements along axes.

use super::ExecuteError;
use crate::graph::ops::{Facts, L2Normalize, LogSoftmax, Reduce, ReduceKind, Softmax};
use crate::tensor::{DataType, Tensor, strides};

/// Combines all elements along axes, in row-major order of the operand.
pub(super) fn reduce(reduce: &Reduce, operand: &Tensor, result: &Facts) -> Result<Tensor, ExecuteError> {
    let shape = operand.shape();
    let kept: Vec<usize> =
        (0..shape.len()).map(|axis| if reduce.axes.contains(&axis) { 1 } else { shape[axis] }).collect();
    let mut steps = strides(&kept);
    for &axis in &reduce.axes {
        steps[axis] = 0;
    }
    let results = kept.iter().product();
    if operand.data_type() != DataType::F32 {
        let (start, combine): (i64, fn(i64, i64) -> i64) = match reduce.kind {
            ReduceKind::Mean | ReduceKind::Sum => (0, i64::wrapping_add),
            ReduceKind::Product => (1, i64::wrapping_mul),
            ReduceKind::Max => (i64::MIN, i64::max),
            ReduceKind::Min => (i64::MAX, i64::min),
        };
        let output = fold(&operand.to_i64(), shape, &steps, vec![start; results], combine);
        return Ok(Tensor::from_vec(result.shape.clone(), output)?.cast(operand.data_type()));
    }
    let (start, combine): (f32, fn(f32, f32) -> f32) = match reduce.kind {
        ReduceKind::Mean | ReduceKind::Sum => (0.0, |sum, x| sum + x),
        ReduceKind::Product => (1.0, |product, x| product * x),
        ReduceKind::Max => (f32::NEG_INFINITY, |a, b| if a.is_nan() || a > b { a } else { b }),
        ReduceKind::Min => (f32::INFINITY, |a, b| if a.is_nan() || a < b { a } else { b }),
    };
    let mut output = fold(operand.as_f32()?, shape, &steps, vec![start; results], combine);
    if reduce.kind == ReduceKind::Mean {
        let count: usize = reduce.axes.iter().map(|&axis| shape[axis]).product();
        for sum in &mut output {
            *sum /= count as f32;
        }
    }
    Ok(Tensor::from_vec(result.shape.clone(), output)?)
}

/// Combines each element of `shape` into the result that `steps` lead to.
fn fold<T: Copy>(items: &[T], shape: &[usize], steps: &[usize], mut results: Vec<T>, combine: fn(T, T) -> T) -> Vec<T> {
    let mut index = vec![0usize; shape.len()];
    let mut position = 0;
    for &item in items {
        results[position] = combine(results[position], item);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            position += steps[axis];
            if index[axis] < shape[axis] {
                break;
            }
            position -= steps[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    results
}

/// exp(beta (x - max)) / Σ exp(beta (x - max)) along an axis.
pub(super) fn softmax(Softmax { axis, beta }: &Softmax, operand: &Tensor) -> Result<Tensor, ExecuteError> {
    along(*axis, operand, |line| {
        let largest = line.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut sum = 0.0;
        for value in line.iter_mut() {
            *value = libm::expf((*value - largest) * beta);
            sum += *value;
        }
        line.iter_mut().for_each(|value| *value /= sum);
    })
}

/// x - max - log(Σ exp(x - max)) along an axis, which is exact where the softmax itself would be 0.
pub(super) fn log_softmax(softmax: &LogSoftmax, operand: &Tensor) -> Result<Tensor, ExecuteError> {
    along(softmax.axis, operand, |line| {
        let largest = line.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        line.iter_mut().for_each(|value| *value -= largest);
        let logarithm = libm::logf(line.iter().map(|&value| libm::expf(value)).sum());
        line.iter_mut().for_each(|value| *value -= logarithm);
    })
}

/// x / max(√(Σ x²), 1e-6) along an axis.
pub(super) fn l2_normalize(normalize: &L2Normalize, operand: &Tensor) -> Result<Tensor, ExecuteError> {
    along(normalize.axis, operand, |line| {
        let norm = line.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
        line.iter_mut().for_each(|value| *value /= norm);
    })
}

/// Every line along an axis, changed by itself.
fn along(axis: usize, operand: &Tensor, change: impl Fn(&mut [f32])) -> Result<Tensor, ExecuteError> {
    let mut output = operand.as_f32()?.to_vec();
    let mut line = vec![0.0; operand.shape()[axis]];
    for (start, step) in lanes(operand.shape(), axis) {
        for (index, value) in line.iter_mut().enumerate() {
            *value = output[start + index * step];
        }
        change(&mut line);
        for (index, value) in line.iter().enumerate() {
            output[start + index * step] = *value;
        }
    }
    Ok(Tensor::from_vec(operand.shape().to_vec(), output)?)
}

/// The index of the largest element along an axis; of equals, the first.
pub(super) fn arg_max(axis: usize, operand: &Tensor, result: &Facts) -> Result<Tensor, ExecuteError> {
    fn positions<T: PartialOrd + Copy>(items: &[T], shape: &[usize], axis: usize) -> Vec<i64> {
        lanes(shape, axis)
            .map(|(start, step)| {
                let mut best = 0;
                for index in 1..shape[axis] {
                    if items[start + index * step] > items[start + best * step] {
                        best = index;
                    }
                }
                best as i64
            })
            .collect()
    }
    let shape = operand.shape();
    let output = match operand.data_type() {
        DataType::F32 => positions(operand.as_f32()?, shape, axis),
        _ => positions(&operand.to_i64(), shape, axis),
    };
    Ok(Tensor::from_vec::<i64>(result.shape.clone(), output)?)
}

/// Start and step of every line of elements along an axis, in row-major order of the others.
pub(super) fn lanes(shape: &[usize], axis: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
    let outer: usize = shape[..axis].iter().product();
    let step: usize = shape[axis + 1..].iter().product();
    let block = shape[axis] * step;
    (0..outer).flat_map(move |index| (0..step).map(move |inner| (index * block + inner, step)))
}

#[cfg(test)]
mod tests {
    use super::super::evaluate;
    use super::*;
    use crate::graph::Op;
    use crate::graph::ops::{ArgMax, Softmax};

    fn cube() -> Tensor {
        Tensor::from_vec(vec![2, 2, 2], vec![1.0f32, 8.0, 3.0, 6.0, 5.0, 4.0, 7.0, 2.0]).unwrap()
    }

    fn run(op: &Op) -> Tensor {
        evaluate(op, &[&cube()]).unwrap().remove(0)
    }

    #[test]
    fn any_axes_are_reduced() {
        let op = |kind, axes: &[usize], keep_dims| Op::Reduce(Reduce { kind, axes: axes.to_vec(), keep_dims });
        let mean = run(&op(ReduceKind::Mean, &[0, 2], true));
        assert_eq!(mean.shape(), [1, 2, 1]);
        assert_eq!(mean.as_f32().unwrap(), [4.5, 4.5]);
        let largest = run(&op(ReduceKind::Max, &[1], false));
        assert_eq!(largest.shape(), [2, 2]);
        assert_eq!(largest.as_f32().unwrap(), [3.0, 8.0, 7.0, 4.0]);
        assert_eq!(run(&op(ReduceKind::Sum, &[0, 1, 2], false)), Tensor::scalar(36.0f32));
        assert_eq!(run(&op(ReduceKind::Min, &[], true)), cube());
        assert!(evaluate(&op(ReduceKind::Min, &[3], true), &[&cube()]).is_err());
    }

    #[test]
    fn softmax_sums_to_one_along_its_axis() {
        let result = run(&Op::Softmax(Softmax { axis: 1, beta: 1.0 }));
        let items = result.as_f32().unwrap();
        for (first, second) in [(0, 2), (1, 3), (4, 6), (5, 7)] {
            assert!((items[first] + items[second] - 1.0).abs() < 1e-6);
        }
        assert!((items[0] - 1.0 / (1.0 + 2f32.exp())).abs() < 1e-6);
    }

    #[test]
    fn the_first_maximum_wins() {
        let result = run(&Op::ArgMax(ArgMax { axis: 2, keep_dims: false }));
        assert_eq!(result.shape(), [2, 2]);
        assert_eq!(result.as_i64().unwrap(), [1, 1, 0, 0]);
        let equal = Tensor::vector(vec![2.0f32, 2.0]);
        let op = Op::ArgMax(ArgMax { axis: 0, keep_dims: true });
        assert_eq!(evaluate(&op, &[&equal]).unwrap()[0], Tensor::vector(vec![0i64]));
    }
}
