//! The model's own conversions, and the integers of its weights.

use super::builder::{Builder, Form, Refusal};
use super::parameters::shifted;
use super::wide;
use crate::graph::ops::{BinaryKind as GraphBinary, Dequantize, Quantize};
use crate::graph::{Activation, Graph, Node, ValueId};
use crate::quantize::{Parameters, QuantizedWeights, WeightBits};
use crate::tensor::{DataType as HostType, Tensor};
use bantam_format::ops::{self, BinaryKind, QuantizeParameters};
use bantam_format::{Arithmetic, Opcode};

/// Integers of what is only there to be quantised share its memory; others are computed.
pub(super) fn lower_quantize(builder: &mut Builder<'_>, node: &Node, quantize: &Quantize) -> Result<(), Refusal> {
    let form = builder.form(node.output());
    if form == Form::Word {
        let Form::Integer(from) = builder.form(node.inputs[0]) else {
            return Err("32-bit integers are made of quantised values only".into());
        };
        let source = builder.activation(node.inputs[0]);
        let to = wide::Scale { scale: quantize.scale, zero_point: quantize.zero_point, range: wide::WORDS };
        return wide::rescale(builder, node, source, wide::Scale::of(from), to);
    }
    let source = builder.read(node.inputs[0], form);
    builder.alias(node.output(), source);
    Ok(())
}

/// Real numbers that stand in memory as integers are these integers. Constants are stored where they are read.
pub(super) fn lower_dequantize(builder: &mut Builder<'_>, node: &Node, dequantize: &Dequantize) -> Result<(), Refusal> {
    let (integers, output) = (node.inputs[0], node.output());
    if builder.graph.constant(integers).is_some() {
        return Ok(());
    }
    let integer_type = builder.graph.value(integers).dtype;
    let source = builder.activation(integers);
    match (builder.form(integers), builder.form(output), dequantize.axis) {
        (Form::Integer(_), Form::Integer(_), None) => {
            builder.alias(output, source);
            Ok(())
        }
        (Form::Integer(_), _, None) => {
            let (scale, zero_point) = dequantize.at(0);
            let own = shifted(scale, zero_point, integer_type).ok_or("the zero point is not of the type")?;
            let mut attributes = Vec::new();
            QuantizeParameters { scale, zero_point: own.zero_point.into() }.write(&mut attributes);
            builder.op(node, Opcode::Dequantize, vec![source], attributes)
        }
        (Form::Word, Form::Integer(to), None) if builder.arithmetic == Arithmetic::Tflite => {
            let (scale, zero_point) = dequantize.at(0);
            let from = wide::Scale { scale, zero_point, range: wide::WORDS };
            wide::rescale(builder, node, source, from, wide::Scale::of(to))
        }
        _ => {
            builder.make_float(output);
            scale_words(builder, node, dequantize)
        }
    }
}

/// Integers of other kinds become floats, then the zero point is taken off and the scale multiplied.
fn scale_words(builder: &mut Builder<'_>, node: &Node, dequantize: &Dequantize) -> Result<(), Refusal> {
    let shape = builder.graph.value(node.output()).shape.clone();
    let words = builder.read(node.inputs[0], Form::Word);
    let mut value = builder.temporary(&format!("{}/real", node.name), Form::Float, &shape);
    builder.emit(&node.name, Opcode::Cast, vec![words], value, vec![]);
    // Numbers per position of the axis, aligned with it.
    let aligned: Vec<usize> = match dequantize.axis {
        None => vec![],
        Some(axis) => (axis..shape.len()).map(|at| if at == axis { shape[at] } else { 1 }).collect(),
    };
    let attributes = |kind: BinaryKind| {
        let Activation { min, max } = Activation::NONE;
        let mut attributes = Vec::new();
        ops::FloatBinary { kind: kind.code(), reserved: [0; 3], clamp_min: min, clamp_max: max }.write(&mut attributes);
        attributes
    };
    if dequantize.zero_points.iter().any(|&zero_point| zero_point != 0) {
        let offsets: Vec<f32> = dequantize.zero_points.iter().map(|&zero_point| zero_point as f32).collect();
        let offsets = builder.float_constant(&node.name, &aligned, &offsets);
        let centred = builder.temporary(&format!("{}/{}", node.name, GraphBinary::Sub.name()), Form::Float, &shape);
        builder.emit(&node.name, Opcode::Binary, vec![value, offsets], centred, attributes(BinaryKind::Sub));
        value = centred;
    }
    let scales = builder.float_constant(&node.name, &aligned, &dequantize.scales);
    builder.op(node, Opcode::Binary, vec![value, scales], attributes(BinaryKind::Mul))
}

/// How far the scale of a bias may be off before its integers are rescaled, relative to what they are added to.
const SCALE_TOLERANCE: f64 = 1e-4;

/// Weights and bias of an accumulating node as integers.
pub(super) struct OwnWeights {
    /// Four where all fit, two in a byte.
    pub bits: WeightBits,
    pub weights: Vec<i8>,
    /// One, or one per output channel.
    pub scales: Vec<f32>,
    /// One per output channel, or none.
    pub bias: Vec<i64>,
    /// Whether sums over 16-bit integers have 32 bits, as a bias of that type asks for.
    pub short_sums: bool,
}

impl From<QuantizedWeights> for OwnWeights {
    fn from(QuantizedWeights { bits, weights, scales, bias }: QuantizedWeights) -> Self {
        Self { bits, weights, scales, bias: bias.into_iter().map(i64::from).collect(), short_sums: false }
    }
}

/// The model's own integers of an accumulating node, whose bias adds to products at input scale * weight scale. None
/// if its weights are no quantised constants with one scale per output channel, the first axis, or if its sums could
/// leave 32 bits: such nodes are computed in floats.
///
/// # Errors
/// A zero point that cannot be taken off the weights, by name.
pub(super) fn own_weights(graph: &Graph, node: &Node, input: Parameters) -> Result<Option<OwnWeights>, Refusal> {
    let Some((integers, dequantize)) = graph.quantized_constant(node.inputs[1]) else { return Ok(None) };
    if !matches!(integers.data_type(), HostType::I8 | HostType::U8) || dequantize.axis.is_some_and(|axis| axis != 0) {
        return Ok(None);
    }
    let channels = integers.shape().first().copied().unwrap_or(0);
    let taps = integers.len() / channels.max(1);
    let mut weights = Vec::with_capacity(integers.len());
    for (index, q) in integers.to_i64().into_iter().enumerate() {
        let (_, zero_point) = dequantize.at(index / taps.max(1));
        let weight = i8::try_from(q - i64::from(zero_point)).map_err(|_| {
            format!(
                "its weights have the zero point {zero_point}, which cannot be taken off in 8 bits; \
                 quantise them symmetrically"
            )
        })?;
        weights.push(weight);
    }
    let scale_of = |channel: usize| f64::from(input.scale * dequantize.at(channel).0);
    let bias = match node.inputs.get(2) {
        None => vec![],
        Some(&bias) => match own_bias(graph, bias, channels, scale_of) {
            Some(bias) => bias,
            None => return Ok(None),
        },
    };
    let bias_type =
        node.inputs.get(2).and_then(|&bias| graph.quantized_constant(bias)).map(|(words, _)| words.data_type());
    let short_sums = bias_type == Some(HostType::I32);
    let taps = taps as i64;
    let room = match (input.wide, short_sums) {
        (false, _) => i64::from(i32::MAX) - taps.saturating_mul(128 * 255),
        (true, true) => i64::from(i32::MAX),
        (true, false) => (1 << 47) - 1 - taps.saturating_mul(1 << 22),
    };
    if room < 0 || bias.iter().any(|bias| bias.abs() > room) {
        return Ok(None);
    }
    let four = weights.iter().all(|weight| (-8..=7).contains(weight));
    let bits = if four { WeightBits::Four } else { WeightBits::Eight };
    Ok(Some(OwnWeights { bits, weights, scales: dequantize.scales.clone(), bias, short_sums }))
}

/// A bias as integers at the scale of the sums. Integers at that scale stay as they are.
fn own_bias(graph: &Graph, bias: ValueId, channels: usize, scale_of: impl Fn(usize) -> f64) -> Option<Vec<i64>> {
    let rounded = |real: f64, channel: usize| (real / scale_of(channel)).round_ties_even() as i64;
    if let Some(items) = graph.constant(bias).and_then(|tensor| tensor.as_f32().ok()) {
        return Some(items.iter().enumerate().map(|(channel, &item)| rounded(item.into(), channel)).collect());
    }
    let (integers, dequantize) = graph.quantized_constant(bias)?;
    let own = |(channel, q): (usize, i64)| {
        let (scale, zero_point) = dequantize.at(channel);
        let (steps, ratio) = (q - i64::from(zero_point), f64::from(scale) / scale_of(channel));
        if (ratio - 1.0).abs() <= SCALE_TOLERANCE { steps } else { rounded(steps as f64 * f64::from(scale), channel) }
    };
    (integers.len() == channels).then(|| integers.to_i64().into_iter().enumerate().map(own).collect())
}

/// The bytes of integers as they stand in an artifact, in 8 or 16 bits: unsigned ones with 128 taken off.
pub(super) fn integer_bytes(integers: &Tensor, wide: bool) -> Option<Vec<u8>> {
    match integers.data_type() {
        HostType::I16 if wide => Some(integers.to_i64().into_iter().flat_map(|q| (q as i16).to_le_bytes()).collect()),
        _ if wide => None,
        HostType::I8 => Some(integers.to_i64().into_iter().map(|q| q as u8).collect()),
        HostType::U8 => Some(integers.to_i64().into_iter().map(|q| q as u8 ^ 0x80).collect()),
        _ => None,
    }
}
