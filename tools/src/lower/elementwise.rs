//! Elementwise ops.

use super::builder::{Builder, Form, Refusal, clamp, ordered};
use super::words;
use crate::graph::ops::{Binary, BinaryKind as GraphBinary, Compare, Unary};
use crate::graph::{Activation, Node, ValueId};
use crate::quantize::Parameters;
use crate::quantize::multiplier::QuantizedMultiplier;
use crate::tensor::DataType as HostType;
use bantam_format::ops::{self, BinaryKind, TABLE_ENTRIES, UnaryKind};
use bantam_format::{Arithmetic, Opcode};

/// Bits by which `tflite` sums are scaled up before they are rounded.
const LEFT_SHIFT: i32 = 20;

pub(super) fn lower_binary(builder: &mut Builder<'_>, node: &Node, binary: &Binary) -> Result<(), Refusal> {
    let kind = match binary.kind {
        GraphBinary::Add => BinaryKind::Add,
        GraphBinary::Sub => BinaryKind::Sub,
        GraphBinary::Mul => BinaryKind::Mul,
        GraphBinary::Div => BinaryKind::Div,
        GraphBinary::Min => BinaryKind::Min,
        GraphBinary::Max => BinaryKind::Max,
        GraphBinary::Pow => BinaryKind::Pow,
        GraphBinary::Remainder => BinaryKind::Remainder,
        GraphBinary::Modulo => return words::lower_modulo(builder, node),
    };
    if kind == BinaryKind::Pow && builder.graph.value(node.output()).dtype != HostType::F32 {
        return Err("powers of integers are not supported on devices".into());
    }
    let operands = order(builder, node, binary);
    if words::is_narrow(builder, node.output()) && kind.is_integer_arithmetic() {
        return words::lower_narrow(builder, node, kind, operands);
    }
    binary_op(builder, node, kind, operands, binary.activation)
}

/// A comparison: integers 0 and 1.
pub(super) fn lower_compare(builder: &mut Builder<'_>, node: &Node, compare: Compare) -> Result<(), Refusal> {
    let kind = match compare {
        Compare::Equal => BinaryKind::Equal,
        Compare::Less => BinaryKind::Less,
        Compare::LessOrEqual => BinaryKind::LessOrEqual,
    };
    binary_op(builder, node, kind, [node.inputs[0], node.inputs[1]], Activation::NONE)
}

/// A choice between two tensors, both in the form of the result.
pub(super) fn lower_select(builder: &mut Builder<'_>, node: &Node) -> Result<(), Refusal> {
    let form = builder.form(node.output());
    let forms = [Form::Word, form, form];
    let inputs = node.inputs.iter().zip(forms).map(|(&value, form)| builder.read(value, form)).collect();
    builder.op(node, Opcode::Select, inputs, vec![])
}

/// A binary op in the form of the node's result; comparisons in that of their operands.
fn binary_op(
    builder: &mut Builder<'_>,
    node: &Node,
    kind: BinaryKind,
    [first, second]: [ValueId; 2],
    activation: Activation,
) -> Result<(), Refusal> {
    let parameters = [first, second].map(|operand| builder.operand_parameters(operand));
    let words = builder.graph.value(first).dtype != HostType::F32;
    let float = if kind.is_comparison() {
        let operands = [first, second];
        // A constant is at home in either.
        let float = |&operand: &ValueId| builder.graph.constant(operand).is_some() || builder.is_float_value(operand);
        operands.iter().any(|&operand| builder.is_real(operand)) || operands.iter().all(float)
    } else {
        builder.is_float_value(node.output())
    };
    let mut attributes = Vec::new();
    let forms = if words {
        ops::WordBinary { kind: kind.code(), reserved: [0; 3] }.write(&mut attributes);
        [Form::Word; 2]
    } else if float {
        let Activation { min, max } = ordered(activation);
        ops::FloatBinary { kind: kind.code(), reserved: [0; 3], clamp_min: min, clamp_max: max }.write(&mut attributes);
        [Form::Float; 2]
    } else {
        let [first, second] = parameters;
        let output = builder.parameters(node.output());
        scaled(builder.arithmetic, kind, [first, second, output], activation).write(&mut attributes);
        parameters.map(Form::Integer)
    };
    let inputs = vec![builder.read(first, forms[0]), builder.read(second, forms[1])];
    builder.op(node, Opcode::Binary, inputs, attributes)
}

/// What is left of a batch norm, which nothing could be folded into: in f32, as the product has no range of its own.
pub(super) fn lower_batch_norm(builder: &mut Builder<'_>, node: &Node) -> Result<(), Refusal> {
    builder.make_float(node.output());
    let shape = builder.graph.value(node.output()).shape.clone();
    let [input, scale, offset] = [0, 1, 2].map(|operand| builder.read(node.inputs[operand], Form::Float));
    let product = builder.temporary(&format!("{}/product", node.name), Form::Float, &shape);
    let float = |kind: BinaryKind| {
        let mut attributes = Vec::new();
        let Activation { min, max } = Activation::NONE;
        ops::FloatBinary { kind: kind.code(), reserved: [0; 3], clamp_min: min, clamp_max: max }.write(&mut attributes);
        attributes
    };
    builder.emit(&node.name, Opcode::Binary, vec![input, scale], product, float(BinaryKind::Mul));
    builder.op(node, Opcode::Binary, vec![product, offset], float(BinaryKind::Add))
}

/// The operands such that, where there is a choice, the first has the result's shape, stands in the arena, and is the one
/// that is not needed afterwards, so that the result can take its place.
fn order(builder: &Builder<'_>, node: &Node, binary: &Binary) -> [ValueId; 2] {
    let graph = builder.graph;
    let output = &graph.value(node.output()).shape;
    let [first, second] = [node.inputs[0], node.inputs[1]];
    let fits = |first: ValueId| graph.constant(first).is_none() && graph.value(first).shape == *output;
    let needed_later = |value: ValueId| {
        graph.is_output(value)
            || graph
                .consumers(value)
                .last()
                .and_then(|&id| graph.node(id))
                .is_none_or(|last| last.output() != node.output())
    };
    let (straight, swapped) = (fits(first), binary.kind.is_commutative() && fits(second));
    match (straight, swapped) {
        (true, true) if needed_later(first) && !needed_later(second) => [second, first],
        (false, true) => [second, first],
        _ => [first, second],
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
    let real = |scale: f32| QuantizedMultiplier { multiplier: scale.to_bits().cast_signed(), shift: 0 };
    let multipliers = if kind.is_comparison() {
        [real(first.scale), real(second.scale), none]
    } else if !kind.is_integer_arithmetic() {
        [real(first.scale), real(second.scale), real(1.0 / output.scale)]
    } else if arithmetic == Arithmetic::Tflite {
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
        if product {
            [none, none, real(first.scale * second.scale / output.scale)]
        } else {
            [real(first.scale / output.scale), real(second.scale / output.scale), none]
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
    let input = builder.operand(node, node.inputs[0]);
    let mut attributes = Vec::new();
    if builder.computes_floats(node) {
        let (kind, p, q) = float_kind(unary);
        ops::Unary { kind: kind.code(), reserved: [0; 3], p, q }.write(&mut attributes);
        return builder.op(node, Opcode::Unary, vec![input], attributes);
    }
    table_op(builder, node, input, |x| unary.apply(x))
}

/// A function of one 8-bit number.
fn table_op(builder: &mut Builder<'_>, node: &Node, input: u16, function: impl Fn(f32) -> f32) -> Result<(), Refusal> {
    let (from, to) = (builder.parameters(node.inputs[0]), builder.parameters(node.output()));
    let entries = (i8::MIN..=i8::MAX).map(|q| to.quantize(function(from.dequantize(q))).cast_unsigned());
    let entries: Vec<u8> = entries.collect();
    debug_assert_eq!(entries.len(), TABLE_ENTRIES);
    let mut attributes = Vec::new();
    ops::Table { table: builder.constants.add(entries) }.write(&mut attributes);
    builder.op(node, Opcode::Table, vec![input], attributes)
}

/// The runtime's float function, with its parameters.
fn float_kind(unary: &Unary) -> (UnaryKind, f32, f32) {
    match *unary {
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
        Unary::Reciprocal => (UnaryKind::Reciprocal, 0.0, 0.0),
        Unary::GeluTanh => (UnaryKind::GeluTanh, 0.0, 0.0),
        Unary::Softsign => (UnaryKind::Softsign, 0.0, 0.0),
        Unary::Mish => (UnaryKind::Mish, 0.0, 0.0),
        Unary::Floor => (UnaryKind::Floor, 0.0, 0.0),
        Unary::Ceil => (UnaryKind::Ceil, 0.0, 0.0),
        Unary::Round => (UnaryKind::Round, 0.0, 0.0),
        Unary::Sign => (UnaryKind::Sign, 0.0, 0.0),
        Unary::Sin => (UnaryKind::Sin, 0.0, 0.0),
        Unary::Cos => (UnaryKind::Cos, 0.0, 0.0),
        Unary::Tan => (UnaryKind::Tan, 0.0, 0.0),
        Unary::Asin => (UnaryKind::Asin, 0.0, 0.0),
        Unary::Acos => (UnaryKind::Acos, 0.0, 0.0),
        Unary::Atan => (UnaryKind::Atan, 0.0, 0.0),
        Unary::Sinh => (UnaryKind::Sinh, 0.0, 0.0),
        Unary::Cosh => (UnaryKind::Cosh, 0.0, 0.0),
        Unary::Asinh => (UnaryKind::Asinh, 0.0, 0.0),
        Unary::Acosh => (UnaryKind::Acosh, 0.0, 0.0),
        Unary::Atanh => (UnaryKind::Atanh, 0.0, 0.0),
    }
}

pub(super) fn lower_clip(builder: &mut Builder<'_>, node: &Node, activation: &Activation) -> Result<(), Refusal> {
    let input = builder.operand(node, node.inputs[0]);
    let mut attributes = Vec::new();
    if builder.computes_floats(node) {
        let Activation { min, max } = ordered(*activation);
        ops::FloatClamp { clamp_min: min, clamp_max: max }.write(&mut attributes);
    } else if builder.parameters(node.inputs[0]) != builder.parameters(node.output()) {
        return table_op(builder, node, input, |x| activation.apply(x));
    } else {
        let (clamp_min, clamp_max) = clamp(builder.parameters(node.output()), *activation);
        ops::IntegerClamp { clamp_min, clamp_max, reserved: [0; 2] }.write(&mut attributes);
    }
    builder.op(node, Opcode::Clamp, vec![input], attributes)
}
