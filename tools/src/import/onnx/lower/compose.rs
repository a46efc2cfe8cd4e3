//! What lowerings compose other operators of.

use super::super::error::Reason;
use super::super::lowering::Lowering;
use crate::graph::ops::{
    Binary, BinaryKind, Compare, FullyConnected, Gather, Reduce, ReduceKind, Slice, SliceRange, Unary,
};
use crate::graph::{Op, ValueId};
use crate::tensor::{Data, DataType, Tensor, element_count, map_items};

impl Lowering<'_> {
    /// An operation on two broadcast tensors.
    pub(super) fn binary(&mut self, kind: BinaryKind, left: ValueId, right: ValueId) -> Result<ValueId, Reason> {
        self.emit(Op::Binary(Binary::new(kind)), &[left, right])
    }

    /// a + b.
    pub(super) fn add(&mut self, left: ValueId, right: ValueId) -> Result<ValueId, Reason> {
        self.binary(BinaryKind::Add, left, right)
    }

    /// a * b.
    pub(super) fn multiply(&mut self, left: ValueId, right: ValueId) -> Result<ValueId, Reason> {
        self.binary(BinaryKind::Mul, left, right)
    }

    /// A function of every element.
    pub(super) fn unary(&mut self, unary: Unary, operand: ValueId) -> Result<ValueId, Reason> {
        self.emit(Op::Unary(unary), &[operand])
    }

    /// A question about two broadcast tensors.
    pub(super) fn compare(&mut self, compare: Compare, left: ValueId, right: ValueId) -> Result<ValueId, Reason> {
        self.emit(Op::Compare(compare), &[left, right])
    }

    /// The opposite of truth values.
    pub(super) fn negate(&mut self, operand: ValueId) -> Result<ValueId, Reason> {
        let no = self.emit_constant(Tensor::scalar(false))?;
        self.compare(Compare::Equal, operand, no)
    }

    /// `yes` where the condition is true, else `no`.
    pub(super) fn select(&mut self, condition: ValueId, yes: ValueId, no: ValueId) -> Result<ValueId, Reason> {
        self.emit(Op::Select, &[condition, yes, no])
    }

    /// A constant number of the type of `like`.
    pub(super) fn number(&mut self, number: f32, like: ValueId) -> Result<ValueId, Reason> {
        let tensor = Tensor::scalar(number).cast(self.data_type(like));
        self.emit_constant(tensor)
    }

    /// The elements in another type.
    pub(super) fn cast(&mut self, value: ValueId, to: DataType) -> Result<ValueId, Reason> {
        if self.data_type(value) == to { Ok(value) } else { self.emit(Op::Cast(to), &[value]) }
    }

    /// All elements along some axes, combined; the axes stay.
    pub(super) fn reduce(&mut self, kind: ReduceKind, axes: &[usize], operand: ValueId) -> Result<ValueId, Reason> {
        self.emit(Op::Reduce(Reduce { kind, axes: axes.to_vec(), keep_dims: true }), &[operand])
    }

    /// The elements at `positions` of an axis, in that order; each must be below the axis's size.
    pub(super) fn pick(&mut self, value: ValueId, axis: usize, positions: &[usize]) -> Result<ValueId, Reason> {
        let shape = self.shape(value);
        let step = match positions {
            [first, second, ..] if second > first => second - first,
            _ => 1,
        };
        if let Some(&start) = positions.first()
            && positions.iter().enumerate().all(|(index, &position)| position == start + index * step)
        {
            let mut ranges: Vec<SliceRange> =
                shape.iter().map(|&count| SliceRange { start: 0, count, step: 1 }).collect();
            ranges[axis] = SliceRange { start, count: positions.len(), step };
            return self.slice(value, ranges);
        }
        let positions = positions.iter().map(|&position| position as i64).collect();
        let positions = self.emit_constant(Tensor::vector::<i64>(positions))?;
        self.emit(Op::Gather(Gather { axis }), &[value, positions])
    }

    /// The product of a `[out, in]` matrix with every line of elements along an axis.
    pub(super) fn along(&mut self, value: ValueId, axis: usize, matrix: ValueId) -> Result<ValueId, Reason> {
        let rank = self.shape(value).len();
        let mut swap: Vec<usize> = (0..rank).collect();
        swap.swap(axis, rank - 1);
        let value = self.transpose(value, &swap)?;
        let value = self.emit(Op::FullyConnected(FullyConnected::default()), &[value, matrix])?;
        self.transpose(value, &swap)
    }

    /// A regular part of a tensor.
    pub(super) fn slice(&mut self, value: ValueId, ranges: Vec<SliceRange>) -> Result<ValueId, Reason> {
        let whole = ranges.iter().zip(self.shape(value)).all(|(range, size)| range.count == size && size > 0);
        if whole { Ok(value) } else { self.emit(Op::Slice(Slice { ranges }), &[value]) }
    }

    /// A tensor of one known number, as a constant where it is small.
    pub(super) fn filled(&mut self, value: ValueId, shape: &[usize]) -> Result<ValueId, Reason> {
        match self.known(value).cloned() {
            Some(number) if number.len() == 1 => {
                let count = element_count(shape)?;
                self.reserve(count.saturating_mul(number.data_type().size()))?;
                let data = map_items!(number.data(), items => vec![items[0]; count]);
                let tensor = Tensor::new(shape.to_vec(), data)?;
                Ok(self.add_file_constant(tensor))
            }
            _ => self.expand(value, shape),
        }
    }

    /// The value repeated to `shape`, which its own shape must broadcast to.
    pub(super) fn expand(&mut self, value: ValueId, shape: &[usize]) -> Result<ValueId, Reason> {
        let source = self.shape(value);
        let lead = shape.len().saturating_sub(source.len());
        let mut full = vec![1; lead];
        full.extend(&source);
        let mut value = self.reshape(value, &full)?;
        for (axis, (&from, &to)) in full.iter().zip(shape).enumerate() {
            if from != to {
                let positions = self.emit_constant(Tensor::zeros::<i64>(vec![to])?)?;
                value = self.emit(Op::Gather(Gather { axis }), &[value, positions])?;
            }
        }
        Ok(value)
    }
}
