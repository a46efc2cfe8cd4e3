//! Every operator against the executor, and its gradients against differences of the executor's results.

use super::*;
use crate::random::{generator, signed};
use bantam_tools::execute::execute;
use bantam_tools::graph::ops::{
    AveragePool2d, Binary, BinaryKind, Compare, Concat, Conv2d, ConvTranspose2d, FullyConnected, Gather, L2Normalize,
    LogSoftmax, Normalize, Pad, Padding, Pool2d, Reduce, ReduceKind, Reshape, Resize, Slice, SliceRange, Softmax, Tap,
    Transpose, Unary,
};
use bantam_tools::graph::{Activation, Graph};
use bantam_tools::interval::SplitMix;

const ROWS: usize = 3;
/// Elements of each tensor whose gradient is compared.
const PROBES: usize = 6;

struct Case {
    graph: Graph,
    random: SplitMix,
    /// Bounds of the inputs.
    range: [f32; 2],
}

impl Case {
    fn new(name: &str) -> Self {
        let seed = name.bytes().fold(0u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        Self { graph: Graph::new(name), random: generator(seed, &[]), range: [-1.0, 1.0] }
    }

    fn input(&mut self, shape: &[usize]) -> ValueId {
        self.graph.add_input("x", shape.to_vec(), DataType::F32)
    }

    fn numbers(&mut self, count: usize) -> Vec<f32> {
        let [low, high] = self.range;
        (0..count).map(|_| low + (high - low) * 0.5 * (1.0 + signed(&mut self.random))).collect()
    }

    fn constant(&mut self, name: &str, shape: &[usize]) -> ValueId {
        let items = self.numbers(shape.iter().product());
        self.graph.add_constant(name, HostTensor::from_vec(shape.to_vec(), items).unwrap())
    }

    fn node(&mut self, op: Op, inputs: &[ValueId]) -> ValueId {
        let name = format!("node{}", self.graph.node_count());
        self.graph.add_node(name, op, inputs).unwrap()
    }

    /// The sum of all results of all rows, each times a fixed number.
    fn objective(graph: &Graph, rows: &[Vec<f32>], weights: &[f32]) -> f64 {
        let shape = &graph.value(graph.inputs()[0].value).shape;
        let results = rows.iter().flat_map(|row| {
            let input = HostTensor::from_vec(shape.clone(), row.clone()).unwrap();
            execute(graph, &[input]).unwrap()[0].as_f32().unwrap().to_vec()
        });
        results.zip(weights).map(|(x, weight)| f64::from(x) * f64::from(*weight)).sum()
    }

    fn check(mut self, output: ValueId) {
        self.graph.add_output("y", output);
        let name = self.graph.name.clone();
        let network = Network::trainable(&self.graph).unwrap_or_else(|refused| panic!("{name}: {refused}"));
        let shape = self.graph.value(self.graph.inputs()[0].value).shape.clone();
        let elements: usize = shape.iter().product();
        let rows: Vec<Vec<f32>> = (0..ROWS).map(|_| self.numbers(elements)).collect();
        let mut batched = shape.clone();
        batched[0] = ROWS;
        let input = Var::from_vec(rows.concat(), batched, &Device::Cpu).unwrap();
        let result = network.forward(&[input.as_tensor().clone()], &[output]).unwrap().remove(0);
        let flat = result.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let expected: Vec<f32> = rows
            .iter()
            .flat_map(|row| {
                let input = HostTensor::from_vec(shape.clone(), row.clone()).unwrap();
                execute(&self.graph, &[input]).unwrap()[0].as_f32().unwrap().to_vec()
            })
            .collect();
        assert_eq!(flat.len(), expected.len(), "{name}");
        for (got, expected) in flat.iter().zip(&expected) {
            assert!((got - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{name}: {got}, not {expected}");
        }

        let weights: Vec<f32> = (0..flat.len()).map(|_| signed(&mut self.random)).collect();
        let tensor = Tensor::from_slice(&weights, result.shape(), &Device::Cpu).unwrap();
        let store = (result * tensor).unwrap().sum_all().unwrap().backward().unwrap();
        let gradient = |var: &Var| match store.get(var.as_tensor()) {
            Some(gradient) => gradient.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            None => vec![0.0; var.elem_count()],
        };
        let mut compared = 0;
        let mut compare = |what: &str, index: usize, got: f32, at: &dyn Fn(f32) -> f64| {
            let slope = |step: f32| (at(step) - at(-step)) / (2.0 * f64::from(step));
            let (near, far) = (slope(4e-3), slope(8e-3));
            // Two steps that disagree lie on both sides of a bend.
            if (near - far).abs() > 1e-2 * near.abs().max(1.0) {
                return;
            }
            compared += 1;
            let close = 1e-2 * near.abs().max(1.0);
            assert!((f64::from(got) - near).abs() <= close, "{name}: {what}[{index}] has {got}, not {near}");
        };
        let got = gradient(&input);
        for _ in 0..PROBES {
            let index = self.random.below(got.len());
            compare("x", index, got[index], &|step| {
                let mut moved = rows.clone();
                moved[index / elements][index % elements] += step;
                Self::objective(&self.graph, &moved, &weights)
            });
        }
        for variable in network.variables() {
            let got = gradient(&variable.var);
            for _ in 0..PROBES {
                let index = self.random.below(got.len());
                compare(&variable.name, index, got[index], &|step| {
                    let mut moved = self.graph.clone();
                    moved.constant_mut(variable.value).unwrap().as_mut_slice::<f32>().unwrap()[index] += step;
                    Self::objective(&moved, &rows, &weights)
                });
            }
        }
        assert!(compared >= PROBES / 2, "{name}: only {compared} gradients lie on no bend");
    }
}

fn conv(groups: usize) -> Conv2d {
    Conv2d {
        stride: [1, 1],
        dilation: [1, 1],
        padding: Padding { top: 1, left: 1, bottom: 1, right: 1 },
        groups,
        activation: Activation::NONE,
    }
}

#[test]
fn convolutions() {
    let uneven = Padding { top: 1, left: 0, bottom: 2, right: 1 };
    let cases: [(&str, [usize; 4], [usize; 4], Conv2d); 7] = [
        ("full", [1, 5, 6, 3], [4, 3, 3, 3], conv(1)),
        ("stride", [1, 7, 6, 3], [4, 3, 3, 3], Conv2d { stride: [2, 2], ..conv(1) }),
        ("dilated", [1, 7, 7, 2], [3, 3, 2, 2], Conv2d { dilation: [2, 3], padding: uneven, ..conv(1) }),
        ("pointwise", [1, 4, 4, 5], [3, 1, 1, 5], Conv2d { padding: Padding::NONE, ..conv(1) }),
        ("depthwise", [1, 6, 5, 4], [4, 3, 3, 1], Conv2d { stride: [2, 1], ..conv(4) }),
        ("grouped", [1, 5, 5, 4], [6, 3, 3, 2], Conv2d { activation: Activation::RELU, ..conv(2) }),
        (
            "multiplied",
            [1, 4, 4, 2],
            [4, 3, 3, 1],
            Conv2d { activation: Activation { min: -0.5, max: 0.5 }, ..conv(2) },
        ),
    ];
    for (name, input, weights, conv) in cases {
        let mut case = Case::new(name);
        let x = case.input(&input);
        let w = case.constant("w", &weights);
        let b = case.constant("b", &[weights[0]]);
        let y = case.node(Op::Conv2d(conv), &[x, w, b]);
        case.check(y);
    }
}

#[test]
fn transposed_convolutions() {
    for (groups, weights) in [(1, [3, 3, 2, 2]), (2, [4, 3, 2, 1])] {
        let mut case = Case::new(&format!("transposed {groups}"));
        let x = case.input(&[1, 3, 4, 2]);
        let w = case.constant("w", &weights);
        let b = case.constant("b", &weights[..1]);
        let op = ConvTranspose2d {
            stride: [2, 2],
            dilation: [1, 1],
            padding: Padding { top: 1, left: 0, bottom: 0, right: 1 },
            output_padding: [1, 0],
            groups,
            activation: Activation::NONE,
        };
        let y = case.node(Op::ConvTranspose2d(op), &[x, w, b]);
        case.check(y);
    }
}

/// A square of a number below nought, and its slope.
#[test]
fn powers_of_negative_numbers() {
    let mut case = Case::new("square");
    let x = case.input(&[1, 8]);
    let two = case.graph.add_constant("two", HostTensor::scalar(2.0f32));
    let y = case.node(Op::Binary(Binary::new(BinaryKind::Pow)), &[x, two]);
    case.check(y);
}

#[test]
fn choices() {
    for compare in [Compare::Less, Compare::LessOrEqual, Compare::Equal] {
        let mut case = Case::new(compare.name());
        let x = case.input(&[1, 3, 4]);
        let (limit, scale) = (case.constant("limit", &[4]), case.constant("scale", &[3, 1]));
        let scaled = case.node(Op::Binary(Binary::new(BinaryKind::Mul)), &[x, scale]);
        let asked = case.node(Op::Compare(compare), &[x, limit]);
        let chosen = case.node(Op::Select, &[asked, scaled, x]);
        let mask = case.node(Op::Cast(DataType::F32), &[asked]);
        let y = case.node(Op::Binary(Binary::new(BinaryKind::Add)), &[chosen, mask]);
        case.check(y);
    }
}

#[test]
fn interpolations() {
    let taps = |list: &[(usize, usize, f32)]| {
        list.iter().map(|&(low, high, weight)| Tap { low, high, weight }).collect::<Vec<_>>()
    };
    let rows = taps(&[(0, 0, 0.0), (0, 1, 0.25), (1, 2, 0.5), (2, 2, 0.0)]);
    let columns = taps(&[(0, 1, 0.75), (1, 0, 0.25)]);
    let mut case = Case::new("resize");
    let x = case.input(&[1, 3, 2, 3]);
    let y = case.node(Op::Resize(Resize { first_axis: 1, rows, columns }), &[x]);
    case.check(y);
}

#[test]
fn matrices() {
    let mut case = Case::new("dense");
    let x = case.input(&[1, 5]);
    let (w, b) = (case.constant("w", &[4, 5]), case.constant("b", &[4]));
    let y = case.node(Op::FullyConnected(FullyConnected { activation: Activation::RELU6 }), &[x, w, b]);
    case.check(y);

    let mut case = Case::new("dense over positions");
    let x = case.input(&[1, 3, 5]);
    let w = case.constant("w", &[4, 5]);
    let y = case.node(Op::FullyConnected(FullyConnected::default()), &[x, w]);
    case.check(y);

    let mut case = Case::new("attention");
    let x = case.input(&[1, 4, 3]);
    let t = case.node(Op::Transpose(Transpose { permutation: vec![0, 2, 1] }), &[x]);
    let s = case.node(Op::MatMul, &[x, t]);
    let p = case.node(Op::Softmax(Softmax { axis: 2, beta: 0.7 }), &[s]);
    let y = case.node(Op::MatMul, &[p, x]);
    case.check(y);

    let mut case = Case::new("rows times a constant");
    let x = case.input(&[1, 4]);
    let w = case.constant("w", &[4, 3]);
    let y = case.node(Op::MatMul, &[x, w]);
    case.check(y);
}

#[test]
fn pools() {
    let pool = Pool2d {
        kernel: [3, 2],
        stride: [2, 2],
        dilation: [1, 1],
        padding: Padding { top: 1, left: 1, bottom: 1, right: 0 },
        activation: Activation::NONE,
    };
    let ops = [
        Op::MaxPool2d(pool.clone()),
        Op::AveragePool2d(AveragePool2d { pool: pool.clone(), count_include_pad: false }),
        Op::AveragePool2d(AveragePool2d { pool, count_include_pad: true }),
    ];
    for (index, op) in ops.into_iter().enumerate() {
        let mut case = Case::new(&format!("pool {index}"));
        let x = case.input(&[1, 6, 5, 2]);
        let y = case.node(op, &[x]);
        case.check(y);
    }
}

#[test]
fn elements_of_two_tensors() {
    let kinds = [
        BinaryKind::Add,
        BinaryKind::Sub,
        BinaryKind::Mul,
        BinaryKind::Div,
        BinaryKind::Min,
        BinaryKind::Max,
        BinaryKind::PRelu,
        BinaryKind::SquaredDifference,
        BinaryKind::Pow,
    ];
    for kind in kinds {
        for (shape, other) in [(vec![1, 3, 4], vec![4]), (vec![1, 3, 1], vec![2, 3, 4]), (vec![1, 4], vec![])] {
            if other.first() == Some(&2) {
                continue;
            }
            let mut case = Case::new(&format!("{} {other:?}", kind.name()));
            if matches!(kind, BinaryKind::Div | BinaryKind::Pow) {
                case.range = [0.5, 1.5];
            }
            let x = case.input(&shape);
            let c = case.constant("c", &other);
            let y = case.node(Op::Binary(Binary { kind, activation: Activation { min: -1.5, max: 1.2 } }), &[x, c]);
            case.check(y);
        }
        let mut case = Case::new(&format!("{} of activations", kind.name()));
        case.range = [0.5, 1.5];
        let x = case.input(&[1, 3, 4]);
        let means = Reduce { kind: ReduceKind::Mean, axes: vec![1], keep_dims: true };
        let m = case.node(Op::Reduce(means), &[x]);
        let y = case.node(Op::Binary(Binary::new(kind)), &[x, m]);
        case.check(y);
    }
}

#[test]
fn functions() {
    let anywhere = [
        Unary::Sigmoid,
        Unary::Tanh,
        Unary::HardSwish,
        Unary::HardSigmoid { alpha: 0.2, beta: 0.5 },
        Unary::Elu { alpha: 1.5 },
        Unary::LeakyRelu { alpha: 0.1 },
        Unary::Exp,
        Unary::Neg,
        Unary::Abs,
        Unary::Erf,
        Unary::Gelu,
        Unary::GeluTanh,
        Unary::Softplus,
        Unary::Softsign,
        Unary::Silu,
        Unary::Mish,
        Unary::Sin,
        Unary::Cos,
        Unary::Atan,
        Unary::Sinh,
        Unary::Cosh,
        Unary::Asinh,
    ];
    let positive = [Unary::Log, Unary::Sqrt, Unary::Rsqrt, Unary::Reciprocal];
    let small = [Unary::Tan, Unary::Asin, Unary::Acos, Unary::Atanh];
    let groups =
        [(&anywhere[..], [-4.0, 4.0]), (&positive, [0.5, 4.0]), (&small, [-0.8, 0.8]), (&[Unary::Acosh], [1.5, 3.0])];
    for (functions, range) in groups {
        for unary in functions {
            let mut case = Case::new(unary.name());
            case.range = range;
            let x = case.input(&[1, 6]);
            let y = case.node(Op::Unary(*unary), &[x]);
            case.check(y);
        }
    }
}

#[test]
fn clamps_and_norms() {
    let mut case = Case::new("clip");
    let x = case.input(&[1, 9]);
    let y = case.node(Op::Clip(Activation { min: -0.3, max: 0.6 }), &[x]);
    case.check(y);

    let mut case = Case::new("batch norm");
    let x = case.input(&[1, 2, 2, 3]);
    let (s, o) = (case.constant("s", &[3]), case.constant("o", &[3]));
    let y = case.node(Op::BatchNorm, &[x, s, o]);
    case.check(y);

    for root_mean_square in [false, true] {
        let mut case = Case::new(&format!("layer norm {root_mean_square}"));
        let x = case.input(&[1, 3, 2, 4]);
        let (s, o) = (case.constant("s", &[2, 4]), case.constant("o", &[2, 4]));
        let y = case.node(Op::Normalize(Normalize { axes: 2, root_mean_square, epsilon: 1e-3 }), &[x, s, o]);
        case.check(y);
    }
}

#[test]
fn reductions_and_softmax() {
    for kind in [ReduceKind::Mean, ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min, ReduceKind::Product] {
        for keep_dims in [true, false] {
            let mut case = Case::new(&format!("{} {keep_dims}", kind.name()));
            let x = case.input(&[1, 3, 4, 2]);
            let y = case.node(Op::Reduce(Reduce { kind, axes: vec![1, 2], keep_dims }), &[x]);
            case.check(y);
        }
    }
    for axis in [1, 2] {
        let mut case = Case::new(&format!("softmax {axis}"));
        let x = case.input(&[1, 3, 4]);
        let y = case.node(Op::Softmax(Softmax { axis, beta: 2.0 }), &[x]);
        case.check(y);
        for op in [Op::LogSoftmax(LogSoftmax { axis }), Op::L2Normalize(L2Normalize { axis })] {
            let mut case = Case::new(&format!("{} {axis}", op.name()));
            let x = case.input(&[1, 3, 4]);
            let y = case.node(op, &[x]);
            case.check(y);
        }
    }
}

#[test]
fn movements() {
    let ops = [
        Op::Reshape(Reshape { shape: vec![1, 6, 2] }),
        Op::Transpose(Transpose { permutation: vec![0, 2, 1] }),
        Op::Pad(Pad { before: vec![0, 1, 0], after: vec![0, 2, 1], value: 0.5 }),
        Op::Slice(Slice {
            ranges: vec![
                SliceRange { start: 0, count: 1, step: 1 },
                SliceRange { start: 1, count: 2, step: 1 },
                SliceRange { start: 0, count: 2, step: 2 },
            ],
        }),
    ];
    for (index, op) in ops.into_iter().enumerate() {
        let mut case = Case::new(&format!("movement {index}"));
        let x = case.input(&[1, 3, 4]);
        let y = case.node(op, &[x]);
        case.check(y);
    }
    let mut case = Case::new("concat");
    let x = case.input(&[1, 3, 2]);
    let c = case.constant("c", &[1, 3, 4]);
    let n = case.node(Op::Unary(Unary::Tanh), &[x]);
    let y = case.node(Op::Concat(Concat { axis: 2 }), &[x, c, n]);
    case.check(y);

    let mut case = Case::new("gather");
    let x = case.input(&[1, 5, 2]);
    let positions = HostTensor::from_vec(vec![2, 2], vec![4i64, 0, -2, 0]).unwrap();
    let p = case.graph.add_constant("p", positions);
    let y = case.node(Op::Gather(Gather { axis: 1 }), &[x, p]);
    case.check(y);
}

#[test]
fn single_numbers_stay_and_shared_constants_are_one_variable() {
    let mut case = Case::new("shared");
    let x = case.input(&[1, 3]);
    let factor = case.constant("factor", &[]);
    let w = case.constant("w", &[3, 3]);
    let scaled = case.node(Op::Binary(Binary::new(BinaryKind::Mul)), &[x, factor]);
    let first = case.node(Op::FullyConnected(FullyConnected::default()), &[scaled, w]);
    let second = case.node(Op::FullyConnected(FullyConnected::default()), &[first, w]);
    case.graph.add_output("y", second);
    let network = Network::trainable(&case.graph).unwrap();
    let names: Vec<&str> = network.variables().iter().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["w"]);
    assert_eq!(network.trained().unwrap(), case.graph);
    assert!(Network::fixed(&case.graph).unwrap().variables().is_empty());
}

#[test]
fn what_cannot_be_trained_is_refused_in_one_message() {
    let mut case = Case::new("refused");
    let x = case.input(&[1, 3]);
    let rounded = case.node(Op::Unary(Unary::Round), &[x]);
    let modulo = case.node(Op::Binary(Binary::new(BinaryKind::Modulo)), &[rounded, x]);
    let y = case.node(Op::Reduce(Reduce { kind: ReduceKind::Sum, axes: vec![0], keep_dims: true }), &[modulo]);
    case.graph.add_output("y", y);
    let message = Network::trainable(&case.graph).unwrap_err().to_string();
    assert_eq!(
        message,
        "nodes that cannot be trained: 3\n  \
         'node0' (Round): its derivative is zero almost everywhere\n  \
         'node1' (Modulo): it has no derivative here\n  \
         'node2' (ReduceSum): it works across rows of the batch"
    );
}
