//! The graph and the ways to change it. Every method keeps the links between nodes and values; the
//! order of nodes stays topological as long as a new operand is defined before its user, which
//! [`Graph::validate`] checks.

use super::error::GraphError;
use super::op::Op;
use super::ops::Facts;
use super::value::{Layout, Port, Value, ValueId};
use crate::tensor::{DataType, Tensor};
use std::collections::{BTreeMap, HashSet};

/// The index of a [`Node`] in its graph. Stable until [`Graph::compact`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(super) u32);

impl NodeId {
    /// A number that is unique in the graph; after [`Graph::compact`], the position in the order.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// The name, from the source model where it has one. Names need not be unique.
    pub name: String,
    /// What is done.
    pub op: Op,
    /// The operands, in the operator's order.
    pub inputs: Vec<ValueId>,
    /// The results, in the operator's order.
    pub outputs: Vec<ValueId>,
}

impl Node {
    /// The first result. Every operator has at least one.
    #[must_use]
    pub fn output(&self) -> ValueId {
        self.outputs[0]
    }
}

/// Who makes and who uses a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Links {
    pub(super) producer: Option<NodeId>,
    /// One entry per use: a node that uses a value twice is listed twice.
    pub(super) consumers: Vec<NodeId>,
}

/// A model: nodes in topological order over values with static shapes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The model's name.
    pub name: String,
    pub(super) values: Vec<Value>,
    pub(super) links: Vec<Links>,
    pub(super) nodes: Vec<Option<Node>>,
    pub(super) order: Vec<NodeId>,
    pub(super) inputs: Vec<Port>,
    pub(super) outputs: Vec<Port>,
    origins: BTreeMap<String, String>,
    /// Initial values of what is kept between runs: the last inputs are read from it, the last outputs replace it.
    pub(super) states: Vec<Tensor>,
}

/// Reading.
impl Graph {
    /// An empty graph.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// The graph's inputs, in the source model's order.
    #[must_use]
    pub fn inputs(&self) -> &[Port] {
        &self.inputs[..self.inputs.len() - self.states.len()]
    }

    /// The graph's outputs, in the source model's order.
    #[must_use]
    pub fn outputs(&self) -> &[Port] {
        &self.outputs[..self.outputs.len() - self.states.len()]
    }

    /// What is kept between runs: the port a run reads it from, the port that replaces it afterwards, and its first
    /// value.
    pub fn states(&self) -> impl Iterator<Item = (&Port, &Port, &Tensor)> {
        let read = &self.inputs[self.inputs.len() - self.states.len()..];
        let next = &self.outputs[self.outputs.len() - self.states.len()..];
        read.iter().zip(next).zip(&self.states).map(|((read, next), initial)| (read, next, initial))
    }

    /// A value.
    ///
    /// # Panics
    /// If the id is of another graph.
    #[must_use]
    pub fn value(&self, id: ValueId) -> &Value {
        &self.values[id.index()]
    }

    /// All values, at the index of their ids, used or not.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// All value ids, ascending.
    pub fn value_ids(&self) -> impl Iterator<Item = ValueId> + use<> {
        (0..self.values.len() as u32).map(ValueId)
    }

    /// A node, unless it was removed.
    #[must_use]
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.index())?.as_ref()
    }

    /// The nodes in topological order.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = (NodeId, &Node)> {
        self.order.iter().filter_map(|&id| Some((id, self.nodes[id.index()].as_ref()?)))
    }

    /// The ids of the nodes in topological order, as of now: a pass may change the graph while it
    /// walks them, and skips those that are gone.
    #[must_use]
    pub fn node_ids(&self) -> Vec<NodeId> {
        self.order.clone()
    }

    /// The number of nodes.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.order.len()
    }

    /// The node that makes a value; none for inputs and constants.
    #[must_use]
    pub fn producer(&self, value: ValueId) -> Option<NodeId> {
        self.links[value.index()].producer
    }

    /// The nodes that use a value, one entry per use.
    #[must_use]
    pub fn consumers(&self, value: ValueId) -> &[NodeId] {
        &self.links[value.index()].consumers
    }

    /// Whether a graph output carries this value.
    #[must_use]
    pub fn is_output(&self, value: ValueId) -> bool {
        self.outputs.iter().any(|port| port.value == value)
    }

    /// Whether a graph input carries this value.
    #[must_use]
    pub fn is_input(&self, value: ValueId) -> bool {
        self.inputs.iter().any(|port| port.value == value)
    }

    /// The source model's operator for a node of this name, where it was noted.
    #[must_use]
    pub fn origin(&self, node: &str) -> Option<&str> {
        self.origins.get(node).map(String::as_str)
    }

    /// The only use of a value, if it has exactly one and is no graph output.
    #[must_use]
    pub fn single_consumer(&self, value: ValueId) -> Option<NodeId> {
        match self.consumers(value) {
            &[consumer] if !self.is_output(value) => Some(consumer),
            _ => None,
        }
    }

    /// The constant an operand holds, if it is one.
    #[must_use]
    pub fn constant(&self, value: ValueId) -> Option<&Tensor> {
        self.value(value).constant.as_ref()
    }

    /// Shape and type of a value.
    #[must_use]
    pub fn facts(&self, value: ValueId) -> Facts {
        let value = self.value(value);
        Facts { shape: value.shape.clone(), dtype: value.dtype }
    }
}

/// Building.
impl Graph {
    /// Notes the source model's operator for the nodes of this name, for messages.
    pub fn set_origin(&mut self, node: impl Into<String>, operator: impl Into<String>) {
        self.origins.insert(node.into(), operator.into());
    }

    /// Adds a value that is neither constant nor made by a node yet.
    pub fn add_value(&mut self, name: impl Into<String>, shape: Vec<usize>, dtype: DataType) -> ValueId {
        self.insert_value(Value { name: name.into(), shape, dtype, constant: None })
    }

    /// Adds a constant.
    pub fn add_constant(&mut self, name: impl Into<String>, tensor: Tensor) -> ValueId {
        self.insert_value(Value {
            name: name.into(),
            shape: tensor.shape().to_vec(),
            dtype: tensor.data_type(),
            constant: Some(tensor),
        })
    }

    fn insert_value(&mut self, value: Value) -> ValueId {
        // 2^32 values do not fit in memory: each takes more than 64 bytes.
        let id = ValueId(self.values.len() as u32);
        self.values.push(value);
        self.links.push(Links::default());
        id
    }

    /// Adds a graph input in the source model's layout.
    pub fn add_input(&mut self, name: impl Into<String>, shape: Vec<usize>, dtype: DataType) -> ValueId {
        let name = name.into();
        let value = self.add_value(name.clone(), shape, dtype);
        self.inputs.push(Port { name, value, layout: Layout::Source });
        value
    }

    /// Names a value as the next graph output, in the source model's layout.
    pub fn add_output(&mut self, name: impl Into<String>, value: ValueId) {
        self.outputs.push(Port { name: name.into(), value, layout: Layout::Source });
    }

    /// Keeps `next` for the next run, which finds it in `read`; the first run finds `initial` there. After all inputs and
    /// outputs were added. `read` is a value of [`Graph::add_value`], of the shape and type of both others.
    pub fn add_state(&mut self, name: impl Into<String>, read: ValueId, next: ValueId, initial: Tensor) {
        let name = name.into();
        self.inputs.push(Port { name: name.clone(), value: read, layout: Layout::Source });
        self.outputs.push(Port { name, value: next, layout: Layout::Source });
        self.states.push(initial);
    }

    /// Adds a node at the end, with a new value for its first result; shape and type are inferred.
    /// The value takes the node's name.
    ///
    /// # Errors
    /// [`GraphError::Shape`] if the operator does not fit the operands.
    pub fn add_node(&mut self, name: impl Into<String>, op: Op, inputs: &[ValueId]) -> Result<ValueId, GraphError> {
        self.insert_at(self.order.len(), name.into(), op, inputs)
    }

    /// As [`Graph::add_node`], in the order just before `anchor`.
    ///
    /// # Errors
    /// [`GraphError::Shape`]; [`GraphError::NoSuch`] if `anchor` was removed.
    pub fn insert_before(
        &mut self,
        anchor: NodeId,
        name: impl Into<String>,
        op: Op,
        inputs: &[ValueId],
    ) -> Result<ValueId, GraphError> {
        let position = self.position(anchor)?;
        self.insert_at(position, name.into(), op, inputs)
    }

    /// As [`Graph::add_node`], in the order just after `anchor`.
    ///
    /// # Errors
    /// [`GraphError::Shape`]; [`GraphError::NoSuch`] if `anchor` was removed.
    pub fn insert_after(
        &mut self,
        anchor: NodeId,
        name: impl Into<String>,
        op: Op,
        inputs: &[ValueId],
    ) -> Result<ValueId, GraphError> {
        let position = self.position(anchor)? + 1;
        self.insert_at(position, name.into(), op, inputs)
    }

    fn position(&self, id: NodeId) -> Result<usize, GraphError> {
        self.order.iter().position(|&other| other == id).ok_or(GraphError::NoSuch { what: "node", index: id.index() })
    }

    fn insert_at(&mut self, position: usize, name: String, op: Op, inputs: &[ValueId]) -> Result<ValueId, GraphError> {
        let results = self.infer(&name, &op, inputs)?;
        let id = NodeId(self.nodes.len() as u32);
        let outputs: Vec<ValueId> =
            results.into_iter().map(|facts| self.add_value(name.clone(), facts.shape, facts.dtype)).collect();
        let first = outputs[0];
        for &input in inputs {
            self.links[input.index()].consumers.push(id);
        }
        for &output in &outputs {
            self.links[output.index()].producer = Some(id);
        }
        self.nodes.push(Some(Node { name, op, inputs: inputs.to_vec(), outputs }));
        self.order.insert(position, id);
        Ok(first)
    }

    pub(super) fn infer(&self, name: &str, op: &Op, inputs: &[ValueId]) -> Result<Vec<Facts>, GraphError> {
        let operands: Vec<Facts> = inputs.iter().map(|&input| self.facts(input)).collect();
        op.infer(&operands).map_err(|error| GraphError::Shape { node: name.to_owned(), operator: op.name(), error })
    }
}

/// Rewriting.
impl Graph {
    /// Write access to a node's operator. The results' shapes must stay what they are, or be
    /// brought up to date with [`Graph::refresh`].
    pub fn op_mut(&mut self, id: NodeId) -> Option<&mut Op> {
        Some(&mut self.nodes.get_mut(id.index())?.as_mut()?.op)
    }

    /// Renames a value.
    pub fn rename(&mut self, value: ValueId, name: impl Into<String>) {
        self.values[value.index()].name = name.into();
    }

    /// Replaces all operands of a node.
    ///
    /// # Errors
    /// [`GraphError::NoSuch`] if the node was removed.
    pub fn set_inputs(&mut self, id: NodeId, inputs: &[ValueId]) -> Result<(), GraphError> {
        let Some(node) = self.nodes.get_mut(id.index()).and_then(Option::as_mut) else {
            return Err(GraphError::NoSuch { what: "node", index: id.index() });
        };
        let before = std::mem::replace(&mut node.inputs, inputs.to_vec());
        for input in before {
            remove_one(&mut self.links[input.index()].consumers, id);
        }
        for &input in inputs {
            self.links[input.index()].consumers.push(id);
        }
        Ok(())
    }

    /// Replaces one operand of a node.
    ///
    /// # Errors
    /// [`GraphError::NoSuch`] if the node was removed or has no such operand.
    pub fn set_input(&mut self, id: NodeId, index: usize, value: ValueId) -> Result<(), GraphError> {
        let mut inputs = self.node(id).map(|node| node.inputs.clone()).unwrap_or_default();
        *inputs.get_mut(index).ok_or(GraphError::NoSuch { what: "node", index: id.index() })? = value;
        self.set_inputs(id, &inputs)
    }

    /// Infers the shapes and types of a node's results again, after its operator or operands
    /// changed. Users of the results are not looked at.
    ///
    /// # Errors
    /// [`GraphError::Shape`], [`GraphError::NoSuch`].
    pub fn refresh(&mut self, id: NodeId) -> Result<(), GraphError> {
        let node = self.node(id).ok_or(GraphError::NoSuch { what: "node", index: id.index() })?;
        let results = self.infer(&node.name, &node.op, &node.inputs)?;
        for (output, facts) in node.outputs.clone().into_iter().zip(results) {
            let value = &mut self.values[output.index()];
            value.shape = facts.shape;
            value.dtype = facts.dtype;
        }
        Ok(())
    }

    /// Lets every user of `old`, graph outputs included, use `new`.
    pub fn replace_uses(&mut self, old: ValueId, new: ValueId) {
        if old == new {
            return;
        }
        let consumers = std::mem::take(&mut self.links[old.index()].consumers);
        for &consumer in &consumers {
            if let Some(node) = &mut self.nodes[consumer.index()] {
                for input in &mut node.inputs {
                    if *input == old {
                        *input = new;
                    }
                }
            }
        }
        self.links[new.index()].consumers.extend(consumers);
        for port in &mut self.outputs {
            if port.value == old {
                port.value = new;
            }
        }
    }

    /// Lets graph outputs that carry `old` carry `new`.
    pub fn set_outputs(&mut self, old: ValueId, new: ValueId) {
        self.outputs.iter_mut().filter(|port| port.value == old).for_each(|port| port.value = new);
    }

    /// Removes a node. Its results stay as values without a source: replace their uses first.
    pub fn remove_node(&mut self, id: NodeId) {
        self.detach(id);
        self.order.retain(|&other| other != id);
    }

    /// Removes a node from everything but the order.
    fn detach(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(id.index()).and_then(Option::take) {
            for input in node.inputs {
                remove_one(&mut self.links[input.index()].consumers, id);
            }
            for output in node.outputs {
                self.links[output.index()].producer = None;
            }
        }
    }

    /// Turns the result of a node into a constant and removes the node.
    ///
    /// # Errors
    /// [`GraphError::Constant`] if the tensor has another shape or type than the value.
    pub fn make_constant(&mut self, value: ValueId, tensor: Tensor) -> Result<(), GraphError> {
        let entry = &mut self.values[value.index()];
        if tensor.shape() != entry.shape || tensor.data_type() != entry.dtype {
            return Err(GraphError::Constant { value: entry.name.clone() });
        }
        entry.constant = Some(tensor);
        if let Some(producer) = self.links[value.index()].producer {
            self.remove_node(producer);
        }
        Ok(())
    }

    /// Write access to the elements of a constant. The shape and type stay what they are.
    pub fn constant_mut(&mut self, value: ValueId) -> Option<&mut Tensor> {
        self.values[value.index()].constant.as_mut()
    }

    /// Lets a graph input be carried by another value in another layout. The value it had is left
    /// without a source: replace its uses.
    pub fn set_input_layout(&mut self, index: usize, layout: Layout, value: ValueId) {
        if let Some(port) = self.inputs.get_mut(index) {
            port.layout = layout;
            port.value = value;
        }
    }

    /// Lets a graph output carry another value in another layout.
    pub fn set_output_layout(&mut self, index: usize, layout: Layout, value: ValueId) {
        if let Some(port) = self.outputs.get_mut(index) {
            port.layout = layout;
            port.value = value;
        }
    }

    /// Removes the nodes whose results nobody uses, and returns how many there were.
    pub fn remove_dead(&mut self) -> usize {
        let kept: HashSet<ValueId> = self.outputs.iter().map(|port| port.value).collect();
        let mut dead = HashSet::new();
        for &id in self.order.clone().iter().rev() {
            let Some(node) = self.node(id) else { continue };
            let unused = |value: &ValueId| self.consumers(*value).is_empty() && !kept.contains(value);
            if node.outputs.iter().all(unused) {
                self.detach(id);
                dead.insert(id);
            }
        }
        self.order.retain(|id| !dead.contains(id));
        dead.len()
    }

    /// Drops unused values and removed nodes, and numbers the rest anew: values by first
    /// appearance (inputs, then per node operands and results), nodes by position. Graph inputs
    /// stay, used or not. All ids given out before lose their meaning.
    pub fn compact(&mut self) {
        let mut numbers: Vec<Option<u32>> = vec![None; self.values.len()];
        let mut sequence = Vec::new();
        let mut number = |value: ValueId| {
            let slot = &mut numbers[value.index()];
            ValueId(*slot.get_or_insert_with(|| {
                sequence.push(value);
                (sequence.len() - 1) as u32
            }))
        };
        for port in &mut self.inputs {
            port.value = number(port.value);
        }
        let mut nodes = Vec::with_capacity(self.order.len());
        for id in &self.order {
            if let Some(mut node) = self.nodes[id.index()].take() {
                for value in node.inputs.iter_mut().chain(&mut node.outputs) {
                    *value = number(*value);
                }
                nodes.push(Some(node));
            }
        }
        for port in &mut self.outputs {
            port.value = number(port.value);
        }
        let mut values: Vec<Option<Value>> = std::mem::take(&mut self.values).into_iter().map(Some).collect();
        self.values = sequence.into_iter().filter_map(|value| values[value.index()].take()).collect();
        self.order = (0..nodes.len() as u32).map(NodeId).collect();
        self.nodes = nodes;
        self.links = vec![Links::default(); self.values.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            let (id, Some(node)) = (NodeId(index as u32), node) else { continue };
            for input in &node.inputs {
                self.links[input.index()].consumers.push(id);
            }
            for output in &node.outputs {
                self.links[output.index()].producer = Some(id);
            }
        }
    }
}

fn remove_one(consumers: &mut Vec<NodeId>, id: NodeId) {
    if let Some(position) = consumers.iter().position(|&consumer| consumer == id) {
        consumers.remove(position);
    }
}
