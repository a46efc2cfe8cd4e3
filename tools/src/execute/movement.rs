//! Operators that move elements.

use super::ExecuteError;
use crate::graph::ops::{Facts, Pad, Slice};
use crate::tensor::{Data, Element, Tensor, gather_strided, map_items, strides};

/// Operands one after another along an axis.
pub(super) fn concat(axis: usize, operands: &[&Tensor], result: &Facts) -> Result<Tensor, ExecuteError> {
    fn join<T: Element>(axis: usize, operands: &[&Tensor], result: &Facts) -> Result<Data, ExecuteError> {
        let outer: usize = result.shape[..axis].iter().product();
        let parts = operands
            .iter()
            .map(|operand| {
                let block: usize = operand.shape()[axis..].iter().product();
                Ok((operand.as_slice::<T>()?, block))
            })
            .collect::<Result<Vec<_>, ExecuteError>>()?;
        let mut joined = Vec::with_capacity(result.shape.iter().product());
        for index in 0..outer {
            for &(items, block) in &parts {
                joined.extend_from_slice(&items[index * block..(index + 1) * block]);
            }
        }
        Ok(T::wrap(joined))
    }
    let data = match operands[0].data() {
        Data::F32(_) => join::<f32>(axis, operands, result),
        Data::I64(_) => join::<i64>(axis, operands, result),
        Data::I32(_) => join::<i32>(axis, operands, result),
        Data::I16(_) => join::<i16>(axis, operands, result),
        Data::I8(_) => join::<i8>(axis, operands, result),
        Data::U8(_) => join::<u8>(axis, operands, result),
        Data::Bool(_) => join::<bool>(axis, operands, result),
    }?;
    Ok(Tensor::new(result.shape.clone(), data)?)
}

/// The operand in the middle of a constant.
pub(super) fn pad(pad: &Pad, operand: &Tensor, result: &Facts) -> Result<Tensor, ExecuteError> {
    let items = operand.as_f32()?;
    let shape = operand.shape();
    let mut output = vec![pad.value; result.shape.iter().product()];
    let steps = strides(&result.shape);
    let start: usize = pad.before.iter().zip(&steps).map(|(before, step)| before * step).sum();
    // Where each element goes, in the order of the operand.
    let everywhere: Vec<usize> = (0..output.len()).collect();
    let targets = gather_strided(&everywhere, shape, &steps, start);
    for (&target, &item) in targets.iter().zip(items) {
        output[target] = item;
    }
    Ok(Tensor::from_vec(result.shape.clone(), output)?)
}

/// A regular part.
pub(super) fn slice(slice: &Slice, operand: &Tensor, result: &Facts) -> Result<Tensor, ExecuteError> {
    let own = strides(operand.shape());
    let steps: Vec<usize> = slice.ranges.iter().zip(&own).map(|(range, stride)| range.step * stride).collect();
    let start: usize = slice.ranges.iter().zip(&own).map(|(range, stride)| range.start * stride).sum();
    let data = map_items!(operand.data(), items => gather_strided(items, &result.shape, &steps, start));
    Ok(Tensor::new(result.shape.clone(), data)?)
}

/// Slices along an axis at given positions.
pub(super) fn gather(axis: usize, operands: &[&Tensor], result: &Facts) -> Result<Tensor, ExecuteError> {
    let shape = operands[0].shape();
    let size = shape[axis];
    let positions = operands[1]
        .as_i64()?
        .iter()
        .map(|&position| {
            let counted = if position < 0 { position.saturating_add(size as i64) } else { position };
            usize::try_from(counted).ok().filter(|&index| index < size).ok_or(ExecuteError::Position { position, size })
        })
        .collect::<Result<Vec<usize>, _>>()?;
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = shape[axis + 1..].iter().product();
    let data = map_items!(operands[0].data(), items => {
        let mut gathered = Vec::with_capacity(result.shape.iter().product());
        for index in 0..outer {
            for position in &positions {
                let start = (index * size + position) * inner;
                gathered.extend_from_slice(&items[start..start + inner]);
            }
        }
        gathered
    });
    Ok(Tensor::new(result.shape.clone(), data)?)
}

#[cfg(test)]
mod tests {
    use super::super::evaluate;
    use super::*;
    use crate::graph::Op;
    use crate::graph::ops::{Concat, Gather, SliceRange};

    fn matrix() -> Tensor {
        Tensor::from_vec(vec![2, 3], vec![1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap()
    }

    #[test]
    fn operands_are_joined_along_either_axis() {
        let column = Tensor::from_vec(vec![2, 1], vec![7.0f32, 8.0]).unwrap();
        let wide = evaluate(&Op::Concat(Concat { axis: 1 }), &[&matrix(), &column]).unwrap();
        assert_eq!(wide[0].as_f32().unwrap(), [1.0, 2.0, 3.0, 7.0, 4.0, 5.0, 6.0, 8.0]);
        assert!(evaluate(&Op::Concat(Concat { axis: 0 }), &[&matrix(), &column]).is_err());
    }

    #[test]
    fn a_pad_surrounds() {
        let op = Op::Pad(Pad { before: vec![1, 0], after: vec![0, 1], value: -1.0 });
        let result = evaluate(&op, &[&matrix()]).unwrap().remove(0);
        assert_eq!(result.shape(), [3, 4]);
        let expected = [-1.0, -1.0, -1.0, -1.0, 1.0, 2.0, 3.0, -1.0, 4.0, 5.0, 6.0, -1.0];
        assert_eq!(result.as_f32().unwrap(), expected);
    }

    #[test]
    fn a_slice_may_step() {
        let ranges = vec![SliceRange { start: 1, count: 1, step: 1 }, SliceRange { start: 0, count: 2, step: 2 }];
        let result = evaluate(&Op::Slice(Slice { ranges }), &[&matrix()]).unwrap().remove(0);
        assert_eq!(result, Tensor::from_vec(vec![1, 2], vec![4.0f32, 6.0]).unwrap());
    }

    #[test]
    fn positions_may_count_from_the_end_but_not_beyond() {
        let op = Op::Gather(Gather { axis: 1 });
        let result = evaluate(&op, &[&matrix(), &Tensor::scalar(-1i64)]).unwrap().remove(0);
        assert_eq!(result, Tensor::vector(vec![3.0f32, 6.0]));
        let error = evaluate(&op, &[&matrix(), &Tensor::vector(vec![3i64])]).unwrap_err();
        assert_eq!(error, ExecuteError::Position { position: 3, size: 3 });
    }
}
