//! Between real numbers and the integers that stand for them.

use super::ExecuteError;
use crate::graph::ops::{Dequantize, Facts, Quantize, integer_range};
use crate::tensor::{Data, DataType, Tensor};

/// Integers from real numbers; NaN becomes the zero point.
pub(super) fn quantize(quantize: &Quantize, operand: &Tensor, result: &Facts) -> Result<Tensor, ExecuteError> {
    let zero_point = i64::from(quantize.zero_point);
    let (low, high) = integer_range(quantize.to).unwrap_or(0..=0).into_inner();
    let integer = |&x: &f32| {
        // The cast saturates, and NaN becomes 0.
        let steps = (x / quantize.scale).round_ties_even() as i64;
        steps.saturating_add(zero_point).clamp(low, high)
    };
    let items = operand.as_f32()?.iter().map(integer);
    let data = match quantize.to {
        DataType::U8 => Data::U8(items.map(|q| q as u8).collect()),
        DataType::I16 => Data::I16(items.map(|q| q as i16).collect()),
        DataType::I32 => Data::I32(items.map(|q| q as i32).collect()),
        _ => Data::I8(items.map(|q| q as i8).collect()),
    };
    Ok(Tensor::new(result.shape.clone(), data)?)
}

/// Real numbers from integers.
pub(super) fn dequantize(dequantize: &Dequantize, operand: &Tensor, result: &Facts) -> Result<Tensor, ExecuteError> {
    let (size, inner) = match dequantize.axis {
        Some(axis) => (operand.shape()[axis], operand.shape()[axis + 1..].iter().product()),
        None => (1, operand.len()),
    };
    let real = |(index, q): (usize, i64)| {
        let (scale, zero_point) = dequantize.at(index / inner.max(1) % size.max(1));
        (q - i64::from(zero_point)) as f32 * scale
    };
    let items = operand.to_i64().into_iter().enumerate().map(real).collect();
    Ok(Tensor::from_vec(result.shape.clone(), items)?)
}

#[cfg(test)]
mod tests {
    use super::super::evaluate;
    use super::*;
    use crate::graph::Op;

    #[test]
    fn ties_go_to_even_and_results_saturate() {
        let x = Tensor::vector(vec![0.25f32, 0.75, 1.25, -0.25, 1e9, -1e9, f32::NAN]);
        let op = |zero_point, to| Op::Quantize(Quantize { scale: 0.5, zero_point, to });
        let signed = evaluate(&op(3, DataType::I8), &[&x]).unwrap();
        assert_eq!(signed[0], Tensor::vector(vec![3i8, 5, 5, 3, 127, -128, 3]));
        let unsigned = evaluate(&op(131, DataType::U8), &[&x]).unwrap();
        assert_eq!(unsigned[0], Tensor::vector(vec![131u8, 133, 133, 131, 255, 0, 131]));
    }

    #[test]
    fn scales_run_along_their_axis() {
        let q = Tensor::from_vec(vec![2, 3], vec![1i8, 2, 3, 4, 5, 6]).unwrap();
        let op = Op::Dequantize(Dequantize { scales: vec![1.0, 0.5, 2.0], zero_points: vec![0, 1, -1], axis: Some(1) });
        let real = evaluate(&op, &[&q]).unwrap();
        assert_eq!(real[0].as_f32().unwrap(), [1.0, 0.5, 8.0, 4.0, 2.0, 14.0]);
        let bias = Tensor::vector(vec![i32::MAX, -7]);
        let real = evaluate(&Op::Dequantize(Dequantize::per_tensor(0.5, 0)), &[&bias]).unwrap();
        assert_eq!(real[0].as_f32().unwrap(), [i32::MAX as f32 * 0.5, -3.5]);
    }
}
