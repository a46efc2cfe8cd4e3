//! A graph as a candle computation over batches, with its constants as variables.
//!
//! The first axis of every activation is the batch: graphs have one row, a network as many as it is given. What an operator
//! computes, and what of it cannot be trained, stands in one file per family. Values are those of the graph's executor to within
//! rounding; gradients are candle's, or written beside the operation where candle has none or a slow one.

mod convolution;
mod elementwise;
mod linear;
mod movement;
mod pointwise;
mod pooling;
mod power;
mod reduction;
mod selection;
#[cfg(test)]
mod tests;
mod windows;

pub(crate) use reduction::log_softmax;

use bantam_tools::graph::{Graph, Node, Op, ValueId};
use bantam_tools::tensor::{DataType, Tensor as HostTensor};
use candle_core::{Device, Result, Tensor, Var};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use thiserror::Error;

/// A node that cannot be trained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Name of the node.
    pub node: String,
    /// Its operator.
    pub operator: String,
    /// Why.
    pub reason: String,
}

/// A graph that cannot be trained, with every node in the way.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct Refused(pub Vec<Refusal>);

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "nodes that cannot be trained: {}", self.0.len())?;
        for refusal in &self.0 {
            write!(formatter, "\n  '{}' ({}): {}", refusal.node, refusal.operator, refusal.reason)?;
        }
        Ok(())
    }
}

/// A constant that is trained.
#[derive(Clone, Debug)]
pub struct Variable {
    /// The constant in the graph.
    pub value: ValueId,
    /// Its name, unique in the network.
    pub name: String,
    /// The first layer that reads it.
    pub layer: String,
    /// Its elements.
    pub var: Var,
}

/// A graph that runs on batches and can be differentiated.
#[derive(Clone, Debug)]
pub struct Network {
    graph: Graph,
    constants: BTreeMap<ValueId, Tensor>,
    variables: Vec<Variable>,
}

impl Network {
    /// A network whose constants are variables: all f32 ones of more than one element. Single numbers, such as the factor that scales
    /// an image, stay what they are.
    ///
    /// # Errors
    /// [`Refused`] with every node that cannot be trained.
    pub fn trainable(graph: &Graph) -> std::result::Result<Self, Refused> {
        Self::new(graph, true)
    }

    /// A network that stays as it is: a teacher.
    ///
    /// # Errors
    /// [`Refused`], as for networks to be trained.
    pub fn fixed(graph: &Graph) -> std::result::Result<Self, Refused> {
        Self::new(graph, false)
    }

    fn new(graph: &Graph, trainable: bool) -> std::result::Result<Self, Refused> {
        let refusals = refusals(graph);
        if !refusals.is_empty() {
            return Err(Refused(refusals));
        }
        let mut network = Self { graph: graph.clone(), constants: BTreeMap::new(), variables: Vec::new() };
        let mut names = BTreeSet::new();
        for (_, node) in graph.nodes() {
            for &value in &node.inputs {
                let Some(constant) = graph.constant(value).filter(|_| !network.constants.contains_key(&value)) else {
                    continue;
                };
                let Ok(items) = constant.as_f32() else { continue };
                // Elements of a host tensor fit its shape, so candle takes them.
                let Ok(tensor) = Tensor::from_slice(items, constant.shape(), &Device::Cpu) else { continue };
                if trainable && items.len() > 1 {
                    let Ok(var) = Var::from_tensor(&tensor) else { continue };
                    let mut name = graph.value(value).name.clone();
                    if name.is_empty() || !names.insert(name.clone()) {
                        name = format!("{name}#{}", value.index());
                        names.insert(name.clone());
                    }
                    network.constants.insert(value, var.as_tensor().clone());
                    network.variables.push(Variable { value, name, layer: node.name.clone(), var });
                } else {
                    network.constants.insert(value, tensor);
                }
            }
        }
        Ok(network)
    }

    /// The graph as it was given; [`Network::trained`] has the variables as they are.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What is trained, in order of use.
    #[must_use]
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The graph with the variables as they are.
    ///
    /// # Errors
    /// What candle says.
    pub fn trained(&self) -> Result<Graph> {
        let mut graph = self.graph.clone();
        for variable in &self.variables {
            let items = variable.var.flatten_all()?.to_vec1::<f32>()?;
            if let Some(target) = graph.constant_mut(variable.value).and_then(|tensor| tensor.as_mut_slice().ok()) {
                target.copy_from_slice(&items);
            }
        }
        Ok(graph)
    }

    /// Runs a batch and gives the values of `wanted`. Inputs are f32, in the graph's order and layout, their first axis the batch.
    ///
    /// # Errors
    /// What candle says, such as for inputs of another shape.
    pub fn forward(&self, inputs: &[Tensor], wanted: &[ValueId]) -> Result<Vec<Tensor>> {
        self.forward_with(inputs, wanted, &BTreeMap::new(), |_, tensor| Ok(tensor))
    }

    /// As [`Network::forward`]; constants may be others, and every value passes through `replace` before others read it.
    ///
    /// # Errors
    /// What candle or `replace` says.
    pub fn forward_with(
        &self,
        inputs: &[Tensor],
        wanted: &[ValueId],
        constants: &BTreeMap<ValueId, Tensor>,
        mut replace: impl FnMut(ValueId, Tensor) -> Result<Tensor>,
    ) -> Result<Vec<Tensor>> {
        let mut values: BTreeMap<ValueId, Tensor> = BTreeMap::new();
        for (port, input) in self.graph.inputs().iter().zip(inputs) {
            values.insert(port.value, replace(port.value, input.clone())?);
        }
        for (_, node) in self.graph.nodes() {
            let operand = |value: &ValueId| {
                let constant = || constants.get(value).or_else(|| self.constants.get(value));
                let found = values.get(value).or_else(constant);
                found
                    .cloned()
                    .ok_or_else(|| candle_core::Error::Msg(format!("'{}' reads what is not there", node.name)))
            };
            let operands = match node.op {
                // Positions are constants of the graph, not tensors.
                Op::Gather(_) => vec![operand(&node.inputs[0])?],
                _ => node.inputs.iter().map(operand).collect::<Result<Vec<_>>>()?,
            };
            let result = evaluate(&self.graph, node, &operands)?;
            values.insert(node.output(), replace(node.output(), result)?);
        }
        let missing = |value: &ValueId| candle_core::Error::Msg(format!("no value {}", value.index()));
        wanted.iter().map(|value| values.get(value).cloned().ok_or_else(|| missing(value))).collect()
    }
}

/// A tensor of candle with the elements of a host tensor.
///
/// # Errors
/// If the elements are no f32.
pub fn tensor_of(host: &HostTensor) -> Result<Tensor> {
    let items = host.as_f32().map_err(candle_core::Error::wrap)?;
    Tensor::from_slice(items, host.shape(), &Device::Cpu)
}

/// What each result of a convolution of one group or of a dense layer is made of, as `[results, numbers]`, in the order of the weights.
///
/// # Errors
/// What candle says.
pub(crate) fn windows_of(graph: &Graph, node: &Node, input: &Tensor) -> Result<Tensor> {
    match &node.op {
        Op::Conv2d(conv) => convolution::rows(conv, graph, node, input),
        _ => {
            let depth = input.dims().last().copied().unwrap_or(1);
            input.contiguous()?.reshape((input.elem_count() / depth.max(1), depth))
        }
    }
}

/// The result of a node.
///
/// # Errors
/// What candle says.
pub(crate) fn evaluate(graph: &Graph, node: &Node, operands: &[Tensor]) -> Result<Tensor> {
    let shape = &graph.value(node.output()).shape;
    match &node.op {
        Op::Conv2d(conv) => convolution::conv2d(conv, graph, node, operands),
        Op::ConvTranspose2d(conv) => convolution::conv_transpose2d(conv, graph, node, operands),
        Op::FullyConnected(linear) => linear::fully_connected(linear, operands),
        Op::MatMul => linear::matmul(operands),
        Op::Binary(binary) => elementwise::binary(binary, operands),
        Op::Compare(compare) => selection::compare(*compare, operands),
        Op::Select => selection::select(operands),
        Op::Cast(_) => selection::cast(&operands[0]),
        Op::Unary(unary) => pointwise::apply(*unary, &operands[0]),
        Op::Clip(activation) => elementwise::clamp(*activation, operands[0].clone()),
        Op::BatchNorm => operands[0].broadcast_mul(&operands[1])?.broadcast_add(&operands[2]),
        Op::MaxPool2d(pool) => pooling::maximum(pool, graph, node, &operands[0]),
        Op::AveragePool2d(average) => pooling::average(average, graph, node, &operands[0]),
        Op::Reduce(reduce) => reduction::reduce(reduce, &operands[0]),
        Op::Normalize(normalize) => reduction::normalize(normalize, operands),
        Op::L2Normalize(normalize) => reduction::l2_normalize(normalize, &operands[0]),
        Op::Softmax(softmax) => reduction::softmax(softmax, &operands[0]),
        Op::LogSoftmax(softmax) => log_softmax(&operands[0], softmax.axis),
        Op::Resize(resize) => movement::resize(resize, &operands[0]),
        Op::Reshape(_) => movement::reshape(shape, &operands[0]),
        Op::Transpose(transpose) => operands[0].permute(transpose.permutation.as_slice())?.contiguous(),
        Op::Concat(concat) => movement::concat(concat, operands),
        Op::Pad(pad) => movement::pad(pad, &operands[0]),
        Op::Slice(slice) => movement::slice(slice, &operands[0]),
        Op::Gather(gather) => movement::gather(gather, graph, node, &operands[0]),
        other => candle_core::bail!("'{}' ({}) cannot be trained", node.name, other.name()),
    }
}

/// Every node that cannot be trained.
fn refusals(graph: &Graph) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (port, _, _) in graph.states() {
        let reason = "what is kept between runs cannot be trained";
        refusals.push(Refusal { node: port.name.clone(), operator: "state".into(), reason: reason.into() });
    }
    for port in graph.inputs() {
        let value = graph.value(port.value);
        let reason = match (value.dtype, value.shape.first()) {
            (DataType::F32, Some(1)) => continue,
            (DataType::F32, _) => format!("its shape {:?} does not begin with a batch of 1", value.shape),
            (dtype, _) => format!("its elements are {dtype}, not f32"),
        };
        refusals.push(Refusal { node: port.name.clone(), operator: "input".into(), reason });
    }
    for (_, node) in graph.nodes() {
        if let Err(reason) = check(graph, node) {
            let operator = graph.origin(&node.name).map_or_else(|| node.op.name().to_owned(), str::to_owned);
            refusals.push(Refusal { node: node.name.clone(), operator, reason });
        }
    }
    refusals
}

fn check(graph: &Graph, node: &Node) -> std::result::Result<(), String> {
    let output = graph.value(node.output());
    if output.shape.first() != Some(&1) {
        return Err(format!("its result {:?} does not begin with a batch of 1", output.shape));
    }
    let keeps_batch = |axis: usize| match axis {
        0 => Err("it works across rows of the batch".to_owned()),
        _ => Ok(()),
    };
    match &node.op {
        Op::Conv2d(_) | Op::FullyConnected(_) | Op::MaxPool2d(_) | Op::AveragePool2d(_) | Op::Clip(_) => Ok(()),
        Op::ConvTranspose2d(_) => Ok(()),
        Op::MatMul => linear::check_matmul(graph, node),
        Op::BatchNorm | Op::Normalize(_) => Ok(()),
        Op::Binary(binary) => elementwise::check_binary(binary, graph, node),
        Op::Unary(unary) => match pointwise::derivative(*unary) {
            Some(_) => Ok(()),
            None => Err("its derivative is zero almost everywhere".into()),
        },
        Op::Compare(_) => selection::check(graph, node, &[0, 1]),
        Op::Select => selection::check(graph, node, &[1, 2]),
        Op::Cast(to) => selection::check_cast(graph, node, *to),
        Op::Reduce(reduce) => reduction::check_reduce(reduce),
        Op::L2Normalize(normalize) => keeps_batch(normalize.axis),
        Op::Resize(resize) => keeps_batch(resize.first_axis),
        Op::Softmax(softmax) => keeps_batch(softmax.axis),
        Op::LogSoftmax(softmax) => keeps_batch(softmax.axis),
        Op::Reshape(_) => match graph.value(node.inputs[0]).shape.first() {
            Some(1) => Ok(()),
            _ => Err("its operand does not begin with a batch of 1".into()),
        },
        Op::Transpose(transpose) => keeps_batch(usize::from(transpose.permutation.first() == Some(&0))),
        Op::Concat(concat) => keeps_batch(concat.axis),
        Op::Pad(pad) => keeps_batch(usize::from(pad.before[0] + pad.after[0] == 0)),
        Op::Slice(_) => Ok(()),
        Op::Gather(gather) => {
            keeps_batch(gather.axis)?;
            match graph.constant(node.inputs[1]) {
                Some(_) => Ok(()),
                None => Err("its positions are computed".into()),
            }
        }
        Op::Quantize(_) | Op::Dequantize(_) => {
            Err("the model is quantised already; train the float model it was made from".into())
        }
        _ => Err("it has no derivative here".into()),
    }
}
