//! Recognises functions that exporters write out as several operators.

use crate::graph::ops::{Binary, BinaryKind, Unary};
use crate::graph::{Activation, Graph, GraphError, Node, NodeId, Op, ValueId};

/// Writes the forms below as one function:
/// - x * sigmoid(x): [`Unary::Silu`];
/// - clamp(x + b, 0, m) * s with m * s = 1: [`Unary::HardSigmoid`];
/// - x * hard_sigmoid(x) with slope 1/6 and offset 1/2, or (x * clamp(x + 3, 0, 6)) / 6:
///   [`Unary::HardSwish`];
/// - x * (1 + erf(x / sqrt 2)) / 2, in any order of the factors: [`Unary::Gelu`].
///
/// # Errors
/// [`GraphError`], never for a valid graph.
pub(super) fn run(graph: &mut Graph) -> Result<usize, GraphError> {
    let mut changes = 0;
    for id in graph.node_ids() {
        let found = gated(graph, id)
            .or_else(|| hard_sigmoid(graph, id))
            .or_else(|| hard_swish(graph, id))
            .or_else(|| gelu(graph, id));
        if let Some((unary, source)) = found {
            if let Some(op) = graph.op_mut(id) {
                *op = Op::Unary(unary);
            }
            graph.set_inputs(id, &[source])?;
            changes += 1;
        }
    }
    Ok(changes)
}

type Found = Option<(Unary, ValueId)>;

/// The operands of a binary operation of this kind without a clamp.
fn operands(graph: &Graph, id: NodeId, kind: BinaryKind) -> Option<[ValueId; 2]> {
    operands_clamped(graph, id, kind, Activation::NONE)
}

fn operands_clamped(graph: &Graph, id: NodeId, kind: BinaryKind, activation: Activation) -> Option<[ValueId; 2]> {
    let node = graph.node(id)?;
    match (&node.op, node.inputs.as_slice()) {
        (Op::Binary(binary), &[left, right]) if *binary == (Binary { kind, activation }) => Some([left, right]),
        _ => None,
    }
}

/// x and c of x * c, or x and 1 / c of x / c, where c is one constant number and the result has
/// the shape of x.
fn scaled(graph: &Graph, id: NodeId) -> Option<(ValueId, f32)> {
    let output = graph.node(id).map(Node::output)?;
    let (source, factor) = if let Some(pair) = operands(graph, id, BinaryKind::Mul) {
        either(pair, |x, c| Some((x, graph.constant(c)?.single_f32()?)))?
    } else {
        let [x, c] = operands(graph, id, BinaryKind::Div)?;
        (x, 1.0 / graph.constant(c)?.single_f32()?)
    };
    (graph.value(source).shape == graph.value(output).shape).then_some((source, factor))
}

/// Tries both orders of two operands.
fn either<T>([left, right]: [ValueId; 2], accept: impl Fn(ValueId, ValueId) -> Option<T>) -> Option<T> {
    accept(left, right).or_else(|| accept(right, left))
}

/// The operand of the unary function that makes `value`.
fn unary_of(graph: &Graph, value: ValueId) -> Found {
    let node = graph.node(graph.producer(value)?)?;
    match node.op {
        Op::Unary(unary) => Some((unary, node.inputs[0])),
        _ => None,
    }
}

fn near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-6 * b.abs()
}

/// x * g(x).
fn gated(graph: &Graph, id: NodeId) -> Found {
    either(operands(graph, id, BinaryKind::Mul)?, |x, gate| match unary_of(graph, gate)? {
        (Unary::Sigmoid, source) if source == x => Some((Unary::Silu, x)),
        (Unary::HardSigmoid { alpha, beta }, source) if source == x && near(alpha, 1.0 / 6.0) && near(beta, 0.5) => {
            Some((Unary::HardSwish, x))
        }
        _ => None,
    })
}

/// x and b of clamp(x + b, 0, max).
fn clamped_sum(graph: &Graph, value: ValueId, max: f32) -> Option<(ValueId, f32)> {
    let producer = graph.producer(value)?;
    let clamp = Activation { min: 0.0, max };
    let pair = operands_clamped(graph, producer, BinaryKind::Add, clamp)?;
    let (x, offset) = either(pair, |x, c| Some((x, graph.constant(c)?.single_f32()?)))?;
    (graph.value(x).shape == graph.value(value).shape).then_some((x, offset))
}

fn hard_sigmoid(graph: &Graph, id: NodeId) -> Found {
    let (sum, alpha) = scaled(graph, id)?;
    let producer = graph.node(graph.producer(sum)?)?;
    let max = producer.op.activation()?.max;
    if !near(max * alpha, 1.0) {
        return None;
    }
    let (x, offset) = clamped_sum(graph, sum, max)?;
    Some((Unary::HardSigmoid { alpha, beta: offset * alpha }, x))
}

fn hard_swish(graph: &Graph, id: NodeId) -> Found {
    let (product, factor) = scaled(graph, id)?;
    if !near(factor, 1.0 / 6.0) {
        return None;
    }
    let pair = operands(graph, graph.producer(product)?, BinaryKind::Mul)?;
    either(pair, |x, gate| {
        let (source, offset) = clamped_sum(graph, gate, 6.0)?;
        (source == x && offset == 3.0).then_some((Unary::HardSwish, x))
    })
}

fn gelu(graph: &Graph, id: NodeId) -> Found {
    // The three factors x, 1 + erf(..) and 1/2 in any order of multiplication.
    let mut factors = Vec::new();
    let mut half = 1.0;
    let product = match scaled(graph, id) {
        Some((source, factor)) => {
            half *= factor;
            graph.producer(source)?
        }
        None => id,
    };
    for value in operands(graph, product, BinaryKind::Mul)? {
        match graph.producer(value).and_then(|producer| scaled(graph, producer)) {
            Some((source, factor)) if half == 1.0 && near(factor, 0.5) => {
                half *= factor;
                factors.push(source);
            }
            _ => factors.push(value),
        }
    }
    if !near(half, 0.5) {
        return None;
    }
    either([factors[0], factors[1]], |x, sum| {
        let pair = operands(graph, graph.producer(sum)?, BinaryKind::Add)?;
        let erf = either(pair, |erf, one| (graph.constant(one)?.single_f32()? == 1.0).then_some(erf))?;
        let (Unary::Erf, inner) = unary_of(graph, erf)? else { return None };
        let (source, factor) = scaled(graph, graph.producer(inner)?)?;
        (source == x && near(factor, std::f32::consts::FRAC_1_SQRT_2)).then_some((Unary::Gelu, x))
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{apply, operators};
    use super::super::{PassOptions, optimize};
    use super::*;
    use crate::tensor::{DataType, Tensor};

    struct Builder(Graph, ValueId);

    impl Builder {
        fn new() -> Self {
            let mut graph = Graph::new("pattern");
            let x = graph.add_input("x", vec![2, 8], DataType::F32);
            Self(graph, x)
        }
        fn unary(&mut self, unary: Unary, x: ValueId) -> ValueId {
            self.0.add_node("unary", Op::Unary(unary), &[x]).unwrap()
        }
        fn binary(&mut self, kind: BinaryKind, a: ValueId, b: ValueId) -> ValueId {
            self.0.add_node("binary", Op::Binary(Binary::new(kind)), &[a, b]).unwrap()
        }
        fn number(&mut self, number: f32) -> ValueId {
            self.0.add_constant("number", Tensor::scalar(number))
        }
        fn check(mut self, y: ValueId, name: &str) {
            self.0.add_output("y", y);
            let mut whole = self.0.clone();
            optimize(&mut whole, &PassOptions::default()).unwrap();
            assert_eq!(operators(&whole), [name]);
            if !matches!(name, "HardSwish" | "HardSigmoid") {
                apply(&mut self.0, run);
                assert_eq!(operators(&self.0), [name]);
            }
        }
    }

    #[test]
    fn silu_and_hard_swish() {
        let mut build = Builder::new();
        let gate = build.unary(Unary::Sigmoid, build.1);
        let y = build.binary(BinaryKind::Mul, build.1, gate);
        build.check(y, "Silu");
        let mut build = Builder::new();
        let gate = build.unary(Unary::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }, build.1);
        let y = build.binary(BinaryKind::Mul, gate, build.1);
        build.check(y, "HardSwish");
    }

    #[test]
    fn forms_with_a_clamp_of_six() {
        for (late, name) in [(true, "HardSwish"), (false, "HardSwish")] {
            let mut build = Builder::new();
            let (three, six) = (build.number(3.0), build.number(6.0));
            let sum = build.binary(BinaryKind::Add, build.1, three);
            let clamped = build.0.add_node("clip", Op::Clip(Activation::RELU6), &[sum]).unwrap();
            let y = if late {
                let product = build.binary(BinaryKind::Mul, build.1, clamped);
                build.binary(BinaryKind::Div, product, six)
            } else {
                let gate = build.binary(BinaryKind::Div, clamped, six);
                build.binary(BinaryKind::Mul, build.1, gate)
            };
            build.check(y, name);
        }
    }

    #[test]
    fn gelu_in_both_orders() {
        for half_last in [true, false] {
            let mut build = Builder::new();
            let root = build.number(std::f32::consts::SQRT_2);
            let (one, half) = (build.number(1.0), build.number(0.5));
            let inner = build.binary(BinaryKind::Div, build.1, root);
            let erf = build.unary(Unary::Erf, inner);
            let sum = build.binary(BinaryKind::Add, erf, one);
            let y = if half_last {
                let product = build.binary(BinaryKind::Mul, build.1, sum);
                build.binary(BinaryKind::Mul, product, half)
            } else {
                let scaled = build.binary(BinaryKind::Mul, build.1, half);
                build.binary(BinaryKind::Mul, scaled, sum)
            };
            build.check(y, "Gelu");
        }
    }

    #[test]
    fn a_gate_of_something_else_stays() {
        let mut build = Builder::new();
        let other = build.unary(Unary::Exp, build.1);
        let gate = build.unary(Unary::Sigmoid, other);
        let y = build.binary(BinaryKind::Mul, build.1, gate);
        build.0.add_output("y", y);
        assert_eq!(apply(&mut build.0, run), 0);
    }
}
