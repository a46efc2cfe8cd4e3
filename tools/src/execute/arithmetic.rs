//! Elementwise operators.

use super::ExecuteError;
use crate::graph::ops::{Binary, BinaryKind, Facts};
use crate::tensor::{DataType, Element, Tensor, gather_strided, strides};
use std::borrow::Cow;

/// A function of every element.
pub(super) fn map(operand: &Tensor, function: impl Fn(f32) -> f32) -> Result<Tensor, ExecuteError> {
    let items = operand.as_f32()?.iter().map(|&item| function(item)).collect();
    Ok(Tensor::from_vec(operand.shape().to_vec(), items)?)
}

/// x * scale + offset, per channel of the last axis.
pub(super) fn batch_norm(operands: &[&Tensor]) -> Result<Tensor, ExecuteError> {
    let (scale, offset) = (operands[1].as_f32()?, operands[2].as_f32()?);
    let mut items = operands[0].as_f32()?.to_vec();
    if !scale.is_empty() {
        for row in items.chunks_exact_mut(scale.len()) {
            for ((item, scale), offset) in row.iter_mut().zip(scale).zip(offset) {
                *item = *item * scale + offset;
            }
        }
    }
    Ok(Tensor::from_vec(operands[0].shape().to_vec(), items)?)
}

/// An operation on two broadcast tensors.
pub(super) fn binary(binary: &Binary, operands: &[&Tensor], result: &Facts) -> Result<Tensor, ExecuteError> {
    let shape = &result.shape;
    if result.dtype == DataType::F32 {
        let left = expand(operands[0].as_f32()?, operands[0].shape(), shape);
        let right = expand(operands[1].as_f32()?, operands[1].shape(), shape);
        let clamp = binary.activation;
        let function = float(binary.kind);
        let items = left.iter().zip(right.iter()).map(|(&a, &b)| clamp.apply(function(a, b))).collect();
        return Ok(Tensor::from_vec(shape.clone(), items)?);
    }
    let (left, right) = (operands[0].to_i64(), operands[1].to_i64());
    let left = expand(&left, operands[0].shape(), shape);
    let right = expand(&right, operands[1].shape(), shape);
    let items =
        left.iter().zip(right.iter()).map(|(&a, &b)| integer(binary.kind, a, b)).collect::<Result<Vec<i64>, _>>()?;
    Ok(Tensor::from_vec(shape.clone(), items)?.cast(result.dtype))
}

fn float(kind: BinaryKind) -> fn(f32, f32) -> f32 {
    match kind {
        BinaryKind::Add => |a, b| a + b,
        BinaryKind::Sub => |a, b| a - b,
        BinaryKind::Mul => |a, b| a * b,
        BinaryKind::Div => |a, b| a / b,
        BinaryKind::Min => |a, b| if a.is_nan() || a < b { a } else { b },
        BinaryKind::Max => |a, b| if a.is_nan() || a > b { a } else { b },
        BinaryKind::Pow => libm::powf,
        BinaryKind::PRelu => |a, b| if a < 0.0 { a * b } else { a },
        BinaryKind::SquaredDifference => |a, b| (a - b) * (a - b),
        BinaryKind::Modulo => |a, b| {
            let rest = libm::fmodf(a, b);
            if rest != 0.0 && (rest < 0.0) != (b < 0.0) { rest + b } else { rest }
        },
        BinaryKind::Remainder => libm::fmodf,
    }
}

fn integer(kind: BinaryKind, a: i64, b: i64) -> Result<i64, ExecuteError> {
    Ok(match kind {
        BinaryKind::Add => a.wrapping_add(b),
        BinaryKind::Sub => a.wrapping_sub(b),
        BinaryKind::Mul => a.wrapping_mul(b),
        BinaryKind::Div if b == 0 => return Err(ExecuteError::DivisionByZero),
        BinaryKind::Div => a.wrapping_div(b),
        BinaryKind::Modulo | BinaryKind::Remainder if b == 0 => return Err(ExecuteError::DivisionByZero),
        BinaryKind::Modulo => {
            let rest = a.wrapping_rem(b);
            if rest != 0 && (rest < 0) != (b < 0) { rest.wrapping_add(b) } else { rest }
        }
        BinaryKind::Remainder => a.wrapping_rem(b),
        BinaryKind::SquaredDifference => a.wrapping_sub(b).wrapping_mul(a.wrapping_sub(b)),
        BinaryKind::PRelu if a < 0 => a.wrapping_mul(b),
        BinaryKind::PRelu => a,
        BinaryKind::Min => a.min(b),
        BinaryKind::Max => a.max(b),
        BinaryKind::Pow => match u32::try_from(b) {
            Ok(exponent) => a.wrapping_pow(exponent),
            Err(_) => libm::pow(a as f64, b as f64) as i64,
        },
    })
}

/// The elements repeated to `shape`, which the operand's shape broadcasts to.
pub(super) fn expand<'a, T: Element>(items: &'a [T], from: &[usize], shape: &[usize]) -> Cow<'a, [T]> {
    if from == shape {
        return Cow::Borrowed(items);
    }
    let lead = shape.len() - from.len();
    let own = strides(from);
    let steps: Vec<usize> = (0..shape.len())
        .map(|axis| match axis.checked_sub(lead) {
            Some(axis) if from[axis] != 1 => own[axis],
            _ => 0,
        })
        .collect();
    Cow::Owned(gather_strided(items, shape, &steps, 0))
}

#[cfg(test)]
mod tests {
    use super::super::evaluate;
    use super::*;
    use crate::graph::{Activation, Op};

    fn run(kind: BinaryKind, left: &Tensor, right: &Tensor) -> Result<Tensor, ExecuteError> {
        evaluate(&Op::Binary(Binary::new(kind)), &[left, right]).map(|mut all| all.remove(0))
    }

    #[test]
    fn both_sides_broadcast_from_the_last_axis() {
        let column = Tensor::from_vec(vec![2, 1], vec![10.0f32, 20.0]).unwrap();
        let row = Tensor::vector(vec![1.0f32, 2.0, 3.0]);
        let sum = run(BinaryKind::Add, &column, &row).unwrap();
        assert_eq!(sum.shape(), [2, 3]);
        assert_eq!(sum.as_f32().unwrap(), [11.0, 12.0, 13.0, 21.0, 22.0, 23.0]);
        let difference = run(BinaryKind::Sub, &row, &Tensor::scalar(1.0f32)).unwrap();
        assert_eq!(difference, Tensor::vector(vec![0.0f32, 1.0, 2.0]));
        assert!(run(BinaryKind::Add, &row, &Tensor::vector(vec![1.0f32; 2])).is_err());
    }

    #[test]
    fn the_clamp_follows_the_operation() {
        let mut op = Binary::new(BinaryKind::Mul);
        op.activation = Activation::RELU6;
        let x = Tensor::vector(vec![-2.0f32, 2.0, 3.0]);
        let result = evaluate(&Op::Binary(op), &[&x, &Tensor::scalar(3.0f32)]).unwrap();
        assert_eq!(result[0], Tensor::vector(vec![0.0f32, 6.0, 6.0]));
    }

    #[test]
    fn integers_divide_towards_zero_and_never_by_it() {
        let x = Tensor::vector(vec![-7i64, 7]);
        let halves = run(BinaryKind::Div, &x, &Tensor::scalar(2i64)).unwrap();
        assert_eq!(halves, Tensor::vector(vec![-3i64, 3]));
        let error = run(BinaryKind::Div, &x, &Tensor::scalar(0i64)).unwrap_err();
        assert_eq!(error, ExecuteError::DivisionByZero);
        assert!(run(BinaryKind::Add, &x, &Tensor::scalar(1.0f32)).is_err());
    }

    #[test]
    fn batch_norm_scales_the_last_axis() {
        let x = Tensor::from_vec(vec![2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap();
        let scale = Tensor::vector(vec![2.0f32, 10.0]);
        let offset = Tensor::vector(vec![0.5f32, -1.0]);
        let result = evaluate(&Op::BatchNorm, &[&x, &scale, &offset]).unwrap();
        assert_eq!(result[0].as_f32().unwrap(), [2.5, 19.0, 6.5, 39.0]);
    }
}
