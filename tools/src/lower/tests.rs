//! Lowered graphs against the graph executor: in f32 nearly equal, in integers within a few steps of the result's range.

use super::{Precision, lower};
use crate::execute::{execute, execute_observed};
use crate::graph::ops::{
    ArgMax, AveragePool2d, Binary, BinaryKind, Concat, Conv2d, Dequantize, FullyConnected, Gather, Pad, Padding,
    Pool2d, Quantize, Reduce, ReduceKind, Reshape, Slice, SliceRange, Softmax, Transpose, Unary,
};
use crate::graph::{Activation, Graph, Op, ValueId};
use crate::plan;
use crate::quantize::Parameters;
use crate::quantize::widen::{can_be_wide, widen};
use crate::tensor::{DataType, Tensor};
use bantam::{AlignedBytes, DataType as DeviceType, Model, Session};
use bantam_format::Arithmetic;
use std::collections::{BTreeMap, BTreeSet};

/// Share of the result's range by which an 8-bit result may be off.
const TOLERANCE: f32 = 0.04;
const ROWS: u64 = 6;

/// Numbers between -2 and 2, always the same.
fn numbers(shape: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let items = (0..shape.iter().product::<usize>()).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 22) as f32 - 2.0
    });
    Tensor::from_vec(shape.to_vec(), items.collect()).unwrap()
}

fn inputs(graph: &Graph, seed: u64) -> Vec<Tensor> {
    let ports = graph.inputs().iter().enumerate();
    ports.map(|(index, port)| numbers(&graph.value(port.value).shape, seed * 7 + index as u64 + 1)).collect()
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.as_f32().map_or_else(|_| tensor.to_i64().iter().map(|&x| x as f32).collect(), <[f32]>::to_vec)
}

/// Every output of the artifact made of a graph, dequantised, for each row.
fn run(graph: &Graph, precision: Precision<'_>) -> Vec<Vec<Vec<f32>>> {
    let mut program = lower(graph, precision).unwrap();
    plan::plan(&mut program);
    let file = bantam_format::writer::write(&program.description).unwrap();
    let file = AlignedBytes::copy_of(&file);
    let model = Model::parse(file.bytes()).unwrap();
    plan::verify::verify(&model).unwrap();
    let mut arena = AlignedBytes::zeroed(Session::arena_bytes(&model, &bantam::ops::ALL));
    let mut session = Session::new(&model, arena.bytes_mut(), &bantam::ops::ALL).unwrap();
    let rows = (0..ROWS).map(|row| {
        for (index, (tensor, io)) in inputs(graph, row).iter().zip(model.inputs()).enumerate() {
            let items = tensor.as_f32().unwrap();
            if io.tensor.data_type == DeviceType::F32 {
                session.input_mut::<f32>(index).unwrap().copy_from_slice(items);
            } else {
                let parameters = Parameters { scale: io.scale, zero_point: io.zero_point as i8, wide: false };
                let target = session.input_mut::<i8>(index).unwrap();
                target.iter_mut().zip(items).for_each(|(to, &x)| *to = parameters.quantize(x));
            }
        }
        session.run().unwrap();
        let outputs = model.outputs().enumerate().map(|(index, io)| match io.tensor.data_type {
            DeviceType::F32 => session.output::<f32>(index).unwrap().to_vec(),
            DeviceType::I32 => session.output::<i32>(index).unwrap().iter().map(|&x| x as f32).collect(),
            _ => {
                let parameters = Parameters { scale: io.scale, zero_point: io.zero_point as i8, wide: false };
                session.output::<i8>(index).unwrap().iter().map(|&q| parameters.dequantize(q)).collect()
            }
        });
        outputs.collect()
    });
    rows.collect()
}

/// The artifacts in f32, in 8 bits, and in 16 bits between inputs and outputs compute what the graph does.
fn check(graph: &Graph) {
    graph.validate().unwrap();
    let expected: Vec<Vec<Vec<f32>>> =
        (0..ROWS).map(|row| execute(graph, &inputs(graph, row)).unwrap().iter().map(floats).collect()).collect();
    for (got, expected) in run(graph, Precision::Float).iter().flatten().zip(expected.iter().flatten()) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{got} {expected}\n{graph}");
        }
    }
    let mut ranges: BTreeMap<ValueId, (f32, f32)> = BTreeMap::new();
    for row in 0..ROWS {
        let see = |value: ValueId, tensor: &Tensor| {
            for &item in tensor.as_f32().unwrap_or(&[]) {
                let range = ranges.entry(value).or_insert((item, item));
                *range = (range.0.min(item), range.1.max(item));
            }
        };
        execute_observed(graph, &inputs(graph, row), see).unwrap();
    }
    let all = graph.nodes().filter(|(_, node)| can_be_wide(graph, node)).map(|(id, _)| id).collect();
    let widened = widen(graph, &all, &BTreeSet::new()).unwrap();
    for (conversion, value) in &widened.converted {
        let range = ranges[value];
        ranges.insert(*conversion, range);
    }
    let (none, weights) = (BTreeSet::new(), BTreeMap::new());
    for (graph, wide, arithmetic) in [
        (graph, &none, Arithmetic::Onnx),
        (graph, &none, Arithmetic::Tflite),
        (&widened.graph, &widened.wide, Arithmetic::Tflite),
    ] {
        let precision = Precision::Int8 { ranges: &ranges, wide, floats: &none, weights: &weights, arithmetic };
        for (got, expected) in run(graph, precision).iter().flatten().zip(expected.iter().flatten()) {
            assert_eq!(got.len(), expected.len());
            let range = expected.iter().fold(0f32, |range, x| range.max(x.abs())) * 2.0;
            for (got, expected) in got.iter().zip(expected) {
                let wide = wide.len();
                assert!(
                    (got - expected).abs() <= TOLERANCE * range,
                    "{arithmetic:?}, {wide} wide: {got} {expected}\n{graph}"
                );
            }
        }
    }
}

fn add(graph: &mut Graph, op: Op, operands: &[ValueId]) -> ValueId {
    graph.add_node(op.name(), op.clone(), operands).unwrap()
}

fn binary(graph: &mut Graph, kind: BinaryKind, operands: [ValueId; 2]) -> ValueId {
    add(graph, Op::Binary(Binary::new(kind)), &operands)
}

fn reduce(graph: &mut Graph, kind: ReduceKind, axes: &[usize], keep_dims: bool, operand: ValueId) -> ValueId {
    add(graph, Op::Reduce(Reduce { kind, axes: axes.to_vec(), keep_dims }), &[operand])
}

#[test]
fn elements_are_moved() {
    let mut graph = Graph::new("movement");
    let x = graph.add_input("x", vec![1, 4, 6, 3], DataType::F32);
    let first = add(&mut graph, Op::Transpose(Transpose { permutation: vec![0, 3, 1, 2] }), &[x]);
    let whole = |count| SliceRange { start: 0, count, step: 1 };
    let ranges = vec![whole(1), whole(3), SliceRange { start: 1, count: 2, step: 2 }, whole(6)];
    let sliced = add(&mut graph, Op::Slice(Slice { ranges }), &[first]);
    let pad = Pad { before: vec![0, 0, 1, 2], after: vec![0, 1, 0, 0], value: 0.5 };
    let padded = add(&mut graph, Op::Pad(pad), &[sliced]);
    // Another range: requantised when it is joined.
    let small = graph.add_constant("small", Tensor::scalar(0.3f32));
    let scaled = binary(&mut graph, BinaryKind::Mul, [padded, small]);
    let border = graph.add_constant("border", numbers(&[1, 4, 1, 8], 9));
    let joined = add(&mut graph, Op::Concat(Concat { axis: 2 }), &[padded, scaled, border]);
    let positions = graph.add_constant("positions", Tensor::vector(vec![-1i64, 0, 3, 3]));
    let gathered = add(&mut graph, Op::Gather(Gather { axis: 2 }), &[joined, positions]);
    let flat = add(&mut graph, Op::Reshape(Reshape { shape: vec![16, 8] }), &[gathered]);
    let swapped = add(&mut graph, Op::Transpose(Transpose { permutation: vec![1, 0] }), &[flat]);
    graph.add_output("y", swapped);
    graph.add_output("joined", joined);
    check(&graph);
}

#[test]
fn operands_broadcast_and_axes_are_reduced_wherever_they_are() {
    let mut graph = Graph::new("broadcast");
    let x = graph.add_input("x", vec![2, 3, 4], DataType::F32);
    let largest = reduce(&mut graph, ReduceKind::Max, &[2], true, x);
    let difference = binary(&mut graph, BinaryKind::Sub, [largest, x]);
    let three = graph.add_constant("three", Tensor::from_vec(vec![3, 1], vec![2.0f32, 3.0, 4.0]).unwrap());
    let shifted = binary(&mut graph, BinaryKind::Add, [difference, three]);
    let ratio = binary(&mut graph, BinaryKind::Div, [three, shifted]);
    let lower = binary(&mut graph, BinaryKind::Min, [ratio, three]);
    let sum = reduce(&mut graph, ReduceKind::Sum, &[0, 2], false, lower);
    let mean = reduce(&mut graph, ReduceKind::Mean, &[0, 2], true, x);
    let least = reduce(&mut graph, ReduceKind::Min, &[1], false, x);
    let softmax = add(&mut graph, Op::Softmax(Softmax { axis: 1, beta: 1.0 }), &[x]);
    for (name, value) in [("sum", sum), ("mean", mean), ("least", least), ("softmax", softmax)] {
        graph.add_output(name, value);
    }
    check(&graph);
}

#[test]
fn positions_are_found_along_any_axis() {
    let mut graph = Graph::new("positions");
    // Far apart, so that 8 bits tell them from each other.
    let x = graph.add_input("x", vec![2, 3], DataType::F32);
    let steps =
        graph.add_constant("steps", Tensor::from_vec(vec![2, 3], vec![9.0f32, 0.0, 5.0, 0.0, 9.0, 0.0]).unwrap());
    let apart = binary(&mut graph, BinaryKind::Add, [x, steps]);
    let found = add(&mut graph, Op::ArgMax(ArgMax { axis: 0, keep_dims: false }), &[apart]);
    let real = add(&mut graph, Op::Cast(DataType::F32), &[found]);
    let half = graph.add_constant("half", Tensor::scalar(0.5f32));
    let halves = binary(&mut graph, BinaryKind::Mul, [real, half]);
    graph.add_output("found", found);
    graph.add_output("halves", halves);
    check(&graph);
}

#[test]
fn activations_are_multiplied_and_normalised() {
    let mut graph = Graph::new("attention");
    let x = graph.add_input("x", vec![2, 3, 5], DataType::F32);
    let transposed = add(&mut graph, Op::Transpose(Transpose { permutation: vec![0, 2, 1] }), &[x]);
    let scores = add(&mut graph, Op::MatMul, &[x, transposed]);
    let shares = add(&mut graph, Op::Softmax(Softmax { axis: 2, beta: 1.0 }), &[scores]);
    let mixed = add(&mut graph, Op::MatMul, &[shares, x]);
    let weights = graph.add_constant("weights", numbers(&[5, 4], 3));
    let projected = add(&mut graph, Op::MatMul, &[mixed, weights]);
    let scale = graph.add_constant("scale", Tensor::vector(vec![1.0f32, -0.5, 2.0, 0.25]));
    let offset = graph.add_constant("offset", Tensor::vector(vec![0.5f32, 0.0, -1.0, 1.0]));
    let normal = add(&mut graph, Op::BatchNorm, &[projected, scale, offset]);
    let turned = add(&mut graph, Op::Transpose(Transpose { permutation: vec![1, 0, 2] }), &[normal]);
    let rounded = add(&mut graph, Op::Unary(Unary::Softsign), &[turned]);
    graph.add_output("normal", normal);
    graph.add_output("rounded", rounded);
    check(&graph);
}

/// Real numbers through the model's own integers of one type.
fn through_integers(graph: &mut Graph, value: ValueId, scale: f32, zero_point: i32, to: DataType) -> ValueId {
    let integers = add(graph, Op::Quantize(Quantize { scale, zero_point, to }), &[value]);
    add(graph, Op::Dequantize(Dequantize::per_tensor(scale, zero_point)), &[integers])
}

/// A quantised constant with a scale per position of the first axis.
fn quantized_weights(graph: &mut Graph, shape: &[usize], seed: u64) -> ValueId {
    let items = numbers(shape, seed).as_f32().unwrap().iter().map(|x| (x * 63.5) as i8).collect();
    let integers = graph.add_constant("weights", Tensor::from_vec::<i8>(shape.to_vec(), items).unwrap());
    let scales = (0..shape[0]).map(|channel| 0.01 + channel as f32 / 256.0).collect();
    let op = Dequantize { scales, zero_points: vec![0; shape[0]], axis: Some(0) };
    add(graph, Op::Dequantize(op), &[integers])
}

/// A bias of integers at the scale of the products.
fn quantized_bias(graph: &mut Graph, channels: usize, input_scale: f32) -> ValueId {
    let items = (0..channels).map(|channel| channel as i32 * 700 - 900).collect();
    let integers = graph.add_constant("bias", Tensor::vector::<i32>(items));
    let scales = (0..channels).map(|channel| input_scale * (0.01 + channel as f32 / 256.0)).collect();
    add(graph, Op::Dequantize(Dequantize { scales, zero_points: vec![0; channels], axis: Some(0) }), &[integers])
}

/// The artifact of a quantised graph gives what the executor gives, within this many steps of `scale`. Returns the
/// operators of the artifact.
fn check_quantized(graph: &Graph, scale: f32, steps: f32) -> Vec<&'static str> {
    graph.validate().unwrap();
    let precision = Precision::Quantized { arithmetic: Arithmetic::Onnx };
    let expected: Vec<Vec<Vec<f32>>> =
        (0..ROWS).map(|row| execute(graph, &inputs(graph, row)).unwrap().iter().map(floats).collect()).collect();
    for (got, expected) in run(graph, precision).iter().flatten().zip(expected.iter().flatten()) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() <= steps * scale * 1.001 + 1e-6, "{got} {expected}\n{graph}");
        }
    }
    lower(graph, precision).unwrap().description.ops.iter().map(|op| op.opcode.name()).collect()
}

#[test]
fn quantised_layers_are_integer_ops_and_conversions_take_no_memory() {
    let mut graph = Graph::new("quantised");
    let x = graph.add_input("x", vec![1, 4, 4, 2], DataType::F32);
    let real = through_integers(&mut graph, x, 0.02, 5, DataType::I8);
    let weights = quantized_weights(&mut graph, &[3, 3, 3, 2], 5);
    let bias = quantized_bias(&mut graph, 3, 0.02);
    let padding = Padding { top: 1, left: 1, bottom: 1, right: 1 };
    let conv = Conv2d { stride: [1, 1], dilation: [1, 1], padding, groups: 1, activation: Activation::RELU };
    let sums = add(&mut graph, Op::Conv2d(conv), &[real, weights, bias]);
    let real = through_integers(&mut graph, sums, 0.05, 0, DataType::U8);
    let pool = Pool2d {
        kernel: [2, 2],
        stride: [2, 2],
        dilation: [1, 1],
        padding: Padding::NONE,
        activation: Activation::NONE,
    };
    let largest = add(&mut graph, Op::MaxPool2d(pool), &[real]);
    let flat = add(&mut graph, Op::Reshape(Reshape { shape: vec![1, 12] }), &[largest]);
    let real = through_integers(&mut graph, flat, 0.05, 0, DataType::U8);
    let weights = quantized_weights(&mut graph, &[5, 12], 6);
    let sums = add(&mut graph, Op::FullyConnected(FullyConnected::default()), &[real, weights]);
    let clamped = add(&mut graph, Op::Clip(Activation { min: -1.0, max: 2.5 }), &[sums]);
    let real = through_integers(&mut graph, clamped, 0.03, -20, DataType::I8);
    graph.add_output("y", real);
    assert_eq!(check_quantized(&graph, 0.03, 1.0), ["Conv2d", "MaxPool2d", "FullyConnected", "Clamp"]);
}

#[test]
fn islands_of_floats_stay_between_quantised_layers() {
    let mut graph = Graph::new("islands");
    let x = graph.add_input("x", vec![1, 6], DataType::F32);
    let real = through_integers(&mut graph, x, 0.02, 3, DataType::I8);
    let weights = quantized_weights(&mut graph, &[6, 6], 5);
    let bias = quantized_bias(&mut graph, 6, 0.02);
    let sums = add(&mut graph, Op::FullyConnected(FullyConnected::default()), &[real, weights, bias]);
    let real = through_integers(&mut graph, sums, 0.05, -3, DataType::I8);
    // A constant without a scale, and a function whose result is not quantised.
    let factor = graph.add_constant("factor", numbers(&[6], 8));
    let product = binary(&mut graph, BinaryKind::Mul, [real, factor]);
    let bent = add(&mut graph, Op::Unary(Unary::Tanh), &[product]);
    let sum = binary(&mut graph, BinaryKind::Add, [bent, real]);
    let real = through_integers(&mut graph, sum, 0.04, 9, DataType::U8);
    let table = add(&mut graph, Op::Unary(Unary::Sigmoid), &[real]);
    let real = through_integers(&mut graph, table, 1.0 / 256.0, 0, DataType::U8);
    let shares = add(&mut graph, Op::Softmax(Softmax { axis: 1, beta: 1.0 }), &[real]);
    graph.add_output("y", shares);
    let operators = check_quantized(&graph, 1.0 / 256.0, 1.0);
    let expected =
        ["FullyConnected", "Dequantize", "Binary", "Unary", "Binary", "Quantize", "Table", "Dequantize", "Softmax"];
    assert_eq!(operators, expected);
}

#[test]
fn weights_whose_zero_point_does_not_fit_are_refused_by_name() {
    for (zero_point, refused) in [(3, false), (100, true)] {
        let mut graph = Graph::new("zero point");
        let x = graph.add_input("x", vec![1, 2], DataType::F32);
        let real = through_integers(&mut graph, x, 0.02, 0, DataType::I8);
        let integers = graph.add_constant("w", Tensor::from_vec(vec![2, 2], vec![1i8, -2, -120, 90]).unwrap());
        let weights = add(&mut graph, Op::Dequantize(Dequantize::per_tensor(0.01, zero_point)), &[integers]);
        let sums = add(&mut graph, Op::FullyConnected(FullyConnected::default()), &[real, weights]);
        let real = through_integers(&mut graph, sums, 0.05, -3, DataType::I8);
        graph.add_output("y", real);
        match lower(&graph, Precision::Quantized { arithmetic: Arithmetic::Onnx }) {
            Ok(_) => {
                assert!(!refused);
                check_quantized(&graph, 0.05, 1.0);
            }
            Err(error) => assert!(refused && error.to_string().contains("zero point 100"), "{error}"),
        }
    }
}

#[test]
fn float_programs_compute_the_conversions() {
    let mut graph = Graph::new("float");
    let x = graph.add_input("x", vec![1, 6], DataType::F32);
    let op = Op::Quantize(Quantize { scale: 0.25, zero_point: 130, to: DataType::U8 });
    let integers = add(&mut graph, op, &[x]);
    let words = add(&mut graph, Op::Cast(DataType::I32), &[integers]);
    let real = add(&mut graph, Op::Dequantize(Dequantize::per_tensor(0.5, 120)), &[integers]);
    let scales = vec![0.5, 1.0, 2.0, 0.25, 3.0, 1.5];
    let op = Dequantize { scales, zero_points: vec![0, 1, 0, -3, 0, 7], axis: Some(1) };
    let scaled = add(&mut graph, Op::Dequantize(op), &[words]);
    graph.add_output("words", words);
    graph.add_output("real", real);
    graph.add_output("scaled", scaled);
    let expected = execute(&graph, &inputs(&graph, 0)).unwrap();
    let expected: Vec<Vec<f32>> = expected.iter().map(floats).collect();
    assert_eq!(run(&graph, Precision::Float)[0], expected);
}

/// Small numbers drawn one by one.
struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound
    }
}

/// A value that is rounded to integers of a random type which hold its range, more or less.
fn rounded_somehow(graph: &mut Graph, value: ValueId, draw: &mut Draw) -> (ValueId, f32) {
    let mut whole = graph.clone();
    whole.add_output("range", value);
    let results = (0..ROWS).flat_map(|row| execute(&whole, &inputs(&whole, row)).unwrap().pop().map(|y| floats(&y)));
    let (low, high) = results.flatten().fold((0f32, 0f32), |(low, high), x| (low.min(x), high.max(x)));
    let scale = ((high - low).max(0.01) / (180 + draw.below(120)) as f32).max(1e-6);
    let zero_point = ((-low / scale) as i32).clamp(0, 255);
    let (to, shift) = if draw.below(2) == 0 { (DataType::I8, 128) } else { (DataType::U8, 0) };
    (through_integers(graph, value, scale, zero_point - shift, to), scale)
}

/// One operator between conversions, now and then with a clamp, and elements moved before or after.
fn random_layer(seed: u64) -> (Graph, f32, &'static str) {
    let mut draw = Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut graph = Graph::new("random");
    let x = graph.add_input("x", vec![1, 4, 5, 4], DataType::F32);
    let (real, scale) = rounded_somehow(&mut graph, x, &mut draw);
    let clamp = if draw.below(2) == 0 { Activation::NONE } else { Activation { min: -0.25, max: 1.5 } };
    let pool = Pool2d {
        kernel: [2, 3],
        stride: [1 + draw.below(2), 2],
        dilation: [1, 1],
        padding: Padding { top: draw.below(2), left: draw.below(2), bottom: 0, right: draw.below(2) },
        activation: clamp,
    };
    let groups = [1, 2, 4][draw.below(3)];
    let conv = Conv2d {
        stride: [1, 1 + draw.below(2)],
        dilation: [1, 1],
        padding: Padding { top: 1, left: draw.below(2), bottom: draw.below(2), right: 1 },
        groups,
        activation: clamp,
    };
    let flat = |graph: &mut Graph| add(graph, Op::Reshape(Reshape { shape: vec![4, 20] }), &[real]);
    let kind = draw.below(12);
    let y = match kind {
        0 | 1 => {
            let weights = quantized_weights(&mut graph, &[4, 3, 2, 4 / groups], seed);
            let bias = quantized_bias(&mut graph, 4, scale);
            add(&mut graph, Op::Conv2d(conv), &[real, weights, bias])
        }
        2 => {
            let (flat, weights) = (flat(&mut graph), quantized_weights(&mut graph, &[3, 20], seed));
            add(&mut graph, Op::FullyConnected(FullyConnected { activation: clamp }), &[flat, weights])
        }
        3 => {
            let flat = flat(&mut graph);
            let turned = add(&mut graph, Op::Transpose(Transpose { permutation: vec![1, 0] }), &[flat]);
            add(&mut graph, Op::MatMul, &[flat, turned])
        }
        4 => add(&mut graph, Op::MaxPool2d(pool), &[real]),
        5 => add(&mut graph, Op::AveragePool2d(AveragePool2d { pool, count_include_pad: draw.below(2) == 0 }), &[real]),
        6 | 7 => {
            let doubled = add(&mut graph, Op::Unary(Unary::Tanh), &[real]);
            let (other, _) = rounded_somehow(&mut graph, doubled, &mut draw);
            let kind = [BinaryKind::Add, BinaryKind::Sub, BinaryKind::Mul, BinaryKind::Max][draw.below(4)];
            add(&mut graph, Op::Binary(Binary { kind, activation: clamp }), &[real, other])
        }
        8 => {
            let unary = [Unary::Sigmoid, Unary::Tanh, Unary::HardSwish, Unary::LeakyRelu { alpha: 0.1 }, Unary::Exp];
            add(&mut graph, Op::Unary(unary[draw.below(unary.len())]), &[real])
        }
        9 => {
            let kind = [ReduceKind::Mean, ReduceKind::Sum, ReduceKind::Max][draw.below(3)];
            reduce(&mut graph, kind, &[1, 2], draw.below(2) == 0, real)
        }
        10 => add(&mut graph, Op::Softmax(Softmax { axis: 3, beta: 1.0 }), &[real]),
        _ => {
            let bent = add(&mut graph, Op::Unary(Unary::Sigmoid), &[real]);
            let (other, _) = rounded_somehow(&mut graph, bent, &mut draw);
            add(&mut graph, Op::Concat(Concat { axis: 3 }), &[real, other])
        }
    };
    let name = graph.node(graph.producer(y).unwrap()).unwrap().op.name();
    // What moves elements, or clamps them, stays on the integers.
    let y = if draw.below(3) == 0 { add(&mut graph, Op::Clip(Activation::RELU6), &[y]) } else { y };
    let (y, scale) = rounded_somehow(&mut graph, y, &mut draw);
    let backwards = (0..graph.value(y).shape.len()).rev().collect();
    let y = add(&mut graph, Op::Transpose(Transpose { permutation: backwards }), &[y]);
    graph.add_output("y", y);
    (graph, scale, name)
}

#[test]
fn random_quantised_layers_are_within_a_step_of_the_executor() {
    let mut seen = BTreeMap::new();
    for seed in 0..400 {
        let (graph, scale, name) = random_layer(seed);
        let operators = check_quantized(&graph, scale, 1.0);
        *seen.entry(name).or_insert(0) += 1;
        let float = operators.iter().any(|&name| matches!(name, "Dequantize" | "Quantize"));
        assert!(!float || name == "Softmax", "{operators:?}\n{graph}");
    }
    assert!(seen.len() >= 14 && seen.values().all(|&count| count >= 3), "{seen:?}");
}
