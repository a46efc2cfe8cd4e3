//! Smaller graphs compute what is left.

use super::*;
use crate::random::{generator, normal};
use bantam_tools::execute::execute;
use bantam_tools::graph::Activation;
use bantam_tools::graph::ops::{
    Binary, BinaryKind, Concat, Conv2d, FullyConnected, Padding, Reduce, ReduceKind, Reshape, Slice, SliceRange,
    Softmax,
};
use bantam_tools::tensor::{DataType, Tensor};

/// A stem, a residual block with a depthwise layer, two branches joined, an image flattened into a dense layer, a softmax.
fn network() -> Graph {
    let mut graph = Graph::new("residual");
    let mut random = generator(1, &[]);
    let mut constant = |graph: &mut Graph, name: &str, shape: &[usize]| {
        let count: usize = shape.iter().product();
        let inputs: usize = shape.iter().skip(1).product();
        let scale = (2.0 / inputs as f32).sqrt();
        let items = (0..count).map(|_| scale * normal(&mut random)).collect();
        graph.add_constant(name, Tensor::from_vec(shape.to_vec(), items).unwrap())
    };
    let conv = |groups: usize, stride: usize| {
        let padding = Padding { top: 1, left: 1, bottom: 1, right: 1 };
        let activation = Activation::RELU;
        Op::Conv2d(Conv2d { stride: [stride; 2], dilation: [1, 1], padding, groups, activation })
    };
    let x = graph.add_input("x", vec![1, 8, 8, 3], DataType::F32);
    let (w, b) = (constant(&mut graph, "stem.w", &[8, 3, 3, 3]), constant(&mut graph, "stem.b", &[8]));
    let stem = graph.add_node("stem", conv(1, 1), &[x, w, b]).unwrap();
    let (w, b) = (constant(&mut graph, "depth.w", &[8, 3, 3, 1]), constant(&mut graph, "depth.b", &[8]));
    let depth = graph.add_node("depth", conv(8, 1), &[stem, w, b]).unwrap();
    let w = constant(&mut graph, "point.w", &[8, 3, 3, 8]);
    let point = graph.add_node("point", conv(1, 1), &[depth, w]).unwrap();
    let sum = graph.add_node("sum", Op::Binary(Binary::new(BinaryKind::Add)), &[stem, point]).unwrap();
    let w = constant(&mut graph, "left.w", &[4, 3, 3, 8]);
    let left = graph.add_node("left", conv(1, 2), &[sum, w]).unwrap();
    let w = constant(&mut graph, "right.w", &[6, 3, 3, 8]);
    let right = graph.add_node("right", conv(1, 2), &[sum, w]).unwrap();
    let both = graph.add_node("both", Op::Concat(Concat { axis: 3 }), &[left, right]).unwrap();
    let flat = graph.add_node("flat", Op::Reshape(Reshape { shape: vec![1, 160] }), &[both]).unwrap();
    let (w, b) = (constant(&mut graph, "hidden.w", &[12, 160]), constant(&mut graph, "hidden.b", &[12]));
    let relu = Op::FullyConnected(FullyConnected { activation: Activation::RELU });
    let hidden = graph.add_node("hidden", relu, &[flat, w, b]).unwrap();
    let w = constant(&mut graph, "dense.w", &[5, 12]);
    let dense = graph.add_node("dense", Op::FullyConnected(FullyConnected::default()), &[hidden, w]).unwrap();
    let softmax = graph.add_node("softmax", Op::Softmax(Softmax { axis: 1, beta: 1.0 }), &[dense]).unwrap();
    graph.add_output("y", softmax);
    graph
}

fn rows(count: usize) -> Rows {
    let mut random = generator(2, &[]);
    let items = (0..count * 192).map(|_| normal(&mut random)).collect();
    Rows { shape: vec![1, 8, 8, 3], items, labels: None, mixed: vec![] }
}

fn run(graph: &Graph, rows: &Rows, row: usize) -> Vec<f32> {
    let input = Tensor::from_vec(rows.shape.clone(), rows.row(row).to_vec()).unwrap();
    execute(graph, &[input]).unwrap()[0].as_f32().unwrap().to_vec()
}

#[test]
fn channels_that_meet_are_joined_and_answers_stay() {
    let graph = network();
    let channels = Channels::of(&graph);
    let groups = channels.groups();
    let names: Vec<(Vec<String>, usize)> =
        groups.iter().map(|group| (group.layers.clone(), group.sets.len())).collect();
    let named = |layers: &[&str], sets: usize| (layers.iter().map(ToString::to_string).collect::<Vec<_>>(), sets);
    assert_eq!(
        names,
        [named(&["stem", "point"], 8), named(&["left"], 4), named(&["right"], 6), named(&["hidden"], 12)]
    );
}

#[test]
fn channels_that_are_always_the_same_go_without_a_trace() {
    let mut graph = network();
    // A channel of the stem, of one branch and of the hidden layer that never change: no weights, some bias.
    for (name, channel, value) in [("stem", 2, 0.0), ("point", 2, 0.0), ("right", 3, 0.0), ("hidden", 5, 1.5)] {
        let node = graph.nodes().find(|(_, node)| node.name == name).map(|(_, node)| node.clone()).unwrap();
        let weights = graph.constant_mut(node.inputs[1]).unwrap();
        let row = weights.len() / weights.shape()[0];
        weights.as_mut_slice::<f32>().unwrap()[channel * row..(channel + 1) * row].fill(0.0);
        if let Some(&bias) = node.inputs.get(2) {
            graph.constant_mut(bias).unwrap().as_mut_slice::<f32>().unwrap()[channel] = value;
        }
    }
    let channels = Channels::of(&graph);
    let value = |name: &str| graph.nodes().find(|(_, node)| node.name == name).unwrap().1.output();
    let gone: BTreeSet<Unit> = [("stem", 2), ("right", 3), ("hidden", 5)]
        .into_iter()
        .map(|(name, channel)| channels.roots(value(name))[channel])
        .collect();
    let network = Network::fixed(&graph).unwrap();
    let rows = rows(20);
    let values = refit::values(&network, &[rows.tensor().unwrap()]).unwrap();
    let moments = Moments::of(&graph, &values).unwrap();
    let less = cut(&graph, &channels, &gone, &moments.means).unwrap();
    assert_eq!(less.facts(less.nodes().nth(4).unwrap().1.inputs[0]).shape, [1, 8, 8, 7]);
    assert_eq!(macs(&less), macs_without(&graph, &channels, &gone));
    assert!(macs(&less) < macs(&graph));
    for row in 0..20 {
        let (before, after) = (run(&graph, &rows, row), run(&less, &rows, row));
        for (a, b) in before.iter().zip(&after) {
            assert!((a - b).abs() < 1e-4, "{before:?} {after:?}");
        }
    }
}

/// Lets the second half of a layer's channels be multiples of the first, in the biases too.
fn repeat(graph: &mut Graph, name: &str, factor: f32) {
    let node = graph.nodes().find(|(_, node)| node.name == name).map(|(_, node)| node.clone()).unwrap();
    for &value in &node.inputs[1..] {
        let items = graph.constant_mut(value).unwrap().as_mut_slice::<f32>().unwrap();
        let (first, second) = items.split_at_mut(items.len() / 2);
        second.iter_mut().zip(first).for_each(|(second, first)| *second = *first * factor);
    }
}

#[test]
fn channels_that_others_can_stand_for_go_first_and_are_made_good() {
    let mut graph = network();
    ["stem", "point", "left", "right", "hidden"].into_iter().for_each(|name| repeat(&mut graph, name, 2.0));
    // A depthwise layer's own weights are not scaled: its inputs are.
    let depth = graph.nodes().find(|(_, node)| node.name == "depth").map(|(_, node)| node.clone()).unwrap();
    for (index, factor) in [(1, 1.0), (2, 2.0)] {
        let items = graph.constant_mut(depth.inputs[index]).unwrap().as_mut_slice::<f32>().unwrap();
        let (first, second) = items.split_at_mut(items.len() / 2);
        second.iter_mut().zip(first).for_each(|(second, first)| *second = *first * factor);
    }
    let rows = rows(300);
    let made = smaller(&Network::trainable(&graph).unwrap(), &rows, Size::Width(0.5)).unwrap().graph;
    assert_eq!(made.facts(made.nodes().nth(4).unwrap().1.inputs[0]).shape, [1, 8, 8, 4]);
    for row in 0..20 {
        let (before, after) = (run(&graph, &rows, row), run(&made, &rows, row));
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 5e-3), "{before:?} {after:?}");
    }
}

#[test]
fn fitted_layers_lose_less_on_rows_they_have_not_seen() {
    let graph = network();
    let (whole, all) = (Network::fixed(&graph).unwrap(), rows(400));
    let (seen, other) = (all.select(&(0..300).collect::<Vec<_>>()), all.select(&(300..400).collect::<Vec<_>>()));
    let channels = Channels::of(&graph);
    let gone = channels.groups().iter().flat_map(|group| group.sets[..group.sets.len() / 4].to_vec()).collect();
    let moments = Moments::of(&graph, &refit::values(&whole, &[seen.tensor().unwrap()]).unwrap()).unwrap();
    let cut = cut(&graph, &channels, &gone, &moments.means).unwrap();
    let less = Network::fixed(&cut).unwrap();
    let fitted = refit::refit(&whole, &less, &|value| channels.kept(value, &gone), &seen).unwrap();
    let (before, after) = (change(&whole, &cut, &other).unwrap(), change(&whole, &fitted, &other).unwrap());
    // Weights and rows are drawn at random: little of what one channel says is in the others.
    assert!(after < 0.95 * before, "{before} {after}");
    let same = refit::refit(&whole, &whole, &|value| channels.kept(value, &BTreeSet::new()), &seen).unwrap();
    assert_eq!(change(&whole, &same, &other).unwrap(), 0.0);
}

#[test]
fn sizes_are_met_and_one_set_stays() {
    let network = Network::trainable(&network()).unwrap();
    let rows = rows(40);
    let half = smaller(&network, &rows, Size::Width(0.5)).unwrap();
    let after: Vec<usize> = half.groups.iter().map(|group| group.after).collect();
    assert_eq!(after, [4, 2, 3, 6]);
    assert!(half.groups.iter().all(|group| group.sensitivity > 0.0));
    assert_eq!(half.macs[1], macs(&half.graph));
    for share in [0.8, 0.5, 0.3] {
        let made = smaller(&network, &rows, Size::Share(share)).unwrap();
        let [before, after] = made.macs;
        assert!(
            after as f64 <= share * before as f64 && after as f64 > 0.7 * share * before as f64,
            "{share}: {after}"
        );
        assert!(made.groups.iter().all(|group| group.after >= 1));
        assert_eq!(run(&made.graph, &rows, 0).len(), 5);
    }
    let error = smaller(&network, &rows, Size::Share(0.001)).unwrap_err().to_string();
    assert!(error.contains("one channel left"), "{error}");
}

#[test]
fn what_was_made_comes_back_from_onnx() {
    use bantam_tools::export::onnx::export_floats;
    use bantam_tools::import::onnx::{ImportOptions, import};
    let network = Network::trainable(&network()).unwrap();
    let rows = rows(10);
    let made = smaller(&network, &rows, Size::Width(0.5)).unwrap().graph;
    let file = export_floats(&made, "made").unwrap();
    let back = import(&file, &ImportOptions::default()).unwrap();
    for row in 0..10 {
        let (before, after) = (run(&made, &rows, row), run(&back, &rows, row));
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-5), "{before:?} {after:?}");
    }
}

#[test]
fn parts_of_a_layer_lose_channels_and_keep_one_each() {
    let mut graph = Graph::new("split");
    let mut random = generator(3, &[]);
    let mut constant = |graph: &mut Graph, name: &str, shape: &[usize]| {
        let items = (0..shape.iter().product()).map(|_| 0.4 * normal(&mut random)).collect();
        graph.add_constant(name, Tensor::from_vec(shape.to_vec(), items).unwrap())
    };
    let relu = FullyConnected { activation: Activation::RELU };
    let x = graph.add_input("x", vec![1, 8, 8, 3], DataType::F32);
    let flat = graph.add_node("flat", Op::Reshape(Reshape { shape: vec![1, 192] }), &[x]).unwrap();
    let (w, b) = (constant(&mut graph, "w", &[10, 192]), constant(&mut graph, "b", &[10]));
    let hidden = graph.add_node("hidden", Op::FullyConnected(relu), &[flat, w, b]).unwrap();
    let part = |graph: &mut Graph, name: &str, start: usize, count: usize| {
        let range = |start, count| SliceRange { start, count, step: 1 };
        let slice = Slice { ranges: vec![range(0, 1), range(start, count)] };
        graph.add_node(name, Op::Slice(slice), &[hidden]).unwrap()
    };
    let (first, second) = (part(&mut graph, "first", 0, 4), part(&mut graph, "second", 4, 6));
    let both = graph.add_node("both", Op::Concat(Concat { axis: 1 }), &[second, first]).unwrap();
    let (w, b) = (constant(&mut graph, "v", &[5, 10]), constant(&mut graph, "c", &[5]));
    let dense = graph.add_node("dense", Op::FullyConnected(FullyConnected::default()), &[both, w, b]).unwrap();
    graph.add_output("y", dense);
    let channels = Channels::of(&graph);
    let groups = channels.groups();
    let sets: Vec<usize> = groups.iter().map(|group| group.sets.len()).collect();
    assert_eq!(sets, [4, 6]);
    // Two channels that are always nought.
    let gone = BTreeSet::from([groups[0].sets[1], groups[1].sets[4]]);
    for channel in [1, 8] {
        let node = graph.nodes().find(|(_, node)| node.name == "hidden").map(|(_, node)| node.clone()).unwrap();
        let weights = graph.constant_mut(node.inputs[1]).unwrap().as_mut_slice::<f32>().unwrap();
        weights[channel * 192..(channel + 1) * 192].fill(0.0);
        graph.constant_mut(node.inputs[2]).unwrap().as_mut_slice::<f32>().unwrap()[channel] = -1.0;
    }
    let less = cut(&graph, &channels, &gone, &Means::new()).unwrap();
    let rows = rows(100);
    for row in 0..20 {
        let (before, after) = (run(&graph, &rows, row), run(&less, &rows, row));
        assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-4), "{before:?} {after:?}");
    }
    let made = smaller(&Network::trainable(&graph).unwrap(), &rows, Size::Width(0.01)).unwrap();
    assert!(made.groups.iter().all(|group| group.after == 1));
    assert_eq!(run(&made.graph, &rows, 0).len(), 5);
}

#[test]
fn what_is_read_by_place_stays_whole() {
    let mut graph = Graph::new("fixed");
    let x = graph.add_input("x", vec![1, 4, 4, 2], DataType::F32);
    let w = graph.add_constant("w", Tensor::zeros::<f32>(vec![6, 1, 1, 2]).unwrap());
    let conv =
        Conv2d { stride: [1, 1], dilation: [1, 1], padding: Padding::NONE, groups: 1, activation: Activation::NONE };
    let y = graph.add_node("conv", Op::Conv2d(conv), &[x, w]).unwrap();
    let mean = Reduce { kind: ReduceKind::Mean, axes: vec![3], keep_dims: true };
    let mean = graph.add_node("mean over channels", Op::Reduce(mean), &[y]).unwrap();
    graph.add_output("y", mean);
    assert!(Channels::of(&graph).groups().is_empty());
}
