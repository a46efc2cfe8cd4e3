//! What the lowering of one node works with.

use super::attributes::Attributes;
use crate::graph::ValueId;
use crate::import::Reason;
use crate::import::{Emitter, State};
use crate::reference::pb::NodeProto;
use crate::tensor::{DataType, Tensor};
use std::ops::{Deref, DerefMut};

/// The lowering of one operator.
pub(super) type Function = fn(&mut Lowering<'_>) -> Result<(), Reason>;

/// One node on its way into the graph.
pub(super) struct Lowering<'a> {
    /// The node's attributes.
    pub(super) attributes: Attributes<'a>,
    /// The version of the operator set.
    pub(super) opset: i64,
    emitter: Emitter<'a>,
    node: &'a NodeProto,
    inputs: Vec<Option<ValueId>>,
    outputs: Vec<Option<ValueId>>,
    /// Values from this index on were made by this lowering.
    first_own: usize,
}

impl<'a> Deref for Lowering<'a> {
    type Target = Emitter<'a>;

    fn deref(&self) -> &Emitter<'a> {
        &self.emitter
    }
}

impl DerefMut for Lowering<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.emitter
    }
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
            emitter: Emitter { state, name },
            node,
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

    /// An operand that must be a constant.
    pub(super) fn constant(&self, index: usize) -> Result<&Tensor, Reason> {
        let value = self.input(index)?;
        self.known(value)
            .ok_or_else(|| Reason::NotConstant { index, name: self.node.input.get(index).cloned().unwrap_or_default() })
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
}
