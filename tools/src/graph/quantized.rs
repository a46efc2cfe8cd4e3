//! Quantised constants: integers that a [`Dequantize`] reads. They count as constants, and what moves their elements
//! moves the integers and the axis of the scales.

use super::edit::{Graph, NodeId};
use super::error::GraphError;
use super::op::Op;
use super::ops::Dequantize;
use super::value::ValueId;
use crate::tensor::Tensor;

impl Dequantize {
    /// The same for integers whose axis `i` was axis `permutation[i]`.
    #[must_use]
    pub fn transposed(&self, permutation: &[usize]) -> Self {
        let moved = |axis: usize| permutation.iter().position(|&from| from == axis);
        Self { axis: self.axis.and_then(moved), ..self.clone() }
    }

    /// The same for integers of shape `from` in another shape, if the axis is still there.
    #[must_use]
    pub fn reshaped(&self, from: &[usize], to: &[usize]) -> Option<Self> {
        let Some(axis) = self.axis else { return Some(self.clone()) };
        if from[axis] == 1 {
            return Some(Self { axis: None, ..self.clone() });
        }
        let outer = |shape: &[usize], axis: usize| shape[..axis].iter().product::<usize>();
        let same = |&other: &usize| to[other] == from[axis] && outer(to, other) == outer(from, axis);
        let axis = (0..to.len()).find(same)?;
        Some(Self { axis: Some(axis), ..self.clone() })
    }
}

impl Graph {
    /// The integers of a quantised constant and how they are read.
    #[must_use]
    pub fn quantized_constant(&self, value: ValueId) -> Option<(&Tensor, &Dequantize)> {
        let node = self.node(self.producer(value)?)?;
        match &node.op {
            Op::Dequantize(dequantize) => Some((self.constant(node.inputs[0])?, dequantize)),
            _ => None,
        }
    }

    /// Whether a value is a constant, quantised or not.
    #[must_use]
    pub fn is_known(&self, value: ValueId) -> bool {
        self.constant(value).is_some() || self.quantized_constant(value).is_some()
    }

    /// Whether any value is quantised by the model itself.
    #[must_use]
    pub fn is_quantized(&self) -> bool {
        self.nodes().any(|(_, node)| matches!(node.op, Op::Quantize(_) | Op::Dequantize(_)))
    }

    /// Adds a quantised constant that is read just before `anchor`.
    ///
    /// # Errors
    /// As [`Graph::insert_before`].
    pub fn insert_quantized(
        &mut self,
        anchor: NodeId,
        name: &str,
        integers: Tensor,
        dequantize: Dequantize,
    ) -> Result<ValueId, GraphError> {
        let integers = self.add_constant(name, integers);
        self.insert_before(anchor, name, Op::Dequantize(dequantize), &[integers])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn along(axis: usize, count: usize) -> Dequantize {
        Dequantize { scales: vec![1.0; count], zero_points: vec![0; count], axis: Some(axis) }
    }

    #[test]
    fn the_axis_moves_with_the_integers() {
        assert_eq!(along(0, 2).transposed(&[1, 2, 0]).axis, Some(2));
        assert_eq!(along(1, 3).transposed(&[0, 2, 3, 1]).axis, Some(3));
        assert_eq!(Dequantize::per_tensor(1.0, 0).transposed(&[1, 0]).axis, None);
    }

    #[test]
    fn a_reshape_keeps_the_axis_or_has_none() {
        let reshaped = |axis, from: &[usize], to: &[usize]| along(axis, from[axis]).reshaped(from, to);
        assert_eq!(reshaped(0, &[4, 3, 5], &[4, 3, 1, 5]).unwrap().axis, Some(0));
        assert_eq!(reshaped(1, &[2, 6, 3], &[1, 2, 6, 3]).unwrap().axis, Some(2));
        assert_eq!(reshaped(1, &[6, 1], &[6]).unwrap().axis, None);
        assert!(reshaped(0, &[4, 3], &[12]).is_none());
        assert!(reshaped(1, &[2, 6], &[6, 2]).is_none());
    }
}
