//! Normalization.

use super::ExecuteError;
use crate::graph::ops::Normalize;
use crate::tensor::Tensor;

/// Each line of elements that are normalised together, with its sums in order.
pub(super) fn normalize(normalize: &Normalize, operands: &[&Tensor]) -> Result<Tensor, ExecuteError> {
    let shape = operands[0].shape();
    let size: usize = shape[shape.len() - normalize.axes..].iter().product();
    let parameter = |index: usize| operands.get(index).map(|operand| operand.as_f32()).transpose();
    let (scale, offset) = (parameter(1)?, parameter(2)?);
    let mut made = Vec::with_capacity(operands[0].len());
    for line in operands[0].as_f32()?.chunks_exact(size.max(1)) {
        let count = size as f32;
        let mean = if normalize.root_mean_square { 0.0 } else { line.iter().sum::<f32>() / count };
        let variance = line.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / count;
        let factor = 1.0 / (variance + normalize.epsilon).sqrt();
        made.extend(line.iter().enumerate().map(|(index, x)| {
            (x - mean) * factor * scale.map_or(1.0, |scale| scale[index]) + offset.map_or(0.0, |offset| offset[index])
        }));
    }
    Ok(Tensor::from_vec(shape.to_vec(), made)?)
}

#[cfg(test)]
mod tests {
    use crate::execute::evaluate;
    use crate::graph::Op;
    use crate::graph::ops::Normalize;
    use crate::tensor::Tensor;

    #[test]
    fn lines_have_mean_zero_and_variance_one_before_scale_and_offset() {
        let x = Tensor::from_vec(vec![2, 2], vec![1.0f32, 3.0, -2.0, -2.0]).unwrap();
        let (scale, offset) = (Tensor::vector(vec![2.0f32, 1.0]), Tensor::vector(vec![0.5f32, 0.0]));
        let op = |root_mean_square| Op::Normalize(Normalize { axes: 1, root_mean_square, epsilon: 0.0 });
        let got = evaluate(&op(true), &[&x]).unwrap();
        assert_eq!(got[0].as_f32().unwrap()[2..], [-1.0, -1.0]);
        let line = x.clone().reshape(vec![4]).unwrap();
        let got = evaluate(&op(false), &[&line]).unwrap();
        assert!(got[0].as_f32().unwrap().iter().sum::<f32>().abs() < 1e-6);
        let first = Tensor::from_vec(vec![1, 2], vec![1.0f32, 3.0]).unwrap();
        let got = evaluate(&op(false), &[&first, &scale, &offset]).unwrap();
        assert_eq!(got[0].as_f32().unwrap(), [-1.5, 1.0]);
    }
}
