//! What the lowerings of all importers build the graph with.

use super::error::{Reason, refuse};
use crate::execute;
use crate::graph::ops::{
    Binary, BinaryKind, Compare, Dequantize, FullyConnected, Gather, Reduce, ReduceKind, Reshape, Slice, SliceRange,
    Transpose, Unary,
};
use crate::graph::{Graph, Op, ValueId};
use crate::tensor::{Data, DataType, Tensor, element_count, map_items};
use std::collections::HashMap;

/// How many times the bytes of the file's constants the evaluated ones may take.
const CONSTANT_FACTOR: usize = 8;

/// What lowerings share.
pub(super) struct State {
    pub(super) graph: Graph,
    /// Constants reordered or otherwise derived, by source and what was done.
    pub(super) derived: HashMap<(ValueId, String), ValueId>,
    /// Bytes that further constants may take.
    pub(super) constant_bytes: usize,
}

impl State {
    /// A graph, and the bytes that evaluated constants may take beyond those that the file's constants allow for.
    pub(super) fn new(graph: Graph, spare_bytes: usize) -> Self {
        Self { graph, derived: HashMap::new(), constant_bytes: spare_bytes }
    }

    /// Allows for evaluated constants as a constant of the file of this many bytes asks for.
    pub(super) fn allow(&mut self, bytes: usize) {
        self.constant_bytes = self.constant_bytes.saturating_add(bytes.saturating_mul(CONSTANT_FACTOR));
    }

    /// Adds a constant that was evaluated, if it fits what is left of the memory for those.
    pub(super) fn add_derived(&mut self, name: &str, tensor: Tensor) -> Result<ValueId, Reason> {
        self.constant_bytes = self.constant_bytes.checked_sub(byte_size(&tensor)).ok_or(Reason::TooLarge)?;
        Ok(self.graph.add_constant(name, tensor))
    }
}

/// The bytes a tensor takes.
pub(super) fn byte_size(tensor: &Tensor) -> usize {
    tensor.len().saturating_mul(tensor.data_type().size())
}

/// Adds values to the graph in the name of one node.
pub(super) struct Emitter<'a> {
    pub(super) state: &'a mut State,
    /// The node's name.
    pub(super) name: &'a str,
}

/// Building.
impl Emitter<'_> {
    /// The dimensions of a value.
    pub(super) fn shape(&self, value: ValueId) -> Vec<usize> {
        self.state.graph.value(value).shape.clone()
    }

    /// The element type of a value.
    pub(super) fn data_type(&self, value: ValueId) -> DataType {
        self.state.graph.value(value).dtype
    }

    /// The constant a value holds, if it is one.
    pub(super) fn known(&self, value: ValueId) -> Option<&Tensor> {
        self.state.graph.constant(value)
    }

    /// Whether a value is a constant, quantised or not.
    pub(super) fn is_known(&self, value: ValueId) -> bool {
        self.state.graph.is_known(value)
    }

    /// Adds a node. Where all operands are constants, its result is evaluated at once.
    pub(super) fn emit(&mut self, op: Op, inputs: &[ValueId]) -> Result<ValueId, Reason> {
        let constants: Option<Vec<&Tensor>> = inputs.iter().map(|&input| self.state.graph.constant(input)).collect();
        if let Some(operands) = constants
            && execute::is_cheap(&op, &operands)
        {
            let mut results = execute::evaluate(&op, &operands)?;
            if results.len() == 1 {
                return self.state.add_derived(self.name, results.remove(0));
            }
        }
        Ok(self.state.graph.add_node(self.name, op, inputs)?)
    }

    /// Counts a constant that is about to be made, before memory is taken for it.
    pub(super) fn reserve(&mut self, bytes: usize) -> Result<(), Reason> {
        self.state.constant_bytes = self.state.constant_bytes.checked_sub(bytes).ok_or(Reason::TooLarge)?;
        Ok(())
    }

    /// Adds a constant made by the lowering.
    pub(super) fn emit_constant(&mut self, tensor: Tensor) -> Result<ValueId, Reason> {
        self.state.add_derived(self.name, tensor)
    }

    /// Adds a constant that the file holds in the node itself.
    pub(super) fn add_file_constant(&mut self, tensor: Tensor) -> ValueId {
        self.state.graph.add_constant(self.name, tensor)
    }

    /// A constant derived from another one; asked for again, the same value is returned. `what`
    /// names the derivation.
    pub(super) fn derive(
        &mut self,
        source: ValueId,
        what: &str,
        make: impl FnOnce(&Tensor) -> Result<Tensor, Reason>,
    ) -> Result<ValueId, Reason> {
        let key = (source, what.to_owned());
        if let Some(&value) = self.state.derived.get(&key) {
            return Ok(value);
        }
        let Some(tensor) = self.known(source) else {
            return Err(Reason::Operand("a constant operand is needed".to_owned()));
        };
        let tensor = make(tensor)?;
        let name = self.state.graph.value(source).name.clone();
        let value = self.state.add_derived(&name, tensor)?;
        self.state.derived.insert(key, value);
        Ok(value)
    }

    /// The value with its axes reordered; a constant is reordered once and for all.
    pub(super) fn transpose(&mut self, value: ValueId, permutation: &[usize]) -> Result<ValueId, Reason> {
        if permutation.iter().enumerate().all(|(axis, &from)| axis == from) {
            return Ok(value);
        }
        if self.known(value).is_some() {
            return self
                .derive(value, &format!("transpose {permutation:?}"), |tensor| Ok(tensor.transpose(permutation)?));
        }
        if let Some((integers, dequantize)) = self.quantized(value) {
            let moved = self.transpose(integers, permutation)?;
            return self.dequantize(moved, dequantize.transposed(permutation));
        }
        self.emit(Op::Transpose(Transpose { permutation: permutation.to_vec() }), &[value])
    }

    /// The constant of integers that a quantised constant is made of, and how it is read.
    fn quantized(&self, value: ValueId) -> Option<(ValueId, Dequantize)> {
        let (_, dequantize) = self.state.graph.quantized_constant(value)?;
        let reader = self.state.graph.node(self.state.graph.producer(value)?)?;
        Some((reader.inputs[0], dequantize.clone()))
    }

    /// The real numbers that integers stand for.
    pub(super) fn dequantize(&mut self, integers: ValueId, dequantize: Dequantize) -> Result<ValueId, Reason> {
        self.emit(Op::Dequantize(dequantize), &[integers])
    }

    /// The value in another shape.
    pub(super) fn reshape(&mut self, value: ValueId, shape: &[usize]) -> Result<ValueId, Reason> {
        if self.state.graph.value(value).shape == shape {
            return Ok(value);
        }
        if self.known(value).is_some() {
            return self
                .derive(value, &format!("reshape {shape:?}"), |tensor| Ok(tensor.clone().reshape(shape.to_vec())?));
        }
        if let Some((integers, dequantize)) = self.quantized(value)
            && let Some(dequantize) = dequantize.reshaped(&self.shape(integers), shape)
        {
            let reshaped = self.reshape(integers, shape)?;
            return self.dequantize(reshaped, dequantize);
        }
        self.emit(Op::Reshape(Reshape { shape: shape.to_vec() }), &[value])
    }

    /// An axis of a tensor of `rank`, where negative numbers count from the end.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, Reason> {
        let from_end = i64::try_from(rank).unwrap_or(i64::MAX);
        let counted = if axis < 0 { axis.saturating_add(from_end) } else { axis };
        usize::try_from(counted)
            .ok()
            .filter(|&axis| axis < rank)
            .ok_or_else(|| refuse("axis", axis.to_string(), format!("the operand has {rank} dimensions")))
    }

    /// Several axes, ascending and each once.
    pub(super) fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>, Reason> {
        if axes.len() > rank {
            return Err(refuse(
                "axes",
                format!("a list of {}", axes.len()),
                format!("the operand has {rank} dimensions"),
            ));
        }
        let mut found = axes.iter().map(|&axis| self.axis(axis, rank)).collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable();
        if found.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(refuse("axes", format!("{axes:?}"), "each axis once"));
        }
        Ok(found)
    }

    /// Gives a value a name.
    pub(super) fn rename(&mut self, value: ValueId, name: &str) {
        self.state.graph.rename(value, name);
    }

    /// The one number of a constant, quantised or not, that has exactly one.
    pub(super) fn single(&self, value: ValueId) -> Option<f32> {
        let graph = &self.state.graph;
        match graph.quantized_constant(value) {
            Some((integers, dequantize)) if dequantize.axis.is_none() => {
                execute::dequantized(integers, dequantize).ok()?.single_f32()
            }
            _ => graph.constant(value)?.single_f32(),
        }
    }
}

/// Compositions.
impl Emitter<'_> {
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
