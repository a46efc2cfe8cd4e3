//! What the lowering of one node works with.

use super::attributes::Attributes;
use super::error::Reason;
use super::importer::State;
use crate::execute;
use crate::graph::ops::{Dequantize, Reshape, Transpose};
use crate::graph::{Op, ValueId};
use crate::reference::pb::NodeProto;
use crate::tensor::{DataType, Tensor};

/// The lowering of one operator.
pub(super) type Function = fn(&mut Lowering<'_>) -> Result<(), Reason>;

/// One node on its way into the graph.
pub(super) struct Lowering<'a> {
    /// The node's attributes.
    pub(super) attributes: Attributes<'a>,
    /// The version of the operator set.
    pub(super) opset: i64,
    state: &'a mut State,
    node: &'a NodeProto,
    name: &'a str,
    inputs: Vec<Option<ValueId>>,
    outputs: Vec<Option<ValueId>>,
    /// Values from this index on were made by this lowering.
    first_own: usize,
}

impl<'a> Lowering<'a> {
    /// Runs `function` and returns the values of the node's results that it makes.
    pub(super) fn run(
        state: &'a mut State,
        node: &'a NodeProto,
        name: &'a str,
        opset: i64,
        inputs: Vec<Option<ValueId>>,
        function: Function,
    ) -> Result<Vec<Option<ValueId>>, Reason> {
        let first_own = state.graph.values().len();
        state.graph.set_origin(name, &node.op_type);
        let mut lowering = Lowering {
            attributes: Attributes::new(node)?,
            opset,
            state,
            node,
            name,
            inputs,
            outputs: Vec::new(),
            first_own,
        };
        function(&mut lowering)?;
        lowering.attributes.finish()?;
        Ok(lowering.outputs)
    }

    /// The operator's name.
    pub(super) fn operator(&self) -> &'a str {
        &self.node.op_type
    }

    /// Whether the node names a result with this index.
    pub(super) fn has_output(&self, index: usize) -> bool {
        self.node.output.get(index).is_some_and(|name| !name.is_empty())
    }

    /// The number of results, left-out ones included.
    pub(super) fn output_count(&self) -> usize {
        self.node.output.len()
    }

    /// The number of operands, left-out ones in the middle included.
    pub(super) fn input_count(&self) -> usize {
        self.inputs.len()
    }

    /// An operand that must be present.
    pub(super) fn input(&self, index: usize) -> Result<ValueId, Reason> {
        self.optional_input(index).ok_or(Reason::MissingOperand { index })
    }

    /// An operand that may be left out.
    pub(super) fn optional_input(&self, index: usize) -> Option<ValueId> {
        self.inputs.get(index).copied().flatten()
    }

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

    /// An operand that must be a constant.
    pub(super) fn constant(&self, index: usize) -> Result<&Tensor, Reason> {
        let value = self.input(index)?;
        self.known(value)
            .ok_or_else(|| Reason::NotConstant { index, name: self.node.input.get(index).cloned().unwrap_or_default() })
    }

    /// Whether a value is a constant, quantised or not.
    pub(super) fn is_known(&self, value: ValueId) -> bool {
        self.state.graph.is_known(value)
    }

    /// An operand that must be a constant of real numbers, quantised or not.
    pub(super) fn weights(&self, index: usize) -> Result<ValueId, Reason> {
        let value = self.input(index)?;
        if self.state.graph.quantized_constant(value).is_none() {
            self.constant_f32(index)?;
        }
        Ok(value)
    }

    /// The elements of an operand that must be an f32 constant.
    pub(super) fn constant_f32(&self, index: usize) -> Result<&[f32], Reason> {
        Ok(self.constant(index)?.as_f32()?)
    }

    /// The elements of an operand that, where present, must be an integer constant.
    pub(super) fn optional_integers(&self, index: usize) -> Result<Option<Vec<i64>>, Reason> {
        match self.optional_input(index) {
            None => Ok(None),
            Some(_) => {
                let tensor = self.constant(index)?;
                match tensor.data_type() {
                    DataType::I64 | DataType::I32 => Ok(Some(tensor.to_i64())),
                    got => Err(Reason::Operand(format!("operand {index} must hold integers, got {got}"))),
                }
            }
        }
    }

    /// The one element of an operand that, where present, must be an f32 constant.
    pub(super) fn optional_scalar(&self, index: usize) -> Result<Option<f32>, Reason> {
        match self.optional_input(index) {
            None => Ok(None),
            Some(_) => match self.constant_f32(index)? {
                &[number] => Ok(Some(number)),
                other => Err(Reason::Operand(format!("operand {index} must be one number, got {}", other.len()))),
            },
        }
    }

    /// The result of another operator's lowering on these operands, with the attributes of this node.
    pub(super) fn with_operands(
        &mut self,
        operands: &[Option<ValueId>],
        function: Function,
    ) -> Result<ValueId, Reason> {
        let own = std::mem::replace(&mut self.inputs, operands.to_vec());
        let made = function(self);
        self.inputs = own;
        made?;
        self.outputs.drain(..).next().flatten().ok_or_else(|| Reason::Operand("it has no result".to_owned()))
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

    /// Makes `value` the node's result `index`.
    pub(super) fn set_output(&mut self, index: usize, value: ValueId) {
        if self.outputs.len() <= index {
            self.outputs.resize(index + 1, None);
        }
        self.outputs[index] = Some(value);
        // A value that stood for something before keeps its name.
        if value.index() >= self.first_own
            && let Some(name) = self.node.output.get(index)
        {
            self.state.graph.rename(value, name.clone());
        }
    }

    /// An axis of a tensor of `rank`, where negative numbers count from the end.
    pub(super) fn axis(&self, axis: i64, rank: usize) -> Result<usize, Reason> {
        let from_end = i64::try_from(rank).unwrap_or(i64::MAX);
        let counted = if axis < 0 { axis.saturating_add(from_end) } else { axis };
        usize::try_from(counted).ok().filter(|&axis| axis < rank).ok_or_else(|| {
            super::attributes::refuse("axis", axis.to_string(), format!("the operand has {rank} dimensions"))
        })
    }

    /// Several axes, ascending and each once.
    pub(super) fn axes(&self, axes: &[i64], rank: usize) -> Result<Vec<usize>, Reason> {
        if axes.len() > rank {
            return Err(super::attributes::refuse(
                "axes",
                format!("a list of {}", axes.len()),
                format!("the operand has {rank} dimensions"),
            ));
        }
        let mut found = axes.iter().map(|&axis| self.axis(axis, rank)).collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable();
        if found.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(super::attributes::refuse("axes", format!("{axes:?}"), "each axis once"));
        }
        Ok(found)
    }
}
