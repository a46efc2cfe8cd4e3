//! The f32 executor of graphs: the readable meaning of every operator on the host.
//!
//! Calibration, layer comparison and constant folding use it. Sums are plain f32 in the order of
//! the loops; transcendental functions come from `libm`, so that results are the same on every
//! host.

mod arithmetic;
mod convolution;
mod cost;
mod linear;
mod movement;
mod normalization;
mod pooling;
mod quantization;
mod reduction;
mod resize;
mod selection;
mod unary;

pub use cost::{is_cheap, multiply_accumulates};

use crate::graph::ops::{Dequantize, Facts};
use crate::graph::{Graph, Op, ShapeError, ValueId};
use crate::tensor::{DataType, Tensor, TensorError};
use thiserror::Error;

/// Why a graph could not be executed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The number of inputs.
    #[error("the graph has {expected} inputs, {got} were given")]
    InputCount {
        /// Inputs of the graph.
        expected: usize,
        /// Inputs given.
        got: usize,
    },
    /// An input of another shape or type.
    #[error("input `{name}` must be {expected_type} {expected:?}, got {got_type} {got:?}")]
    Input {
        /// The input.
        name: String,
        /// Its type.
        expected_type: DataType,
        /// Its shape.
        expected: Vec<usize>,
        /// The type given.
        got_type: DataType,
        /// The shape given.
        got: Vec<usize>,
    },
    /// A value that no node before its use makes.
    #[error("`{value}` is used before it is made")]
    Undefined {
        /// The value.
        value: String,
    },
    /// Operands that do not fit the operator.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// A tensor rule.
    #[error(transparent)]
    Tensor(#[from] TensorError),
    /// A position outside an axis.
    #[error("position {position} is outside an axis of {size}")]
    Position {
        /// The position.
        position: i64,
        /// The axis.
        size: usize,
    },
    /// An integer divided by zero.
    #[error("an integer is divided by zero")]
    DivisionByZero,
    /// An error in a node.
    #[error("node `{node}` ({operator}): {error}")]
    Node {
        /// The node.
        node: String,
        /// The operator.
        operator: &'static str,
        /// What went wrong.
        error: Box<Self>,
    },
}

/// Runs a graph. Inputs and results are in the order and layout of the graph's ports
/// ([`crate::graph::Port`]).
///
/// # Errors
/// [`ExecuteError`].
pub fn execute(graph: &Graph, inputs: &[Tensor]) -> Result<Vec<Tensor>, ExecuteError> {
    execute_observed(graph, inputs, |_, _| {})
}

/// As [`execute`], calling `observe` with every graph input and every node's result, in the order
/// they come to be. Constants are not shown.
///
/// # Errors
/// [`ExecuteError`].
pub fn execute_observed(
    graph: &Graph,
    inputs: &[Tensor],
    mut observe: impl FnMut(ValueId, &Tensor),
) -> Result<Vec<Tensor>, ExecuteError> {
    check_inputs(graph, inputs)?;
    let mut tensors: Vec<Option<Tensor>> = vec![None; graph.values().len()];
    // How often each value is still needed; a result that nothing needs any more is dropped.
    let mut uses: Vec<usize> = graph.value_ids().map(|value| graph.consumers(value).len()).collect();
    for port in graph.outputs() {
        uses[port.value.index()] += 1;
    }
    for (port, tensor) in graph.inputs().iter().zip(inputs) {
        observe(port.value, tensor);
        tensors[port.value.index()] = Some(tensor.clone());
    }
    for (read, _, initial) in graph.states() {
        tensors[read.value.index()] = Some(initial.clone());
    }
    for (_, node) in graph.nodes() {
        let in_node =
            |error| ExecuteError::Node { node: node.name.clone(), operator: node.op.name(), error: Box::new(error) };
        let operands =
            node.inputs.iter().map(|&input| lookup(graph, &tensors, input)).collect::<Result<Vec<_>, _>>()?;
        let results = evaluate(&node.op, &operands).map_err(in_node)?;
        for (&output, tensor) in node.outputs.iter().zip(results) {
            observe(output, &tensor);
            if uses[output.index()] > 0 {
                tensors[output.index()] = Some(tensor);
            }
        }
        for &input in &node.inputs {
            uses[input.index()] -= 1;
            if uses[input.index()] == 0 {
                tensors[input.index()] = None;
            }
        }
    }
    graph.outputs().iter().map(|port| lookup(graph, &tensors, port.value).cloned()).collect()
}

fn check_inputs(graph: &Graph, inputs: &[Tensor]) -> Result<(), ExecuteError> {
    if inputs.len() != graph.inputs().len() {
        return Err(ExecuteError::InputCount { expected: graph.inputs().len(), got: inputs.len() });
    }
    for (port, tensor) in graph.inputs().iter().zip(inputs) {
        let expected = graph.value(port.value);
        if tensor.shape() != expected.shape || tensor.data_type() != expected.dtype {
            return Err(ExecuteError::Input {
                name: port.name.clone(),
                expected_type: expected.dtype,
                expected: expected.shape.clone(),
                got_type: tensor.data_type(),
                got: tensor.shape().to_vec(),
            });
        }
    }
    Ok(())
}

fn lookup<'a>(graph: &'a Graph, tensors: &'a [Option<Tensor>], value: ValueId) -> Result<&'a Tensor, ExecuteError> {
    graph
        .constant(value)
        .or_else(|| tensors[value.index()].as_ref())
        .ok_or_else(|| ExecuteError::Undefined { value: graph.value(value).name.clone() })
}

/// Evaluates one operator.
///
/// # Errors
/// [`ExecuteError::Shape`] if the operands do not fit; errors that depend on elements.
pub fn evaluate(op: &Op, operands: &[&Tensor]) -> Result<Vec<Tensor>, ExecuteError> {
    let facts: Vec<Facts> = operands.iter().map(|operand| facts(operand)).collect();
    let results = op.infer(&facts)?;
    let [result] = results.as_slice() else { return Ok(Vec::new()) };
    let tensor = match op {
        Op::Conv2d(conv) => convolution::conv2d(conv, operands, result),
        Op::ConvTranspose2d(conv) => convolution::conv_transpose2d(conv, operands, result),
        Op::FullyConnected(linear) => linear::fully_connected(linear, operands, result),
        Op::MatMul => linear::matmul(operands, result),
        Op::Binary(binary) => arithmetic::binary(binary, operands, result),
        Op::Compare(compare) => selection::compare(*compare, operands, result),
        Op::Select => selection::select(operands, result),
        Op::Unary(unary) => arithmetic::map(operands[0], |x| unary.apply(x)),
        Op::Clip(activation) => arithmetic::map(operands[0], |x| activation.apply(x)),
        Op::BatchNorm => arithmetic::batch_norm(operands),
        Op::MaxPool2d(pool) => pooling::maximum(pool, operands[0], result),
        Op::AveragePool2d(average) => pooling::average(average, operands[0], result),
        Op::Reduce(reduce) => reduction::reduce(reduce, operands[0], result),
        Op::Normalize(attributes) => normalization::normalize(attributes, operands),
        Op::Resize(attributes) => resize::resize(attributes, operands[0], result),
        Op::L2Normalize(normalize) => reduction::l2_normalize(normalize, operands[0]),
        Op::Softmax(softmax) => reduction::softmax(softmax, operands[0]),
        Op::LogSoftmax(softmax) => reduction::log_softmax(softmax, operands[0]),
        Op::ArgMax(arg_max) => reduction::arg_max(arg_max.axis, operands[0], result),
        Op::Reshape(reshape) => Ok(operands[0].clone().reshape(reshape.shape.clone())?),
        Op::Transpose(transpose) => Ok(operands[0].transpose(&transpose.permutation)?),
        Op::Concat(concat) => movement::concat(concat.axis, operands, result),
        Op::Pad(pad) => movement::pad(pad, operands[0], result),
        Op::Slice(slice) => movement::slice(slice, operands[0], result),
        Op::Gather(gather) => movement::gather(gather.axis, operands, result),
        Op::GatherElements(gather) => selection::gather_elements(gather.axis, operands, result),
        Op::TopPositions(top) => selection::top_positions(top, operands[0], result),
        Op::Cast(to) => Ok(operands[0].cast(*to)),
        Op::Quantize(quantize) => quantization::quantize(quantize, operands[0], result),
        Op::Dequantize(dequantize) => quantization::dequantize(dequantize, operands[0], result),
    }?;
    Ok(vec![tensor])
}

/// The real numbers that integers stand for.
///
/// # Errors
/// [`ExecuteError::Shape`] if the scales do not fit the integers.
pub fn dequantized(integers: &Tensor, dequantize: &Dequantize) -> Result<Tensor, ExecuteError> {
    quantization::dequantize(dequantize, integers, &dequantize.infer(&[facts(integers)])?)
}

fn facts(tensor: &Tensor) -> Facts {
    Facts { shape: tensor.shape().to_vec(), dtype: tensor.data_type() }
}

/// The four dimensions of a tensor whose rank shape inference has checked.
fn dimensions4(shape: &[usize]) -> Result<[usize; 4], ExecuteError> {
    shape.try_into().map_err(|_| ShapeError::Rank { operand: "the operand", expected: 4, got: shape.to_vec() }.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Activation;
    use crate::graph::ops::Unary;

    #[test]
    fn every_value_is_shown_once_and_outputs_survive() {
        let mut graph = Graph::new("two");
        let input = graph.add_input("x", vec![2], DataType::F32);
        let relu = graph.add_node("relu", Op::Clip(Activation::RELU), &[input]).unwrap();
        let neg = graph.add_node("neg", Op::Unary(Unary::Neg), &[relu]).unwrap();
        graph.add_output("relu", relu);
        graph.add_output("neg", neg);
        let mut seen = Vec::new();
        let results = execute_observed(&graph, &[Tensor::vector(vec![-1.0f32, 2.0])], |id, _| {
            seen.push(id);
        })
        .unwrap();
        assert_eq!(seen, [input, relu, neg]);
        assert_eq!(results[0], Tensor::vector(vec![0.0f32, 2.0]));
        assert_eq!(results[1], Tensor::vector(vec![-0.0f32, -2.0]));
    }

    #[test]
    fn wrong_inputs_are_named() {
        let mut graph = Graph::new("one");
        let input = graph.add_input("x", vec![2], DataType::F32);
        graph.add_output("x", input);
        assert!(matches!(execute(&graph, &[]), Err(ExecuteError::InputCount { .. })));
        let error = execute(&graph, &[Tensor::scalar(1i64)]).unwrap_err();
        assert_eq!(error.to_string(), "input `x` must be f32 [2], got i64 []");
    }
}
