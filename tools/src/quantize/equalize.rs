//! Cross-layer equalisation: channels between two layers get sizes that both layers can represent.
//!
//! Dividing channel i of a layer's result by a positive `s` and multiplying the weights of the next layer that read it by `s` changes
//! nothing in real numbers where only functions with `f(x / s) = f(x) / s` lie between. With `r1` the largest weight that makes
//! the channel and `r2` the largest that reads it, `s = sqrt(r1 r2) / r2` makes both equal (Nagel et al. 2019, "Data-free
//! quantization through weight equalization and bias correction"). Pairs are repeated until nothing moves; a pair into and one out
//! of a depthwise convolution meet in the cube root of the three ranges, the rule for triples.
//!
//! A clamp at a bound other than zero, such as that of ReLU6, is no such function: its bound has to be divided by `s` too and becomes one
//! number per channel, a minimum of its own behind the layer.

use crate::graph::ops::{Binary, BinaryKind, Unary};
use crate::graph::{Activation, Graph, GraphError, Node, NodeId, Op, ValueId};
use crate::tensor::Tensor;
use std::collections::BTreeMap;

/// Rounds over all pairs.
const ROUNDS: usize = 64;
/// Change of a factor below which it counts as none.
const SETTLED: f32 = 1e-4;
/// Bounds of one round's factor: a channel that is hardly used must not blow another up.
const FACTORS: [f32; 2] = [1e-2, 1e2];

/// Which layers may be equalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Those between which nothing is needed.
    Free,
    /// Also those behind whose first an upper bound becomes one per channel, an op more.
    WithClips,
}

/// Equalises every pair of layers and returns how many pairs there are.
///
/// # Errors
/// [`GraphError`]: a bug in this pass.
pub fn equalize(graph: &mut Graph, reach: Reach) -> Result<usize, GraphError> {
    let pairs: Vec<(NodeId, NodeId)> =
        graph.node_ids().into_iter().filter_map(|id| Some((id, next_layer(graph, id, reach)?))).collect();
    let mut factors: BTreeMap<NodeId, Vec<f32>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        let mut moved = 0f32;
        for &(first, second) in &pairs {
            let more = equalize_pair(graph, first, second);
            moved = more.iter().fold(moved, |most, factor| most.max((factor - 1.0).abs()));
            let known = factors.entry(first).or_insert_with(|| vec![1.0; more.len()]);
            known.iter_mut().zip(&more).for_each(|(known, factor)| *known *= factor);
        }
        if moved < SETTLED {
            break;
        }
    }
    for (first, factors) in factors {
        clip_channels(graph, first, &factors)?;
    }
    Ok(pairs.len())
}

/// Divides a layer's upper bound by the factors of its channels: a bound that channels no longer share is moved behind the layer.
fn clip_channels(graph: &mut Graph, layer: NodeId, factors: &[f32]) -> Result<(), GraphError> {
    let Some((name, output)) = graph.node(layer).map(|node| (node.name.clone(), node.output())) else { return Ok(()) };
    let Some(activation) = graph.op_mut(layer).and_then(Op::activation_mut) else { return Ok(()) };
    let bound = activation.max;
    if is_scale_free(bound) || factors.iter().all(|&factor| factor == 1.0) {
        return Ok(());
    }
    activation.max = f32::INFINITY;
    let bounds = factors.iter().map(|factor| bound / factor).collect::<Vec<f32>>();
    let bounds = graph.add_constant(format!("{name}/bounds"), Tensor::vector(bounds));
    let minimum = Op::Binary(Binary::new(BinaryKind::Min));
    let clipped = graph.insert_after(layer, format!("{name}/clipped"), minimum, &[output, bounds])?;
    graph.replace_uses(output, clipped);
    if let Some(minimum) = graph.producer(clipped) {
        graph.set_inputs(minimum, &[output, bounds])?;
    }
    Ok(())
}

/// The layer that alone reads the result of this one, through nothing but functions that factors commute with.
fn next_layer(graph: &Graph, id: NodeId, reach: Reach) -> Option<NodeId> {
    let node = graph.node(id)?;
    own_constants(graph, node)?;
    let mut value = node.output();
    let channels = *graph.value(value).shape.last()?;
    let passes =
        |own: Activation| is_homogeneous(own) || (reach == Reach::WithClips && is_scale_free(own.min) && own.max > 0.0);
    if !node.op.activation().is_some_and(passes) {
        return None;
    }
    loop {
        if graph.is_output(value) || graph.states().any(|(_, next, _)| next.value == value) {
            return None;
        }
        let id = graph.single_consumer(value)?;
        let next = graph.node(id)?;
        if matches!(next.op, Op::Conv2d(_) | Op::FullyConnected(_)) {
            own_constants(graph, next)?;
            let reads = next.inputs[0] == value && input_channels(graph, next) == Some(channels);
            return reads.then_some(id);
        }
        let passes = match &next.op {
            Op::Clip(activation) => is_homogeneous(*activation),
            Op::Unary(Unary::LeakyRelu { .. }) => true,
            Op::Binary(binary) if binary.kind == BinaryKind::PRelu => {
                next.inputs[0] == value && is_homogeneous(binary.activation) && graph.constant(next.inputs[1]).is_some()
            }
            Op::MaxPool2d(pool) => is_homogeneous(pool.activation),
            Op::AveragePool2d(average) => is_homogeneous(average.pool.activation),
            Op::Pad(pad) => pad.value == 0.0,
            _ => false,
        };
        if !passes || graph.value(next.output()).shape.last() != Some(&channels) {
            return None;
        }
        value = next.output();
    }
}

/// Whether `f(a x) = a f(x)` for every positive `a`.
fn is_homogeneous(activation: Activation) -> bool {
    is_scale_free(activation.min) && is_scale_free(activation.max)
}

const fn is_scale_free(bound: f32) -> bool {
    bound == 0.0 || bound.is_infinite()
}

/// Weights and bias of a layer, where they are its own floats.
fn own_constants(graph: &Graph, node: &Node) -> Option<(ValueId, Option<ValueId>)> {
    if !matches!(node.op, Op::Conv2d(_) | Op::FullyConnected(_)) {
        return None;
    }
    let own = |&value: &ValueId| {
        graph.single_consumer(value).is_some() && graph.constant(value).is_some_and(|tensor| tensor.as_f32().is_ok())
    };
    let (weights, bias) = (node.inputs.get(1).filter(|value| own(value))?, node.inputs.get(2));
    bias.is_none_or(own).then_some((*weights, bias.copied()))
}

/// Channels that a layer reads.
fn input_channels(graph: &Graph, node: &Node) -> Option<usize> {
    graph.value(node.inputs[0]).shape.last().copied()
}

/// Moves factors between two layers and returns those that the first one's results were divided by.
fn equalize_pair(graph: &mut Graph, first: NodeId, second: NodeId) -> Vec<f32> {
    let constants = |id| graph.node(id).and_then(|node| own_constants(graph, node));
    let (Some((weights, bias)), Some((readers, _))) = (constants(first), constants(second)) else { return vec![] };
    let reads = Readers::of(graph, second);
    let makes: Vec<f32> = rows(graph, weights).iter().map(|row| largest(row)).collect();
    let mut read = vec![0f32; makes.len()];
    reads.each(graph.constant(readers).and_then(|tensor| tensor.as_f32().ok()).unwrap_or(&[]), |channel, weight| {
        if let Some(most) = read.get_mut(channel) {
            *most = most.max(weight.abs());
        }
    });
    let factor = |(&r1, &r2): (&f32, &f32)| {
        let factor = (r1 / r2).sqrt();
        if factor.is_normal() { factor.clamp(FACTORS[0], FACTORS[1]) } else { 1.0 }
    };
    let factors: Vec<f32> = makes.iter().zip(&read).map(factor).collect();
    let channels = factors.len();
    for value in [Some(weights), bias].into_iter().flatten() {
        if let Some(items) = graph.constant_mut(value).and_then(|tensor| tensor.as_mut_slice::<f32>().ok()) {
            let taps = items.len() / channels.max(1);
            for (row, factor) in items.chunks_mut(taps.max(1)).zip(&factors) {
                row.iter_mut().for_each(|weight| *weight /= factor);
            }
        }
    }
    if let Some(items) = graph.constant_mut(readers).and_then(|tensor| tensor.as_mut_slice::<f32>().ok()) {
        reads.each_mut(items, |channel, weight| *weight *= factors.get(channel).copied().unwrap_or(1.0));
    }
    factors
}

fn largest(row: &[f32]) -> f32 {
    row.iter().fold(0f32, |most, weight| most.max(weight.abs()))
}

/// The weights of each output channel.
fn rows(graph: &Graph, weights: ValueId) -> Vec<Vec<f32>> {
    let Some(tensor) = graph.constant(weights) else { return vec![] };
    let channels = tensor.shape().first().copied().unwrap_or(0);
    let items = tensor.as_f32().unwrap_or(&[]);
    items.chunks((items.len() / channels.max(1)).max(1)).map(<[f32]>::to_vec).collect()
}

/// Which input channel each weight `[out, .., in]` of a layer reads.
struct Readers {
    outputs: usize,
    group_outputs: usize,
    depth: usize,
}

impl Readers {
    fn of(graph: &Graph, id: NodeId) -> Self {
        let Some(node) = graph.node(id) else { return Self { outputs: 0, group_outputs: 1, depth: 1 } };
        let shape = &graph.value(node.inputs[1]).shape;
        let (outputs, depth) = (shape.first().copied().unwrap_or(0), shape.last().copied().unwrap_or(1));
        let groups = match &node.op {
            Op::Conv2d(conv) => conv.groups,
            _ => 1,
        };
        Self { outputs, group_outputs: (outputs / groups.max(1)).max(1), depth }
    }

    fn channel(&self, index: usize, row: usize) -> usize {
        index / row / self.group_outputs * self.depth + index % self.depth.max(1)
    }

    fn each(&self, weights: &[f32], mut see: impl FnMut(usize, f32)) {
        let row = (weights.len() / self.outputs.max(1)).max(1);
        weights.iter().enumerate().for_each(|(index, &weight)| see(self.channel(index, row), weight));
    }

    fn each_mut(&self, weights: &mut [f32], mut change: impl FnMut(usize, &mut f32)) {
        let row = (weights.len() / self.outputs.max(1)).max(1);
        weights.iter_mut().enumerate().for_each(|(index, weight)| change(self.channel(index, row), weight));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::execute;
    use crate::graph::ops::{Conv2d, FullyConnected, Padding};
    use crate::tensor::{DataType, Tensor};

    fn numbers(shape: &[usize], seed: u32) -> Tensor {
        let count: usize = shape.iter().product();
        let number =
            |i: u32| f32::from((i.wrapping_mul(2_654_435_761).wrapping_add(seed * 977) >> 16) as u16) / 32768.0 - 1.0;
        let items = (0..count as u32).map(|i| number(i) * 10f32.powi((i % 5) as i32 - 2)).collect();
        Tensor::from_vec(shape.to_vec(), items).unwrap()
    }

    fn conv(groups: usize, activation: Activation) -> Op {
        Op::Conv2d(Conv2d { stride: [1, 1], dilation: [1, 1], padding: Padding::NONE, groups, activation })
    }

    /// A convolution, a depthwise one, a pointwise one, with this clamp behind the first.
    fn triple(activation: Activation) -> Graph {
        let mut graph = Graph::new("triple");
        let x = graph.add_input("x", vec![1, 5, 5, 2], DataType::F32);
        let weights = [(vec![4, 2, 2, 2], 1), (vec![4, 3, 3, 1], 2), (vec![3, 1, 1, 4], 3)];
        let [first, second, third] = weights.map(|(shape, seed)| graph.add_constant("w", numbers(&shape, seed)));
        let bias = graph.add_constant("b", numbers(&[4], 9));
        let one = graph.add_node("one", conv(1, activation), &[x, first, bias]).unwrap();
        let two = graph.add_node("two", conv(4, Activation::RELU), &[one, second]).unwrap();
        let three = graph.add_node("three", conv(1, Activation::NONE), &[two, third]).unwrap();
        graph.add_output("y", three);
        graph
    }

    fn ranges(graph: &Graph, input: usize) -> Vec<f32> {
        let weights = graph.nodes().nth(input).unwrap().1.inputs[1];
        rows(graph, weights).iter().map(|row| largest(row)).collect()
    }

    fn results_stay(before: &Graph, after: &Graph) {
        let input = [numbers(&[1, 5, 5, 2], 5)];
        let [old, new] = [before, after].map(|graph| execute(graph, &input).unwrap().remove(0));
        for (a, b) in old.as_f32().unwrap().iter().zip(new.as_f32().unwrap()) {
            assert!((a - b).abs() <= 1e-4 * a.abs().max(1.0), "{a} {b}");
        }
    }

    #[test]
    fn bounds_become_one_per_channel() {
        // So low that the clamp is at work.
        let activation = Activation { min: 0.0, max: 0.3 };
        let (before, mut after) = (triple(activation), triple(activation));
        assert_eq!(equalize(&mut after, Reach::WithClips).unwrap(), 2);
        assert_eq!(after.node_count(), before.node_count() + 1);
        let (_, first) = after.nodes().next().unwrap();
        assert_eq!(first.op.activation(), Some(Activation::RELU));
        results_stay(&before, &after);
        let mut unclamped = triple(Activation::RELU);
        equalize(&mut unclamped, Reach::WithClips).unwrap();
        assert_eq!(unclamped.node_count(), before.node_count(), "nothing is clipped where there is no bound");
        assert!(after.validate().is_ok());
    }

    #[test]
    fn slopes_of_channels_let_factors_through() {
        let sloped = || {
            let mut graph = triple(Activation::NONE);
            let (_, first) = graph.nodes().next().unwrap();
            let (output, id) = (first.output(), graph.node_ids()[0]);
            let reader = graph.consumers(output)[0];
            let slopes = graph.add_constant("slopes", Tensor::vector(vec![0.1f32, -0.5, 2.0, 0.25]));
            let kind = Op::Binary(Binary::new(BinaryKind::PRelu));
            let rectified = graph.insert_after(id, "prelu", kind, &[output, slopes]).unwrap();
            graph.set_input(reader, 0, rectified).unwrap();
            graph
        };
        let (before, mut after) = (sloped(), sloped());
        assert_eq!(equalize(&mut after, Reach::Free).unwrap(), 2);
        results_stay(&before, &after);
        assert_ne!(before, after);
    }

    #[test]
    fn ranges_of_a_triple_meet_and_results_stay() {
        let (before, mut after) = (triple(Activation::RELU), triple(Activation::RELU));
        assert_eq!(equalize(&mut after, Reach::Free).unwrap(), 2);
        results_stay(&before, &after);
        let (made, kept) = (ranges(&after, 0), ranges(&after, 1));
        for (a, b) in made.iter().zip(&kept) {
            assert!((a / b - 1.0).abs() < 0.01, "{a} {b}");
        }
    }

    #[test]
    fn a_bound_that_is_not_scale_free_parts_layers() {
        assert_eq!(equalize(&mut triple(Activation::RELU6), Reach::Free).unwrap(), 1);
        let mut graph = triple(Activation::NONE);
        let first = graph.nodes().next().unwrap().1.output();
        graph.add_output("seen", first);
        assert_eq!(equalize(&mut graph, Reach::WithClips).unwrap(), 1);
        let mut graph = Graph::new("one");
        let x = graph.add_input("x", vec![1, 4], DataType::F32);
        let weights = graph.add_constant("w", numbers(&[2, 4], 1));
        let y = graph.add_node("y", Op::FullyConnected(FullyConnected::default()), &[x, weights]).unwrap();
        graph.add_output("y", y);
        assert_eq!(equalize(&mut graph, Reach::WithClips).unwrap(), 0);
    }
}
