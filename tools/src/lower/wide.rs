//! 16-bit integers, and integers that become others: in the arithmetic `tflite` alone.

use super::builder::{Builder, Refusal, tflite_table};
use crate::graph::ops::{BinaryKind, Unary};
use crate::graph::{Activation, Node, Op, ValueId};
use crate::quantize::multiplier::QuantizedMultiplier;
use crate::quantize::{Parameters, reference, wide};
use crate::tensor::DataType as HostType;
use bantam_format::Opcode;
use bantam_format::ops::{self, Epilogue, Negation, WideEpilogue, WideFunction};

/// The values of 32-bit integers.
pub(super) const WORDS: [i32; 2] = [i32::MIN, i32::MAX];

/// What integers stand for, and the smallest and largest of their type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub scale: f32,
    pub zero_point: i32,
    pub range: [i32; 2],
}

impl Scale {
    pub fn of(parameters: Parameters) -> Self {
        let range = if parameters.wide { [-32768, 32767] } else { [-128, 127] };
        Self { scale: parameters.scale, zero_point: parameters.zero_point.into(), range }
    }
}

/// Whether a node of integers has no 16-bit form, or reads integers of both widths.
pub(super) fn is_missing(builder: &Builder<'_>, node: &Node) -> bool {
    let graph = builder.graph;
    let is_real = |value: ValueId| graph.value(value).dtype == HostType::F32;
    let wide = |value: ValueId| builder.operand_parameters(value).wide;
    let output = node.output();
    if !is_real(output) {
        return false;
    }
    // Slopes have 8 bits.
    let slopes = matches!(&node.op, Op::Binary(binary) if binary.kind == BinaryKind::PRelu);
    let operands = node.inputs.iter().take(if slopes { 1 } else { node.inputs.len() });
    let own = builder.parameters(output);
    if operands.clone().any(|&value| is_real(value) && wide(value) != own.wide) {
        return true;
    }
    own.wide
        && match &node.op {
            Op::Unary(Unary::Sigmoid | Unary::Tanh) => {
                own != Parameters::WIDE_UNIT || sigmoid_factor(builder, node).is_none()
            }
            Op::Unary(unary) => !matches!(unary, Unary::LeakyRelu { .. } | Unary::Abs),
            Op::Resize(_) => true,
            _ => false,
        }
}

/// The integers that a clamp lets through.
pub(super) fn clamp(parameters: Parameters, activation: Activation) -> (i16, i16) {
    let [low, high] = reference::bounds_within(parameters, activation, Scale::of(parameters).range);
    (low as i16, high as i16)
}

/// The epilogue of sums.
pub(super) fn epilogue(
    builder: &mut Builder<'_>,
    entries: &[QuantizedMultiplier],
    to: Parameters,
    activation: Activation,
    short_sums: bool,
) -> Result<Epilogue, Refusal> {
    if !short_sums && entries.iter().any(|entry| entry.shift > 7) {
        return Err("its result has steps that are too fine for 16-bit integers".into());
    }
    let (clamp_min, clamp_max) = clamp(to, activation);
    Ok(WideEpilogue { table: builder.constants.add(tflite_table(entries)), clamp_min, clamp_max }.into())
}

/// The record of 8-bit operands as that of 16-bit ones.
pub(super) fn binary(record: ops::IntegerBinary, output: Parameters, activation: Activation) -> ops::WideBinary {
    let (clamp_min, clamp_max) = clamp(output, activation);
    ops::WideBinary {
        kind: record.kind,
        reserved: 0,
        clamp_min,
        clamp_max,
        first_shift: record.first_shift,
        second_shift: record.second_shift,
        output_shift: record.output_shift,
        reserved_b: [0; 3],
        first_multiplier: record.first_multiplier,
        second_multiplier: record.second_multiplier,
        output_multiplier: record.output_multiplier,
    }
}

/// The same numbers in other integers: `QUANTIZE` of integers (`requantize.h`).
pub(super) fn requantization(from: Scale, to: Scale) -> Vec<u8> {
    let ratio = QuantizedMultiplier::new(f64::from(from.scale) / f64::from(to.scale));
    attributes([from.zero_point, to.zero_point], to.range, [ratio; 2], Negation::None)
}

/// An op that gives a node's result the integers of its operand in another scale or type.
pub(super) fn rescale(
    builder: &mut Builder<'_>,
    node: &Node,
    source: u16,
    from: Scale,
    to: Scale,
) -> Result<(), Refusal> {
    if builder.arithmetic != bantam_format::Arithmetic::Tflite {
        return Err("32-bit integers become others in the tflite arithmetic only".into());
    }
    builder.op(node, Opcode::Rescale, vec![source], requantization(from, to))
}

fn attributes(
    [input_zero_point, output_zero_point]: [i32; 2],
    [clamp_min, clamp_max]: [i32; 2],
    [first, second]: [QuantizedMultiplier; 2],
    negation: Negation,
) -> Vec<u8> {
    let mut attributes = Vec::new();
    ops::Rescale {
        input_zero_point,
        output_zero_point,
        clamp_min,
        clamp_max,
        first_multiplier: first.multiplier.cast_unsigned(),
        second_multiplier: second.multiplier.cast_unsigned(),
        first_shift: first.shift,
        second_shift: second.shift,
        negation: negation.code(),
        reserved: 0,
    }
    .write(&mut attributes);
    attributes
}

/// A clamp; between different scales that of `RELU` (`activations_common.cc`), whose multiplier is an f32 quotient.
pub(super) fn clip(builder: &mut Builder<'_>, node: &Node, input: u16, activation: Activation) -> Result<(), Refusal> {
    let (from, to) = (builder.parameters(node.inputs[0]), builder.parameters(node.output()));
    let (clamp_min, clamp_max) = clamp(to, activation);
    if from == to {
        let mut attributes = Vec::new();
        ops::WideClamp { clamp_min, clamp_max }.write(&mut attributes);
        return builder.op(node, Opcode::Clamp, vec![input], attributes);
    }
    let ratio = QuantizedMultiplier::new(f64::from(from.scale / to.scale));
    let bounds = [clamp_min, clamp_max].map(i32::from);
    builder.op(node, Opcode::Rescale, vec![input], attributes([0; 2], bounds, [ratio; 2], Negation::None))
}

/// The factor on the input of a sigmoid or hyperbolic tangent.
fn sigmoid_factor(builder: &Builder<'_>, node: &Node) -> Option<(u32, u8)> {
    wide::sigmoid_factor(builder.parameters(node.inputs[0]).scale, matches!(node.op, Op::Unary(Unary::Tanh)))
}

/// A function of every element; those without a 16-bit form were made floats before.
pub(super) fn unary(builder: &mut Builder<'_>, node: &Node, input: u16, unary: &Unary) -> Result<(), Refusal> {
    let (from, to) = (builder.parameters(node.inputs[0]).scale, builder.parameters(node.output()).scale);
    let range = Scale::of(Parameters::WIDE_UNIT).range;
    let ratio = |factor: f32| QuantizedMultiplier::new(f64::from(factor));
    let rescaling = match *unary {
        // All are f32 expressions (`leaky_relu_common.cc`, `elementwise.cc`).
        Unary::Abs => attributes([0; 2], range, [ratio(from / to); 2], Negation::Operand),
        Unary::LeakyRelu { alpha } => {
            let negation = if alpha < 0.0 { Negation::Result } else { Negation::None };
            attributes([0; 2], range, [ratio(from / to), ratio(from * alpha.abs() / to)], negation)
        }
        _ => {
            let (multiplier, shift) = sigmoid_factor(builder, node).ok_or("it has no 16-bit form")?;
            let function = if *unary == Unary::Tanh { WideFunction::Tanh } else { WideFunction::Logistic };
            let entries = wide::sigmoid_entries().into_iter().flat_map(u16::to_le_bytes).collect();
            let (function, table) = (function.code(), builder.constants.add(entries));
            let mut attributes = Vec::new();
            ops::WideTable { multiplier, shift, function, reserved: [0; 2], table }.write(&mut attributes);
            return builder.op(node, Opcode::Table, vec![input], attributes);
        }
    };
    builder.op(node, Opcode::Rescale, vec![input], rescaling)
}

/// The attributes of a softmax (`softmax_common.cc`).
pub(super) fn softmax(builder: &mut Builder<'_>, from: Parameters, beta: f32) -> Vec<u8> {
    let real = f64::from(from.scale) * f64::from(beta) / (10.0 / 65535.0);
    let QuantizedMultiplier { multiplier, shift } = QuantizedMultiplier::new(real);
    let [exponentials, reciprocals] = [wide::exponentials(), wide::reciprocals()]
        .map(|entries| builder.constants.add(entries.into_iter().flat_map(i16::to_le_bytes).collect()));
    let mut attributes = Vec::new();
    ops::WideSoftmax { multiplier: multiplier.cast_unsigned(), shift, reserved: [0; 3], exponentials, reciprocals }
        .write(&mut attributes);
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_keep_integers() {
        let parameters = Parameters { scale: 0.25, zero_point: 0, wide: true };
        let record = ops::Rescale::read(&requantization(Scale::of(parameters), Scale::of(parameters)));
        assert_eq!((record.first_multiplier, record.first_shift), (1 << 30, 1));
        assert_eq!([record.clamp_min, record.clamp_max], [-32768, 32767]);
        assert_eq!(clamp(parameters, Activation::RELU6), (0, 24));
    }
}
