//! Elementwise ops.

use super::builder::{Builder, Refusal, clamp};
use crate::graph::ops::{Binary, BinaryKind as GraphBinary, Unary};
use crate::graph::{Activation, Node, ValueId};
use crate::quantize::Parameters;
use crate::quantize::multiplier::QuantizedMultiplier;
use bantam_format::ops::{self, BinaryKind, TABLE_ENTRIES, UnaryKind};
use bantam_format::{Arithmetic, Opcode};

/// Bits by which `tflite` sums are scaled up before they are rounded.
const LEFT_SHIFT: i32 = 20;

pub(super) fn lower_binary(builder: &mut Builder<'_>, node: &Node, binary: &Binary) -> Result<(), Refusal> {
    let kind = match binary.kind {
        GraphBinary::Add => BinaryKind::Add,
        GraphBinary::Sub => BinaryKind::Sub,
        GraphBinary::Mul => BinaryKind::Mul,
        other => return Err(format!("elementwise {} is not supported on devices yet", other.name())),
    };
    let [first, second] = order(builder, node, binary)?;
    let graph = builder.graph;
    let float = builder.is_float_value(node.output());
    let first_tensor = if float { builder.activation(first) } else { builder.operand(first) };
    let (second_tensor, second_parameters) = match graph.constant(second) {
        Some(constant) => builder.constant(second, constant, float)?,
        None if float => (builder.activation(second), builder.parameters(second)),
        None => (builder.operand(second), builder.parameters(second)),
    };
    let mut attributes = Vec::new();
    if float {
        let Activation { min, max } = binary.activation;
        ops::FloatBinary { kind: kind.code(), reserved: [0; 3], clamp_min: min, clamp_max: max }.write(&mut attributes);
    } else {
        let operands = [builder.parameters(first), second_parameters, builder.parameters(node.output())];
        scaled(builder.arithmetic, kind, operands, binary.activation).write(&mut attributes);
    }
    builder.op(node, Opcode::Binary, vec![first_tensor, second_tensor], attributes)
}

/// The operands such that the first has the result's shape and stands in the arena, and, where there is a choice, is
/// the one that is not needed afterwards, so that the result can take its place.
fn order(builder: &Builder<'_>, node: &Node, binary: &Binary) -> Result<[ValueId; 2], Refusal> {
    let graph = builder.graph;
    let output = &graph.value(node.output()).shape;
    let [first, second] = [node.inputs[0], node.inputs[1]];
    let fits = |first: ValueId, second: ValueId| {
        let (whole, part) = (&graph.value(first).shape, &graph.value(second).shape);
        let repeats = part.iter().product::<usize>() == 1 || whole.ends_with(part);
        graph.constant(first).is_none() && whole == output && repeats
    };
    let needed_later = |value: ValueId| {
        graph.is_output(value)
            || graph
                .consumers(value)
                .last()
                .and_then(|&id| graph.node(id))
                .is_none_or(|last| last.output() != node.output())
    };
    let straight = fits(first, second);
    let swapped = binary.kind.is_commutative() && fits(second, first);
    match (straight, swapped) {
        (true, true) if needed_later(first) && !needed_later(second) => Ok([second, first]),
        (true, _) => Ok([first, second]),
        (_, true) => Ok([second, first]),
        _ => Err(format!(
            "broadcasting {:?} with {:?} is not supported on devices yet",
            graph.value(first).shape,
            graph.value(second).shape
        )),
    }
}

/// The parameters of an 8-bit binary op.
fn scaled(
    arithmetic: Arithmetic,
    kind: BinaryKind,
    [first, second, output]: [Parameters; 3],
    activation: Activation,
) -> ops::IntegerBinary {
    let (clamp_min, clamp_max) = clamp(output, activation);
    let none = QuantizedMultiplier { multiplier: 0, shift: 0 };
    let product = kind == BinaryKind::Mul;
    let [first_scale, second_scale, output_scale] = [first, second, output].map(|p| f64::from(p.scale));
    let multipliers = if arithmetic == Arithmetic::Tflite {
        let twice_max = 2.0 * first_scale.max(second_scale);
        if product {
            [none, none, QuantizedMultiplier::new(first_scale * second_scale / output_scale)]
        } else {
            [
                QuantizedMultiplier::new(first_scale / twice_max),
                QuantizedMultiplier::new(second_scale / twice_max),
                QuantizedMultiplier::new(twice_max / (2f64.powi(LEFT_SHIFT) * output_scale)),
            ]
        }
    } else {
        let bits = |ratio: f32| QuantizedMultiplier { multiplier: ratio.to_bits().cast_signed(), shift: 0 };
        if product {
            [none, none, bits(first.scale * second.scale / output.scale)]
        } else {
            [bits(first.scale / output.scale), bits(second.scale / output.scale), none]
        }
    };
    ops::IntegerBinary {
        kind: kind.code(),
        first_zero_point: first.zero_point,
        second_zero_point: second.zero_point,
        output_zero_point: output.zero_point,
        clamp_min,
        clamp_max,
        first_shift: multipliers[0].shift,
        second_shift: multipliers[1].shift,
        output_shift: multipliers[2].shift,
        reserved: [0; 3],
        first_multiplier: multipliers[0].multiplier.cast_unsigned(),
        second_multiplier: multipliers[1].multiplier.cast_unsigned(),
        output_multiplier: multipliers[2].multiplier.cast_unsigned(),
    }
}

pub(super) fn lower_unary(builder: &mut Builder<'_>, node: &Node, unary: &Unary) -> Result<(), Refusal> {
    let input = builder.operand(node.inputs[0]);
    let mut attributes = Vec::new();
    if builder.is_float() {
        let (kind, p, q) = float_kind(unary)?;
        ops::Unary { kind: kind.code(), reserved: [0; 3], p, q }.write(&mut attributes);
        return builder.op(node, Opcode::Unary, vec![input], attributes);
    }
    let (from, to) = (builder.parameters(node.inputs[0]), builder.parameters(node.output()));
    let entries = (i8::MIN..=i8::MAX).map(|q| to.quantize(unary.apply(from.dequantize(q))).cast_unsigned());
    let entries: Vec<u8> = entries.collect();
    debug_assert_eq!(entries.len(), TABLE_ENTRIES);
    ops::Table { table: builder.constants.add(entries) }.write(&mut attributes);
    builder.op(node, Opcode::Table, vec![input], attributes)
}

/// The runtime's float function, with its parameters.
fn float_kind(unary: &Unary) -> Result<(UnaryKind, f32, f32), Refusal> {
    Ok(match *unary {
        Unary::Sigmoid => (UnaryKind::Sigmoid, 0.0, 0.0),
        Unary::Tanh => (UnaryKind::Tanh, 0.0, 0.0),
        Unary::LeakyRelu { alpha } => (UnaryKind::LeakyRelu, alpha, 0.0),
        Unary::Elu { alpha } => (UnaryKind::Elu, alpha, 0.0),
        Unary::HardSigmoid { alpha, beta } => (UnaryKind::HardSigmoid, alpha, beta),
        Unary::HardSwish => (UnaryKind::HardSwish, 1.0 / 6.0, 0.5),
        Unary::Softplus => (UnaryKind::Softplus, 0.0, 0.0),
        Unary::Exp => (UnaryKind::Exp, 0.0, 0.0),
        Unary::Log => (UnaryKind::Log, 0.0, 0.0),
        Unary::Sqrt => (UnaryKind::Sqrt, 0.0, 0.0),
        Unary::Neg => (UnaryKind::Neg, 0.0, 0.0),
        Unary::Abs => (UnaryKind::Abs, 0.0, 0.0),
        Unary::Erf => (UnaryKind::Erf, 0.0, 0.0),
        Unary::Silu => (UnaryKind::Silu, 0.0, 0.0),
        Unary::Gelu => (UnaryKind::Gelu, 0.0, 0.0),
        other => return Err(format!("{} in floating point is not supported on devices yet", other.name())),
    })
}

pub(super) fn lower_clip(builder: &mut Builder<'_>, node: &Node, activation: &Activation) -> Result<(), Refusal> {
    let input = builder.operand(node.inputs[0]);
    let mut attributes = Vec::new();
    if builder.is_float() {
        ops::FloatClamp { clamp_min: activation.min, clamp_max: activation.max }.write(&mut attributes);
    } else {
        let (clamp_min, clamp_max) = clamp(builder.parameters(node.output()), *activation);
        ops::IntegerClamp { clamp_min, clamp_max, reserved: [0; 2] }.write(&mut attributes);
    }
    builder.op(node, Opcode::Clamp, vec![input], attributes)
}
