//! Interpolation.

use super::ExecuteError;
use crate::graph::ops::{Facts, Resize};
use crate::tensor::Tensor;

/// Interpolates along rows and columns: first along the columns of both rows, then between these.
pub(super) fn resize(resize: &Resize, operand: &Tensor, result: &Facts) -> Result<Tensor, ExecuteError> {
    let items = operand.as_f32()?;
    let axis = resize.first_axis;
    let [rows, columns] = [operand.shape()[axis], operand.shape()[axis + 1]];
    let inner: usize = operand.shape()[axis + 2..].iter().product();
    let mix = |weight: f32, a: f32, b: f32| a * (1.0 - weight) + b * weight;
    let mut made = Vec::with_capacity(result.shape.iter().product());
    for image in items.chunks_exact((rows * columns * inner).max(1)) {
        for row in &resize.rows {
            for column in &resize.columns {
                for channel in 0..inner {
                    let at = |row: usize, column: usize| image[(row * columns + column) * inner + channel];
                    let line = |row: usize| mix(column.weight, at(row, column.low), at(row, column.high));
                    made.push(mix(row.weight, line(row.low), line(row.high)));
                }
            }
        }
    }
    Ok(Tensor::from_vec(result.shape.clone(), made)?)
}

#[cfg(test)]
mod tests {
    use crate::execute::evaluate;
    use crate::graph::Op;
    use crate::graph::ops::{Resize, Tap};
    use crate::tensor::Tensor;

    #[test]
    fn elements_between_others_are_mixed() {
        let halves = vec![Tap { low: 0, high: 1, weight: 0.25 }, Tap { low: 1, high: 0, weight: 0.0 }];
        let op = Op::Resize(Resize { first_axis: 0, rows: Tap::identity(2), columns: halves });
        let x = Tensor::from_vec(vec![2, 2], vec![0.0f32, 4.0, 8.0, 16.0]).unwrap();
        let got = evaluate(&op, &[&x]).unwrap();
        assert_eq!(got, [Tensor::from_vec(vec![2, 2], vec![1.0f32, 4.0, 10.0, 16.0]).unwrap()]);
    }
}
