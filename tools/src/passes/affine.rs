//! Folds x * scale + offset with constants into the weights of a neighbour.
//!
//! After a convolution or fully connected layer, scale and offset go into its weights and bias.
//! Before one, the scale goes into its weights, and the offset into its bias unless the layer pads
//! with zeros: those zeros are added after the offset, so that it cannot be folded exactly.

use super::bypass;
use crate::graph::ops::{BinaryKind, Unary};
use crate::graph::{Activation, Graph, GraphError, Node, NodeId, Op, ValueId};
use crate::tensor::Tensor;

/// Elements that copies of shared weights may take beyond twice the constants of the graph.
const SPARE_ELEMENTS: usize = 1 << 20;

/// Folds every product, quotient, sum and difference with constants, and every batch norm, that
/// has a layer next to it.
///
/// # Errors
/// [`GraphError`], never for a valid graph.
pub(super) fn run(graph: &mut Graph) -> Result<usize, GraphError> {
    let constants: usize = graph.values().iter().filter_map(|value| value.constant.as_ref()).map(Tensor::len).sum();
    let mut spare = constants.saturating_mul(2).saturating_add(SPARE_ELEMENTS);
    let mut changes = 0;
    for id in graph.node_ids() {
        let Some(affine) = affine(graph, id) else { continue };
        let folded = fold_back(graph, id, &affine, &mut spare)? || fold_forward(graph, id, &affine, &mut spare)?;
        changes += usize::from(folded);
    }
    Ok(changes)
}

/// x * scale + offset per channel of the last axis, then a clamp.
struct Affine {
    operand: ValueId,
    scale: Vec<f64>,
    offset: Vec<f64>,
    activation: Activation,
}

/// Reads a node as an affine function of its one operand that is not constant.
fn affine(graph: &Graph, id: NodeId) -> Option<Affine> {
    let node = graph.node(id)?;
    let (operand, scale, offset) = match (&node.op, node.inputs.as_slice()) {
        (Op::Binary(binary), &[left, right]) => {
            let swapped = graph.constant(left).is_some();
            let (operand, constant) = if swapped { (right, left) } else { (left, right) };
            let channels = channels(graph, node, operand)?;
            let numbers = per_channel(graph.constant(constant)?, channels)?;
            let constant = |number: f64| vec![number; channels];
            let negative = || numbers.iter().map(|number| -number).collect();
            let (scale, offset) = match (binary.kind, swapped) {
                (BinaryKind::Add, _) => (constant(1.0), numbers),
                (BinaryKind::Mul, _) => (numbers, constant(0.0)),
                (BinaryKind::Sub, false) => (constant(1.0), negative()),
                (BinaryKind::Sub, true) => (constant(-1.0), numbers),
                (BinaryKind::Div, false) => (numbers.iter().map(|number| 1.0 / number).collect(), constant(0.0)),
                _ => return None,
            };
            (operand, scale, offset)
        }
        (Op::BatchNorm, &[operand, scale, offset]) => {
            let channels = channels(graph, node, operand)?;
            let scale = per_channel(graph.constant(scale)?, channels)?;
            (operand, scale, per_channel(graph.constant(offset)?, channels)?)
        }
        (Op::Unary(Unary::Neg), &[operand]) => {
            let channels = channels(graph, node, operand)?;
            (operand, vec![-1.0; channels], vec![0.0; channels])
        }
        _ => return None,
    };
    let finite = scale.iter().chain(&offset).all(|number| number.is_finite());
    let activation = node.op.activation().unwrap_or_default();
    (finite && graph.constant(operand).is_none()).then_some(Affine { operand, scale, offset, activation })
}

/// The channels of an operand that has the shape of the node's result.
fn channels(graph: &Graph, node: &Node, operand: ValueId) -> Option<usize> {
    let shape = &graph.value(operand).shape;
    if *shape == graph.value(node.output()).shape { shape.last().copied() } else { None }
}

/// One number per channel from a constant that has one number, or one per last axis.
fn per_channel(constant: &Tensor, channels: usize) -> Option<Vec<f64>> {
    let items = constant.as_f32().ok()?;
    match items {
        &[number] => Some(vec![f64::from(number); channels]),
        _ if items.len() == channels && constant.shape().last() == Some(&channels) => {
            Some(items.iter().map(|&item| f64::from(item)).collect())
        }
        _ => None,
    }
}

/// A layer whose weights can be changed: its output channels, and whether it pads.
struct Layer {
    out: usize,
    pads: bool,
    /// Output channels that read the same input channels.
    group_out: usize,
    /// Input channels of a group: the last axis of the weights.
    group_channels: usize,
}

fn layer(graph: &Graph, id: NodeId) -> Option<Layer> {
    let node = graph.node(id)?;
    let weights = graph.constant(*node.inputs.get(1)?)?.shape();
    let (&out, &group_channels) = (weights.first()?, weights.last()?);
    if let Some(&bias) = node.inputs.get(2) {
        graph.constant(bias)?;
    }
    match &node.op {
        Op::Conv2d(conv) => {
            Some(Layer { out, pads: !conv.padding.is_none(), group_out: out / conv.groups, group_channels })
        }
        Op::FullyConnected(_) => Some(Layer { out, pads: false, group_out: out, group_channels }),
        _ => None,
    }
}

/// Into the layer that makes the operand.
fn fold_back(graph: &mut Graph, id: NodeId, affine: &Affine, spare: &mut usize) -> Result<bool, GraphError> {
    if graph.single_consumer(affine.operand) != Some(id) {
        return Ok(false);
    }
    let Some(producer) = graph.producer(affine.operand) else { return Ok(false) };
    let Some(layer) = layer(graph, producer) else { return Ok(false) };
    let clamped = graph.node(producer).and_then(|node| node.op.activation());
    if clamped.is_none_or(|clamp| !clamp.is_none()) || affine.scale.len() != layer.out {
        return Ok(false);
    }
    let scale = &affine.scale;
    let Some((weights, bias)) = own_parameters(graph, producer, &layer, spare)? else {
        return Ok(false);
    };
    if let Some(items) = graph.constant_mut(weights).and_then(|t| t.as_mut_slice::<f32>().ok()) {
        let row = items.len() / layer.out.max(1);
        for (row, scale) in items.chunks_exact_mut(row.max(1)).zip(scale) {
            for weight in row {
                *weight = (f64::from(*weight) * scale) as f32;
            }
        }
    }
    if let Some(items) = graph.constant_mut(bias).and_then(|t| t.as_mut_slice::<f32>().ok()) {
        for ((bias, scale), offset) in items.iter_mut().zip(scale).zip(&affine.offset) {
            *bias = (f64::from(*bias) * scale + offset) as f32;
        }
    }
    if let Some(clamp) = graph.op_mut(producer).and_then(Op::activation_mut) {
        *clamp = affine.activation;
    }
    bypass(graph, id, affine.operand);
    Ok(true)
}

/// Into the layer that alone reads the result.
fn fold_forward(graph: &mut Graph, id: NodeId, affine: &Affine, spare: &mut usize) -> Result<bool, GraphError> {
    let Some(output) = graph.node(id).map(Node::output) else { return Ok(false) };
    let Some(consumer) = graph.single_consumer(output) else { return Ok(false) };
    let Some(layer) = layer(graph, consumer) else { return Ok(false) };
    let reads_it = graph.node(consumer).is_some_and(|node| node.inputs[0] == output);
    let shifts = affine.offset.iter().any(|&offset| offset != 0.0);
    if !reads_it || !affine.activation.is_none() || (shifts && layer.pads) {
        return Ok(false);
    }
    let Some((weights, bias)) = own_parameters(graph, consumer, &layer, spare)? else {
        return Ok(false);
    };
    let mut sums = vec![0.0f64; layer.out];
    if let Some(items) = graph.constant_mut(weights).and_then(|t| t.as_mut_slice::<f32>().ok()) {
        let row = (items.len() / layer.out.max(1)).max(1);
        for (out, row) in items.chunks_exact_mut(row).enumerate() {
            let first = out / layer.group_out.max(1) * layer.group_channels;
            for (index, weight) in row.iter_mut().enumerate() {
                let channel = first + index % layer.group_channels;
                sums[out] += f64::from(*weight) * affine.offset[channel];
                *weight = (f64::from(*weight) * affine.scale[channel]) as f32;
            }
        }
    }
    if let Some(items) = graph.constant_mut(bias).and_then(|t| t.as_mut_slice::<f32>().ok()) {
        for (bias, sum) in items.iter_mut().zip(&sums) {
            *bias = (f64::from(*bias) + sum) as f32;
        }
    }
    graph.replace_uses(output, affine.operand);
    graph.remove_node(id);
    Ok(true)
}

/// Weights and bias that only this layer uses, copied or made where needed.
fn own_parameters(
    graph: &mut Graph,
    id: NodeId,
    layer: &Layer,
    spare: &mut usize,
) -> Result<Option<(ValueId, ValueId)>, GraphError> {
    let Some(node) = graph.node(id) else { return Ok(None) };
    let mut inputs = node.inputs.clone();
    let bias_name = format!("{}.bias", node.name);
    for input in inputs.iter_mut().skip(1) {
        let value = *input;
        if graph.single_consumer(value) == Some(id) {
            continue;
        }
        let Some(tensor) = graph.constant(value).cloned() else { return Ok(None) };
        match spare.checked_sub(tensor.len()) {
            Some(left) => *spare = left,
            None => return Ok(None),
        }
        let name = graph.value(value).name.clone();
        *input = graph.add_constant(name, tensor);
    }
    if inputs.len() == 2 {
        let zeros = Tensor::vector(vec![0.0f32; layer.out]);
        inputs.push(graph.add_constant(bias_name, zeros));
    }
    graph.set_inputs(id, &inputs)?;
    Ok(Some((inputs[1], inputs[2])))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{apply, numbers, operators};
    use super::*;
    use crate::graph::ops::{Binary, Conv2d, FullyConnected, Padding};
    use crate::tensor::DataType;

    fn conv(groups: usize, pads: bool) -> Op {
        let padding = if pads { Padding { left: 1, ..Padding::NONE } } else { Padding::NONE };
        Op::Conv2d(Conv2d { stride: [1, 1], dilation: [1, 1], padding, groups, activation: Activation::NONE })
    }

    fn binary(graph: &mut Graph, kind: BinaryKind, value: ValueId, constant: Tensor) -> ValueId {
        let constant = graph.add_constant("c", constant);
        graph.add_node("op", Op::Binary(Binary::new(kind)), &[value, constant]).unwrap()
    }

    #[test]
    fn what_follows_a_convolution_goes_into_its_weights() {
        let kinds = [BinaryKind::Add, BinaryKind::Sub, BinaryKind::Mul, BinaryKind::Div];
        for shape in [vec![], vec![6], vec![1, 1, 6]] {
            let mut graph = Graph::new("back");
            let x = graph.add_input("x", vec![1, 3, 3, 4], DataType::F32);
            let weights = graph.add_constant("w", numbers(&[6, 2, 2, 2], 3));
            let mut y = graph.add_node("conv", conv(2, true), &[x, weights]).unwrap();
            for kind in kinds {
                y = binary(&mut graph, kind, y, numbers(&shape, 11));
            }
            let scale = graph.add_constant("scale", numbers(&[6], 12));
            let offset = graph.add_constant("offset", numbers(&[6], 13));
            y = graph.add_node("norm", Op::BatchNorm, &[y, scale, offset]).unwrap();
            graph.add_output("y", y);
            assert_eq!(apply(&mut graph, run), 5);
            assert_eq!(operators(&graph), ["Conv2d"]);
        }
    }

    #[test]
    fn an_offset_is_not_folded_into_a_convolution_that_pads() {
        for (kind, pads, left) in [
            (BinaryKind::Mul, true, 1),
            (BinaryKind::Mul, false, 1),
            (BinaryKind::Add, false, 1),
            (BinaryKind::Add, true, 2),
        ] {
            for groups in [1, 2, 4] {
                let mut graph = Graph::new("forward");
                let x = graph.add_input("x", vec![1, 3, 3, 4], DataType::F32);
                let y = binary(&mut graph, kind, x, numbers(&[4], 5));
                let weights = graph.add_constant("w", numbers(&[8, 2, 2, 4 / groups], 3));
                let bias = graph.add_constant("b", numbers(&[8], 4));
                let operands = [y, weights, bias];
                let y = graph.add_node("conv", conv(groups, pads), &operands).unwrap();
                graph.add_output("y", y);
                apply(&mut graph, run);
                assert_eq!(graph.node_count(), left, "{kind:?} {pads} {groups}");
            }
        }
    }

    #[test]
    fn a_constant_minus_x_and_a_clamp_are_kept_exact() {
        let mut graph = Graph::new("minus");
        let x = graph.add_input("x", vec![2, 4], DataType::F32);
        let weights = graph.add_constant("w", numbers(&[3, 4], 3));
        let op = Op::FullyConnected(FullyConnected::default());
        let y = graph.add_node("fc", op.clone(), &[x, weights]).unwrap();
        let constant = graph.add_constant("c", numbers(&[3], 5));
        let mut minus = Binary::new(BinaryKind::Sub);
        minus.activation = Activation::RELU;
        let y = graph.add_node("minus", Op::Binary(minus), &[constant, y]).unwrap();
        // The clamp now stands between this sum and the layer, so that it cannot go back.
        let y = binary(&mut graph, BinaryKind::Add, y, numbers(&[3], 6));
        let weights = graph.add_constant("w2", numbers(&[2, 3], 8));
        let y = graph.add_node("fc2", op, &[y, weights]).unwrap();
        graph.add_output("y", y);
        assert_eq!(apply(&mut graph, run), 2);
        assert_eq!(operators(&graph), ["FullyConnected", "FullyConnected"]);
    }

    #[test]
    fn shared_weights_are_copied() {
        let mut graph = Graph::new("shared");
        let x = graph.add_input("x", vec![2, 4], DataType::F32);
        let weights = graph.add_constant("w", numbers(&[4, 4], 3));
        let op = Op::FullyConnected(FullyConnected::default());
        let first = graph.add_node("fc", op.clone(), &[x, weights]).unwrap();
        let scaled = binary(&mut graph, BinaryKind::Mul, first, numbers(&[4], 6));
        let second = graph.add_node("fc2", op, &[scaled, weights]).unwrap();
        graph.add_output("y", second);
        assert_eq!(apply(&mut graph, run), 1);
    }

    #[test]
    fn a_broadcast_that_grows_the_result_stays() {
        let mut graph = Graph::new("grow");
        let x = graph.add_input("x", vec![1, 4], DataType::F32);
        let weights = graph.add_constant("w", numbers(&[3, 4], 3));
        let op = Op::FullyConnected(FullyConnected::default());
        let y = graph.add_node("fc", op, &[x, weights]).unwrap();
        let y = binary(&mut graph, BinaryKind::Add, y, numbers(&[2, 3], 6));
        graph.add_output("y", y);
        assert_eq!(apply(&mut graph, run), 0);
    }
}
