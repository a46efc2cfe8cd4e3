//! Lowering: a float [`Graph`] after its passes becomes a [`Program`] of runtime opcodes, in f32 or quantised to
//! 8 bits. Offsets in the arena are still missing; [`crate::plan`] finds them.
//!
//! Each file lowers one family of operators. An operator without a lowering, or a use of one that no opcode covers,
//! is refused by name; all refusals are collected into one error.

mod builder;
mod convolution;
mod elementwise;
mod gather;
mod linear;
mod movement;
mod parameters;
mod pooling;
mod quantization;
mod reduction;
mod resize;
mod state;
pub mod view;
mod wide;
mod window;
mod words;

use crate::graph::{Graph, Layout, Node, Op, ValueId};
use crate::quantize::{Parameters, QuantizedWeights};
use crate::tensor::DataType;
use bantam_format::writer::ModelDescription;
use bantam_format::{Arithmetic, IoRecord, IoRole, MAX_RANK, SourceLayout};
use builder::Builder;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use thiserror::Error;

/// What numbers the artifact computes with.
#[derive(Clone, Copy, Debug)]
pub enum Precision<'a> {
    /// 32-bit floats.
    Float,
    /// 8-bit integers, with the range of every activation.
    Int8 {
        /// Smallest and largest value of each activation.
        ranges: &'a BTreeMap<ValueId, (f32, f32)>,
        /// Activations of 16-bit integers, which the arithmetic `tflite` has.
        wide: &'a BTreeSet<ValueId>,
        /// Activations that stay in floating point, quantised where an integer op reads them.
        floats: &'a BTreeSet<ValueId>,
        /// Integers chosen for the layer that makes a value; other layers round to the nearest 8-bit ones.
        weights: &'a BTreeMap<ValueId, QuantizedWeights>,
        /// How accumulators are requantised.
        arithmetic: Arithmetic,
    },
    /// The model's own integers: 8 bits where its `Quantize` and `Dequantize` say so, floats elsewhere.
    Quantized {
        /// How accumulators are requantised.
        arithmetic: Arithmetic,
    },
}

/// A model in runtime opcodes, without memory plan.
#[derive(Clone, Debug)]
pub struct Program {
    /// What will be written, all arena offsets zero.
    pub description: ModelDescription,
    /// For each tensor, the earlier tensor whose memory it shares by definition (a reshape without an op).
    pub aliases: Vec<Option<u16>>,
    /// For each tensor, the graph value it holds.
    pub values: Vec<Option<ValueId>>,
}

/// A node that cannot be lowered.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsupported {
    /// Name of the node.
    pub node: String,
    /// Name of the source model's operator.
    pub operator: String,
    /// What no opcode covers.
    pub reason: String,
}

/// Why a graph could not be lowered.
#[derive(Debug, Error)]
pub enum LowerError {
    /// Some nodes have no lowering.
    #[error("{}", crate::explain::refusals(.0))]
    Unsupported(Vec<Unsupported>),
    /// There is nothing to run.
    #[error("the model has no input: its results are constants")]
    NoInput,
    /// An activation was never seen during calibration.
    #[error("no range for '{0}': calibration did not reach it")]
    NoRange(String),
}

impl fmt::Display for Unsupported {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "node `{}` ({}): {}", self.node, self.operator, self.reason)
    }
}

/// Scale and zero point of every activation that a program of integers will have: of 16 bits where `wide` names it, else of 8.
///
/// # Errors
/// [`LowerError::NoRange`] where a range is missing.
pub fn activation_parameters(
    graph: &Graph,
    ranges: &BTreeMap<ValueId, (f32, f32)>,
    wide: &BTreeSet<ValueId>,
    arithmetic: Arithmetic,
) -> Result<BTreeMap<ValueId, Parameters>, LowerError> {
    parameters::from_ranges(graph, ranges, wide, arithmetic)
}

/// Lowers a graph.
///
/// # Errors
/// [`LowerError::Unsupported`] with every node that has no lowering, [`LowerError::NoRange`] where a range is missing.
pub fn lower(graph: &Graph, precision: Precision<'_>) -> Result<Program, LowerError> {
    let parameters = match precision {
        // Integers that the model itself makes stay integers.
        Precision::Float => {
            let mut parameters = parameters::from_graph(graph);
            parameters.retain(|&value, _| graph.value(value).dtype != DataType::F32);
            parameters
        }
        Precision::Int8 { ranges, wide, arithmetic, .. } => parameters::from_ranges(graph, ranges, wide, arithmetic)?,
        Precision::Quantized { .. } => parameters::from_graph(graph),
    };
    let mut builder = Builder::new(graph, precision, parameters);
    for port in graph.inputs() {
        builder.activation(port.value);
    }
    let mut unsupported = state::declare(&mut builder, precision);
    for (_, node) in graph.nodes() {
        builder.settle(node);
        let result = check_shapes(graph, node).and_then(|()| match &node.op {
            Op::Conv2d(conv) => convolution::lower(&mut builder, node, conv),
            Op::FullyConnected(linear) => linear::lower(&mut builder, node, linear),
            Op::MaxPool2d(pool) => pooling::lower_max(&mut builder, node, pool),
            Op::AveragePool2d(pool) => pooling::lower_average(&mut builder, node, pool),
            Op::Reduce(reduce) => reduction::lower_reduce(&mut builder, node, reduce),
            Op::ArgMax(arg_max) => reduction::lower_arg_max(&mut builder, node, arg_max),
            Op::Normalize(normalize) => reduction::lower_normalize(&mut builder, node, normalize),
            Op::Resize(attributes) => resize::lower(&mut builder, node, attributes),
            Op::L2Normalize(normalize) => reduction::lower_l2_normalize(&mut builder, node, normalize),
            Op::Softmax(softmax) => reduction::lower_softmax(&mut builder, node, softmax),
            Op::LogSoftmax(softmax) => reduction::lower_log_softmax(&mut builder, node, softmax),
            Op::Binary(binary) => elementwise::lower_binary(&mut builder, node, binary),
            Op::Unary(unary) => elementwise::lower_unary(&mut builder, node, unary),
            Op::Clip(activation) => elementwise::lower_clip(&mut builder, node, activation),
            Op::Reshape(_) => movement::lower_reshape(&mut builder, node),
            Op::MatMul => linear::lower_mat_mul(&mut builder, node),
            Op::BatchNorm => elementwise::lower_batch_norm(&mut builder, node),
            Op::Transpose(transpose) => movement::lower_transpose(&mut builder, node, transpose),
            Op::Concat(concat) => movement::lower_concat(&mut builder, node, concat),
            Op::Pad(pad) => movement::lower_pad(&mut builder, node, pad),
            Op::Slice(slice) => movement::lower_slice(&mut builder, node, slice),
            Op::Gather(gather) => gather::lower_gather(&mut builder, node, gather),
            Op::GatherElements(gather) => gather::lower_gather_elements(&mut builder, node, gather),
            Op::TopPositions(top) => gather::lower_top(&mut builder, node, top),
            Op::Cast(to) => words::lower_cast(&mut builder, node, *to),
            Op::ConvTranspose2d(conv) => convolution::lower_transposed(&mut builder, node, conv),
            Op::Compare(compare) => elementwise::lower_compare(&mut builder, node, *compare),
            Op::Select => elementwise::lower_select(&mut builder, node),
            Op::Quantize(quantize) => quantization::lower_quantize(&mut builder, node, quantize),
            Op::Dequantize(dequantize) => quantization::lower_dequantize(&mut builder, node, dequantize),
        });
        if let Err(reason) = result {
            let operator = graph.origin(&node.name).unwrap_or_else(|| node.op.name());
            unsupported.push(Unsupported { node: node.name.clone(), operator: operator.into(), reason });
            builder.activation(node.output());
        }
    }
    for port in graph.outputs() {
        let shape = &graph.value(port.value).shape;
        if shape.contains(&0) && graph.constant(port.value).is_some() {
            let (node, operator) = (port.name.clone(), "graph output".into());
            unsupported.push(Unsupported { node, operator, reason: no_elements(shape) });
        }
    }
    if !unsupported.is_empty() {
        return Err(LowerError::Unsupported(unsupported));
    }
    if graph.inputs().is_empty() {
        return Err(LowerError::NoInput);
    }
    state::update(&mut builder);
    Ok(finish(graph, builder))
}

/// Refuses shapes that an artifact cannot hold.
fn check_shapes(graph: &Graph, node: &Node) -> Result<(), String> {
    for &value in node.inputs.iter().chain(&node.outputs) {
        let shape = &graph.value(value).shape;
        if shape.len() > MAX_RANK {
            return Err(format!("rank {}; at most {MAX_RANK} is supported", shape.len()));
        }
        if shape.contains(&0) {
            return Err(no_elements(shape));
        }
    }
    Ok(())
}

fn no_elements(shape: &[usize]) -> String {
    format!("a tensor of shape {shape:?} has no elements, which devices do not support")
}

/// Adds inputs and outputs. Outputs stand in the arena, so constant ones are copied there; an artifact needs at least
/// one op, so a model of reshapes alone gets one that leaves its input as it is.
fn finish(graph: &Graph, mut builder: Builder<'_>) -> Program {
    let mut copied = BTreeSet::new();
    for port in graph.outputs() {
        if graph.constant(port.value).is_some() && copied.insert(port.value) {
            movement::copy_constant(&mut builder, port.value);
        }
    }
    if builder.ops.is_empty()
        && let Some(input) = graph.inputs().first()
    {
        let input = builder.activation(input.value);
        builder.emit("identity", bantam_format::Opcode::Reshape, vec![input], input, vec![]);
    }
    let mut io = Vec::new();
    for (role, ports) in [(IoRole::Input, graph.inputs()), (IoRole::Output, graph.outputs())] {
        for port in ports {
            let tensor = builder.activation(port.value);
            let (scale, zero_point) = builder.tensors[usize::from(tensor)].quantization.unwrap_or((1.0, 0));
            let layout = match port.layout {
                Layout::ChannelsLast => SourceLayout::ChannelsFirst,
                Layout::Source => SourceLayout::Same,
            };
            io.push(IoRecord { tensor, role: role.code(), source_layout: layout.code(), scale, zero_point });
        }
    }
    builder.into_program(io)
}

#[cfg(test)]
mod tests;
