//! Elementwise ops.

use super::builder::{Builder, Form, Refusal, clamp, ordered};
use super::{wide, words};
use crate::graph::ops::{Binary, BinaryKind as GraphBinary, Compare, Unary};
use crate::graph::{Activation, Node, ValueId};
use crate::quantize::Parameters;
use crate::quantize::multiplier::QuantizedMultiplier;
use crate::quantize::reference;
use crate::tensor::DataType as HostType;
use bantam_format::ops::{self, BinaryKind, UnaryKind};
use bantam_format::{Arithmetic, Opcode};

/// Bits by which `tflite` sums of 8-bit and of 16-bit integers are scaled up before they are rounded.
const LEFT_SHIFT: [i32; 2] = [20, 15];
/// Bits by which the operands of a squared difference are.
const SQUARE_SHIFT: [i32; 2] = [7, 0];

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
        GraphBinary::PRelu if builder.arithmetic == Arithmetic::Tflite && !builder.computes_floats(node) => {
            BinaryKind::IntegerPRelu
        }
        GraphBinary::PRelu => BinaryKind::PRelu,
        GraphBinary::SquaredDifference => return lower_squared_difference(builder, node),
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

/// One op of integers under `tflite`, else a difference that is squared.
fn lower_squared_difference(builder: &mut Builder<'_>, node: &Node) -> Result<(), Refusal> {
    let operands = [node.inputs[0], node.inputs[1]];
    if builder.arithmetic == Arithmetic::Tflite && !builder.computes_floats(node) {
        return binary_op(builder, node, BinaryKind::SquaredDifference, operands, Activation::NONE);
    }
    builder.make_float(node.output());
    let shape = builder.graph.value(node.output()).shape.clone();
    let inputs = operands.map(|operand| builder.read(operand, Form::Float)).to_vec();
    let difference = builder.temporary(&format!("{}/difference", node.name), Form::Float, &shape);
    builder.emit(&node.name, Opcode::Binary, inputs, difference, float_attributes(BinaryKind::Sub));
    builder.op(node, Opcode::Binary, vec![difference, difference], float_attributes(BinaryKind::Mul))
}

/// A float operation without a clamp.
fn float_attributes(kind: BinaryKind) -> Vec<u8> {
    let mut attributes = Vec::new();
    let Activation { min, max } = Activation::NONE;
    ops::FloatBinary { kind: kind.code(), reserved: [0; 3], clamp_min: min, clamp_max: max }.write(&mut attributes);
    attributes
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
    let mut parameters = [first, second].map(|operand| builder.operand_parameters(operand));
    let words = builder.graph.value(first).dtype != HostType::F32;
    let float = if kind.is_comparison() {
        let operands = [first, second];
        // A constant is at home in either.
        let float = |&operand: &ValueId| builder.graph.constant(operand).is_some() || builder.is_float_value(operand);
        let mixed = parameters[0].wide != parameters[1].wide;
        operands.iter().any(|&operand| builder.is_real(operand)) || operands.iter().all(float) || mixed
    } else {
        builder.is_float_value(node.output())
    };
    // TensorFlow Lite compares real values rounded to 1/256, which only its own models have to repeat.
    let kind = match kind {
        _ if words || float || builder.arithmetic != Arithmetic::Tflite || !builder.own_integers => kind,
        BinaryKind::Equal => BinaryKind::IntegerEqual,
        BinaryKind::Less => BinaryKind::IntegerLess,
        BinaryKind::LessOrEqual => BinaryKind::IntegerLessOrEqual,
        other => other,
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
        let record = scaled(builder.arithmetic, kind, [first, second, output], activation);
        if first.wide {
            // 8-bit slopes of 16-bit values become 16-bit ones.
            parameters[1] = Parameters { zero_point: 0, wide: true, ..second };
            wide::binary(record, output, activation).write(&mut attributes);
        } else {
            record.write(&mut attributes);
        }
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
    builder.emit(&node.name, Opcode::Binary, vec![input, scale], product, float_attributes(BinaryKind::Mul));
    builder.op(node, Opcode::Binary, vec![product, offset], float_attributes(BinaryKind::Add))
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

/// The parameters of an integer binary op, as of 8-bit integers.
fn scaled(
    arithmetic: Arithmetic,
    kind: BinaryKind,
    [first, second, output]: [Parameters; 3],
    activation: Activation,
) -> ops::IntegerBinary {
    let (clamp_min, clamp_max) = clamp(arithmetic, output, activation);
    let none = QuantizedMultiplier { multiplier: 0, shift: 0 };
    let product = kind == BinaryKind::Mul;
    let [left_shift, square_shift] = [LEFT_SHIFT, SQUARE_SHIFT].map(|shifts| shifts[usize::from(first.wide)]);
    let [first_scale, second_scale, output_scale] = [first, second, output].map(|p| f64::from(p.scale));
    let real = |scale: f32| QuantizedMultiplier { multiplier: scale.to_bits().cast_signed(), shift: 0 };
    let multipliers = if kind.is_comparison() && kind.is_tflite() {
        [QuantizedMultiplier::new(first_scale), QuantizedMultiplier::new(second_scale), none]
    } else if kind.is_comparison() {
        [real(first.scale), real(second.scale), none]
    } else if !kind.is_integer_arithmetic() {
        [real(first.scale), real(second.scale), real(1.0 / output.scale)]
    } else if arithmetic == Arithmetic::Tflite {
        let twice_max = 2.0 * first_scale.max(second_scale);
        if product {
            [none, none, QuantizedMultiplier::new(first_scale * second_scale / output_scale)]
        } else if kind == BinaryKind::IntegerPRelu {
            let (identity, slope) = (first_scale / output_scale, first_scale * second_scale / output_scale);
            [QuantizedMultiplier::new(identity), none, QuantizedMultiplier::new(slope)]
        } else if kind == BinaryKind::SquaredDifference {
            // The product of the output's scale is one of f32 (`squared_difference.cc`).
            let steps = f64::from((1 << (2 * square_shift)) as f32 * output.scale);
            [
                QuantizedMultiplier::new(first_scale / twice_max),
                QuantizedMultiplier::new(second_scale / twice_max),
                QuantizedMultiplier::new(twice_max * twice_max / steps),
            ]
        } else if kind == BinaryKind::Sub {
            // Where ADD divides in f64, SUB does in f32 (`sub_common.cc`).
            let twice_max = 2.0 * first.scale.max(second.scale);
            let output_multiplier = twice_max / ((1 << left_shift) as f32 * output.scale);
            [first.scale / twice_max, second.scale / twice_max, output_multiplier]
                .map(|real| QuantizedMultiplier::new(real.into()))
        } else {
            [
                QuantizedMultiplier::new(first_scale / twice_max),
                QuantizedMultiplier::new(second_scale / twice_max),
                QuantizedMultiplier::new(twice_max / (2f64.powi(left_shift) * output_scale)),
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
        let input = if *unary == Unary::Rsqrt {
            let shape = builder.graph.value(node.output()).shape.clone();
            let root = builder.temporary(&format!("{}/root", node.name), Form::Float, &shape);
            let mut record = Vec::new();
            ops::Unary { kind: UnaryKind::Sqrt.code(), reserved: [0; 3], p: 0.0, q: 0.0 }.write(&mut record);
            builder.emit(&node.name, Opcode::Unary, vec![input], root, record);
            root
        } else {
            input
        };
        let (kind, p, q) = float_kind(unary);
        ops::Unary { kind: kind.code(), reserved: [0; 3], p, q }.write(&mut attributes);
        return builder.op(node, Opcode::Unary, vec![input], attributes);
    }
    if builder.parameters(node.output()).wide {
        return wide::unary(builder, node, input, unary);
    }
    table_op(builder, node, input, |from, to| reference::unary(unary, from, to), |x| unary.apply(x))
}

/// A function of one 8-bit number: in the arithmetic `tflite` the reference's own table, where it has one.
fn table_op(
    builder: &mut Builder<'_>,
    node: &Node,
    input: u16,
    own: impl Fn(Parameters, Parameters) -> Option<reference::Entries>,
    function: impl Fn(f32) -> f32,
) -> Result<(), Refusal> {
    let (from, to) = (builder.parameters(node.inputs[0]), builder.parameters(node.output()));
    let entries = match builder.arithmetic {
        Arithmetic::Tflite => own(from, to).unwrap_or_else(|| reference::rounded(from, to, function)),
        _ => {
            let mut integers = i8::MIN..=i8::MAX;
            std::array::from_fn(|_| to.quantize(function(from.dequantize(integers.next().unwrap_or_default()))))
        }
    };
    let mut attributes = Vec::new();
    ops::Table { table: builder.constants.add(entries.map(i8::cast_unsigned).to_vec()) }.write(&mut attributes);
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
        // Of the root, which stands before it.
        Unary::Reciprocal | Unary::Rsqrt => (UnaryKind::Reciprocal, 0.0, 0.0),
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
    } else if activation.is_none() && builder.parameters(node.inputs[0]).wide != builder.parameters(node.output()).wide
    {
        let [from, to] = [node.inputs[0], node.output()].map(|value| wide::Scale::of(builder.parameters(value)));
        return wide::rescale(builder, node, input, from, to);
    } else if builder.parameters(node.output()).wide {
        return wide::clip(builder, node, input, *activation);
    } else if builder.parameters(node.inputs[0]) != builder.parameters(node.output()) {
        return table_op(
            builder,
            node,
            input,
            |from, to| Some(reference::clamped(from, to, *activation)),
            |x| activation.apply(x),
        );
    } else {
        let (clamp_min, clamp_max) = clamp(builder.arithmetic, builder.parameters(node.output()), *activation);
        ops::IntegerClamp { clamp_min, clamp_max, reserved: [0; 2] }.write(&mut attributes);
    }
    builder.op(node, Opcode::Clamp, vec![input], attributes)
}
