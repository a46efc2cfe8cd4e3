//! Lowering: a float [`Graph`] after its passes becomes a [`Program`] of runtime opcodes, in f32 or quantised to
//! 8 bits. Offsets in the arena are still missing; [`crate::plan`] finds them.
//!
//! Each file lowers one family of operators. An operator without a lowering, or a use of one that no opcode covers,
//! is refused by name; all refusals are collected into one error.

mod builder;
mod convolution;
mod elementwise;
mod linear;
mod movement;
mod parameters;
mod pooling;
mod quantization;
mod reduction;
pub mod view;

use crate::graph::{Graph, Layout, Node, Op, ValueId};
use crate::tensor::DataType;
use bantam_format::writer::{ModelDescription, OpDescription};
use bantam_format::{Arithmetic, IoRecord, IoRole, MAX_RANK, SourceLayout};
use builder::Builder;
use std::collections::{BTreeMap, BTreeSet};
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
        /// Activations that stay in floating point, quantised where an integer op reads them.
        floats: &'a BTreeSet<ValueId>,
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
    /// Name of its operator.
    pub operator: String,
    /// What no opcode covers.
    pub reason: String,
}

/// Why a graph could not be lowered.
#[derive(Debug, Error)]
pub enum LowerError {
    /// Some nodes have no lowering.
    #[error("{} of the model's nodes cannot run on a device:{}", .0.len(), list(.0))]
    Unsupported(Vec<Unsupported>),
    /// An activation was never seen during calibration.
    #[error("no range for '{0}': calibration did not reach it")]
    NoRange(String),
}

fn list(nodes: &[Unsupported]) -> String {
    nodes.iter().map(|n| format!("\n  - '{}' ({}): {}", n.node, n.operator, n.reason)).collect()
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
        Precision::Int8 { ranges, arithmetic, .. } => parameters::from_ranges(graph, ranges, arithmetic)?,
        Precision::Quantized { .. } => parameters::from_graph(graph),
    };
    let mut builder = Builder::new(graph, precision, parameters);
    for port in graph.inputs() {
        builder.activation(port.value);
    }
    let mut unsupported = Vec::new();
    for (_, node) in graph.nodes() {
        builder.settle(node);
        let result = match &node.op {
            Op::Conv2d(conv) => convolution::lower(&mut builder, node, conv),
            Op::FullyConnected(linear) => linear::lower(&mut builder, node, linear),
            Op::MaxPool2d(pool) => pooling::lower_max(&mut builder, node, pool),
            Op::AveragePool2d(pool) => pooling::lower_average(&mut builder, node, pool),
            Op::Reduce(reduce) => reduction::lower_reduce(&mut builder, node, reduce),
            Op::ArgMax(arg_max) => reduction::lower_arg_max(&mut builder, node, arg_max),
            Op::Softmax(softmax) => reduction::lower_softmax(&mut builder, node, softmax),
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
            Op::Gather(gather) => movement::lower_gather(&mut builder, node, gather),
            Op::Cast(to) => movement::lower_cast(&mut builder, node, *to),
            Op::ConvTranspose2d(conv) => convolution::lower_transposed(&mut builder, node, conv),
            Op::Compare(compare) => elementwise::lower_compare(&mut builder, node, *compare),
            Op::Select => elementwise::lower_select(&mut builder, node),
            Op::Quantize(_) => quantization::lower_quantize(&mut builder, node),
            Op::Dequantize(dequantize) => quantization::lower_dequantize(&mut builder, node, dequantize),
            Op::GatherElements(_) | Op::TopPositions(_) => Err("the operator is not supported on devices yet".into()),
        };
        let result = check_ranks(graph, node).and(result);
        if let Err(reason) = result {
            unsupported.push(Unsupported { node: node.name.clone(), operator: node.op.name().into(), reason });
            builder.activation(node.output());
        }
    }
    if !unsupported.is_empty() {
        return Err(LowerError::Unsupported(unsupported));
    }
    Ok(finish(graph, builder))
}

/// Refuses tensors of more dimensions than an artifact can hold.
fn check_ranks(graph: &Graph, node: &Node) -> Result<(), String> {
    let ranks = node.inputs.iter().chain(&node.outputs).map(|&value| graph.value(value).shape.len());
    match ranks.max() {
        Some(rank) if rank > MAX_RANK => Err(format!("rank {rank}; at most {MAX_RANK} is supported")),
        _ => Ok(()),
    }
}

/// Adds inputs and outputs; an artifact needs at least one op, so a model of reshapes alone gets one.
fn finish(graph: &Graph, mut builder: Builder<'_>) -> Program {
    if builder.ops.is_empty()
        && let (Some(input), Some(output)) = (graph.inputs().first(), graph.outputs().first())
    {
        let (input, output) = (builder.activation(input.value), builder.activation(output.value));
        builder.ops.push(OpDescription {
            name: "identity".into(),
            opcode: bantam_format::Opcode::Reshape,
            walk_down: false,
            inputs: vec![input],
            outputs: vec![output],
            attributes: vec![],
        });
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
