//! Operators that compare elements and choose between them.

use super::ExecuteError;
use super::arithmetic::expand;
use super::reduction::lanes;
use crate::graph::ops::{Compare, Facts, TopPositions};
use crate::tensor::{Data, DataType, Element, Tensor, map_items, strides};
use std::cmp::Ordering;

/// A question about two broadcast tensors.
pub(super) fn compare(compare: Compare, operands: &[&Tensor], result: &Facts) -> Result<Tensor, ExecuteError> {
    fn ask<T: PartialOrd + Element>(
        compare: Compare,
        operands: [(&[T], &[usize]); 2],
        shape: &[usize],
    ) -> Result<Tensor, ExecuteError> {
        let [left, right] = operands.map(|(items, from)| expand(items, from, shape));
        let ask: fn(&T, &T) -> bool = match compare {
            Compare::Equal => |a, b| a == b,
            Compare::Less => |a, b| a < b,
            Compare::LessOrEqual => |a, b| a <= b,
        };
        let answers: Vec<bool> = left.iter().zip(right.iter()).map(|(a, b)| ask(a, b)).collect();
        Ok(Tensor::from_vec(shape.to_vec(), answers)?)
    }
    let [left, right] = [operands[0], operands[1]];
    if left.data_type() == DataType::F32 {
        let pair = [(left.as_f32()?, left.shape()), (right.as_f32()?, right.shape())];
        return ask(compare, pair, &result.shape);
    }
    let (a, b) = (left.to_i64(), right.to_i64());
    ask(compare, [(&a, left.shape()), (&b, right.shape())], &result.shape)
}

/// One of two tensors, element by element.
pub(super) fn select(operands: &[&Tensor], result: &Facts) -> Result<Tensor, ExecuteError> {
    fn choose<T: Element>(operands: &[&Tensor], shape: &[usize]) -> Result<Data, ExecuteError> {
        let condition = expand(operands[0].as_slice::<bool>()?, operands[0].shape(), shape);
        let yes = expand(operands[1].as_slice::<T>()?, operands[1].shape(), shape);
        let no = expand(operands[2].as_slice::<T>()?, operands[2].shape(), shape);
        let chosen = condition.iter().zip(yes.iter().zip(no.iter()));
        Ok(T::wrap(chosen.map(|(&condition, (&yes, &no))| if condition { yes } else { no }).collect()))
    }
    let shape = &result.shape;
    let data = match result.dtype {
        DataType::F32 => choose::<f32>(operands, shape),
        DataType::I64 => choose::<i64>(operands, shape),
        DataType::I32 => choose::<i32>(operands, shape),
        DataType::I16 => choose::<i16>(operands, shape),
        DataType::I8 => choose::<i8>(operands, shape),
        DataType::U8 => choose::<u8>(operands, shape),
        DataType::Bool => choose::<bool>(operands, shape),
    }?;
    Ok(Tensor::new(shape.clone(), data)?)
}

/// Single elements along an axis.
pub(super) fn gather_elements(axis: usize, operands: &[&Tensor], result: &Facts) -> Result<Tensor, ExecuteError> {
    let size = operands[0].shape()[axis];
    let steps = strides(operands[0].shape());
    let own = strides(&result.shape);
    let sources = operands[1]
        .as_i64()?
        .iter()
        .enumerate()
        .map(|(index, &position)| {
            let counted = if position < 0 { position.saturating_add(size as i64) } else { position };
            let found = usize::try_from(counted).ok().filter(|&index| index < size);
            let found = found.ok_or(ExecuteError::Position { position, size })?;
            let others = (0..own.len())
                .filter(|&other| other != axis)
                .map(|other| index / own[other] % result.shape[other] * steps[other]);
            Ok(others.sum::<usize>() + found * steps[axis])
        })
        .collect::<Result<Vec<usize>, ExecuteError>>()?;
    let data = map_items!(operands[0].data(), items => sources.iter().map(|&source| items[source]).collect());
    Ok(Tensor::new(result.shape.clone(), data)?)
}

/// Positions of the best elements along an axis; a NaN is larger than any number.
pub(super) fn top_positions(top: &TopPositions, operand: &Tensor, result: &Facts) -> Result<Tensor, ExecuteError> {
    fn sorted<T: Copy>(
        items: &[T],
        shape: &[usize],
        top: &TopPositions,
        order: impl Fn(T, T) -> Ordering,
    ) -> Vec<Vec<usize>> {
        lanes(shape, top.axis)
            .map(|(start, step)| {
                let at = |index: usize| items[start + index * step];
                let mut positions: Vec<usize> = (0..shape[top.axis]).collect();
                positions.sort_by(|&a, &b| if top.largest { order(at(b), at(a)) } else { order(at(a), at(b)) });
                positions
            })
            .collect()
    }
    let float = |a: f32, b: f32| a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
    let best = match operand.data_type() {
        DataType::F32 => sorted(operand.as_f32()?, operand.shape(), top, float),
        _ => sorted(&operand.to_i64(), operand.shape(), top, |a, b| a.cmp(&b)),
    };
    let mut output = vec![0i64; result.shape.iter().product()];
    for ((start, step), best) in lanes(&result.shape, top.axis).zip(best) {
        for (index, position) in best.into_iter().take(top.count).enumerate() {
            output[start + index * step] = position as i64;
        }
    }
    Ok(Tensor::from_vec(result.shape.clone(), output)?)
}

#[cfg(test)]
mod tests {
    use super::super::evaluate;
    use super::*;
    use crate::graph::Op;
    use crate::graph::ops::GatherElements;

    fn matrix() -> Tensor {
        Tensor::from_vec(vec![2, 3], vec![1.0f32, 5.0, 3.0, 4.0, 5.0, f32::NAN]).unwrap()
    }

    #[test]
    fn a_comparison_with_nan_is_false() {
        let limit = Tensor::scalar(4.0f32);
        let ask = |compare| evaluate(&Op::Compare(compare), &[&matrix(), &limit]).unwrap().remove(0);
        let answers = |bits: [u8; 6]| Tensor::from_vec(vec![2, 3], bits.map(|bit| bit == 1).to_vec()).unwrap();
        assert_eq!(ask(Compare::Less), answers([1, 0, 1, 0, 0, 0]));
        assert_eq!(ask(Compare::LessOrEqual), answers([1, 0, 1, 1, 0, 0]));
        assert_eq!(ask(Compare::Equal), answers([0, 0, 0, 1, 0, 0]));
    }

    #[test]
    fn a_choice_broadcasts_all_operands() {
        let condition = Tensor::from_vec(vec![2, 1], vec![true, false]).unwrap();
        let yes = Tensor::vector(vec![1i64, 2]);
        let result = evaluate(&Op::Select, &[&condition, &yes, &Tensor::scalar(9i64)]).unwrap().remove(0);
        assert_eq!(result, Tensor::from_vec(vec![2, 2], vec![1i64, 2, 9, 9]).unwrap());
    }

    #[test]
    fn the_best_come_first_and_equals_in_order() {
        let top = TopPositions { axis: 0, count: 1, largest: true };
        let result = evaluate(&Op::TopPositions(top), &[&matrix()]).unwrap().remove(0);
        assert_eq!(result, Tensor::from_vec(vec![1, 3], vec![1i64, 0, 1]).unwrap());
        let top = TopPositions { axis: 1, count: 2, largest: false };
        let result = evaluate(&Op::TopPositions(top), &[&matrix()]).unwrap().remove(0);
        assert_eq!(result, Tensor::from_vec(vec![2, 2], vec![0i64, 2, 0, 1]).unwrap());
    }

    #[test]
    fn single_elements_are_taken_along_either_axis() {
        let positions = Tensor::from_vec(vec![1, 3], vec![-1i64, 0, 0]).unwrap();
        let op = Op::GatherElements(GatherElements { axis: 0 });
        let result = evaluate(&op, &[&matrix(), &positions]).unwrap().remove(0);
        assert_eq!(result.as_f32().unwrap(), [4.0, 5.0, 3.0]);
        let beyond = Tensor::from_vec(vec![1, 3], vec![2i64, 0, 0]).unwrap();
        assert!(evaluate(&op, &[&matrix(), &beyond]).is_err());
    }
}
