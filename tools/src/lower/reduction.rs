//! Reductions over whole axes: mean, softmax, the position of the maximum.

use super::builder::{Builder, Form, Refusal, clamp, float_bytes, float_epilogue, tflite_table};
use super::view::View;
use super::{wide, words};
use crate::graph::ops::{ArgMax, L2Normalize, LogSoftmax, Normalize, Reduce, ReduceKind, Softmax};
use crate::graph::{Activation, Node};
use crate::quantize::Parameters;
use crate::quantize::multiplier::QuantizedMultiplier;
use bantam_format::ops::{self, Epilogue, IntegerEpilogue};
use bantam_format::{ABSENT, Arithmetic, Opcode};

/// The operand in a form, with these axes behind all others, as a tensor.
pub(super) fn with_last(
    builder: &mut Builder<'_>,
    node: &Node,
    form: Form,
    axes: &[usize],
) -> Result<(u16, View, Vec<usize>), Refusal> {
    let input = builder.read(node.inputs[0], form);
    let shape = &builder.graph.value(node.inputs[0]).shape;
    let others = (0..shape.len()).filter(|axis| !axes.contains(axis));
    let order: Vec<usize> = others.chain(axes.iter().copied()).collect();
    let view = View::of(shape).permuted(&order);
    let unmoved = order.is_sorted();
    let tensor = if unmoved { input } else { builder.viewed(&format!("{}/moved", node.name), input, form, &view)? };
    Ok((tensor, view, order))
}

pub(super) fn lower_reduce(builder: &mut Builder<'_>, node: &Node, reduce: &Reduce) -> Result<(), Refusal> {
    let kind = match reduce.kind {
        ReduceKind::Mean => ops::ReduceKind::Mean,
        ReduceKind::Sum => ops::ReduceKind::Sum,
        ReduceKind::Max => ops::ReduceKind::Max,
        ReduceKind::Min => ops::ReduceKind::Min,
        ReduceKind::Product => ops::ReduceKind::Product,
    };
    lower_reduction(builder, node, kind, &reduce.axes)
}

/// Any reduction. Kinds without an 8-bit form are computed in f32.
fn lower_reduction(
    builder: &mut Builder<'_>,
    node: &Node,
    kind: ops::ReduceKind,
    axes: &[usize],
) -> Result<(), Refusal> {
    let graph = builder.graph;
    let shape = &graph.value(node.inputs[0]).shape;
    let count: usize = axes.iter().map(|&axis| shape[axis]).product();
    let largest = if builder.parameters(node.output()).wide { 1 << 15 } else { 255 };
    if !kind.has_integer_form() || count > i32::MAX as usize / largest {
        builder.make_float(node.output());
    }
    let form = match builder.form(node.output()) {
        Form::Integer(_) => builder.own_form(node, node.inputs[0]),
        form => form,
    };
    if words::is_narrow(builder, node.output()) && matches!(kind, ops::ReduceKind::Sum | ops::ReduceKind::Product) {
        return Err(format!("sums and products of {} are not supported on devices", graph.value(node.output()).dtype));
    }
    let (Some(&first), Some(&last)) = (axes.first(), axes.last()) else {
        return Err("no axis is reduced".into());
    };
    // Axes of size 1 between reduced ones do not separate them.
    let together = (first..=last).all(|axis| axes.contains(&axis) || shape[axis] == 1);
    let (input, first, axis_count) = if together {
        (builder.read(node.inputs[0], form), first, last - first + 1)
    } else {
        let (tensor, _, order) = with_last(builder, node, form, axes)?;
        (tensor, order.len() - axes.len(), axes.len())
    };
    let epilogue = if form == Form::Float {
        float_epilogue(Activation::NONE)
    } else if form == Form::Word {
        Epilogue { bytes: [0; 8] }
    } else {
        let divisor = if kind == ops::ReduceKind::Mean { count } else { 1 };
        let (from, to) = (builder.parameters(node.inputs[0]), builder.parameters(node.output()));
        let ratio = QuantizedMultiplier::new(f64::from(from.scale) / f64::from(to.scale)).divided(divisor);
        let table = match builder.arithmetic {
            Arithmetic::Tflite => tflite_table(&[ratio]),
            _ => (from.scale / (to.scale * divisor as f32)).to_le_bytes().to_vec(),
        };
        let (clamp_min, clamp_max) = clamp(builder.arithmetic, to, Activation::NONE);
        if from.wide {
            wide::epilogue(builder, &[ratio], to, Activation::NONE, true)?
        } else {
            IntegerEpilogue {
                table: builder.constants.add(table),
                input_zero_point: from.zero_point,
                output_zero_point: to.zero_point,
                clamp_min,
                clamp_max,
            }
            .into()
        }
    };
    let mut attributes = Vec::new();
    ops::Reduce { kind: kind.code(), first_axis: first as u8, axis_count: axis_count as u8, reserved: 0, epilogue }
        .write(&mut attributes);
    builder.op(node, Opcode::Reduce, vec![input], attributes)
}

/// Most classes of an 8-bit softmax.
const MAX_INTEGER_CLASSES: usize = 4095;
/// Most classes of a 16-bit softmax.
const MAX_WIDE_CLASSES: usize = 65535;

pub(super) fn lower_softmax(builder: &mut Builder<'_>, node: &Node, softmax: &Softmax) -> Result<(), Refusal> {
    let shape = &builder.graph.value(node.inputs[0]).shape;
    // The integer forms have fixed parameters.
    let (largest, fixed) = if builder.parameters(node.output()).wide {
        (MAX_WIDE_CLASSES, Parameters::WIDE_UNIT)
    } else {
        (MAX_INTEGER_CLASSES, Parameters::PROBABILITY)
    };
    if shape[softmax.axis] > largest || builder.parameters(node.output()) != fixed {
        builder.make_float(node.output());
    }
    let from = builder.own_form(node, node.inputs[0]);
    let attributes = match from {
        Form::Integer(parameters) if parameters.wide => wide::softmax(builder, parameters, softmax.beta),
        from => softmax_attributes(from, softmax.beta)?,
    };
    along_axis(builder, node, Opcode::Softmax, softmax.axis, attributes)
}

pub(super) fn lower_log_softmax(builder: &mut Builder<'_>, node: &Node, softmax: &LogSoftmax) -> Result<(), Refusal> {
    let classes = builder.graph.value(node.inputs[0]).shape[softmax.axis];
    if classes > MAX_INTEGER_CLASSES || builder.parameters(node.output()) != Parameters::LOGARITHM {
        builder.make_float(node.output());
    }
    let attributes = softmax_attributes(builder.own_form(node, node.inputs[0]), 1.0)?;
    along_axis(builder, node, Opcode::LogSoftmax, softmax.axis, attributes)
}

/// The attributes of a softmax of 8 bits or floats, or of its logarithm.
fn softmax_attributes(from: Form, beta: f32) -> Result<Vec<u8>, Refusal> {
    let mut attributes = Vec::new();
    if let Form::Integer(parameters) = from {
        // PreprocessSoftmaxScaling of TensorFlow Lite with five integer bits.
        let real = (f64::from(beta) * f64::from(parameters.scale) * f64::from(1u32 << 26)).min(f64::from(i32::MAX));
        let QuantizedMultiplier { multiplier, shift } = QuantizedMultiplier::new(real);
        if shift < 0 || multiplier <= 0 {
            return Err("all logits are nearly equal: the softmax input has no range".into());
        }
        ops::IntegerSoftmax { multiplier: multiplier.cast_unsigned(), shift, reserved: [0; 3] }.write(&mut attributes);
    } else {
        ops::FloatSoftmax { beta }.write(&mut attributes);
    }
    Ok(attributes)
}

/// Most elements of a vector whose squares of 8 bits are summed.
const MAX_SQUARES: usize = i32::MAX as usize / (255 * 255);

pub(super) fn lower_l2_normalize(
    builder: &mut Builder<'_>,
    node: &Node,
    normalize: &L2Normalize,
) -> Result<(), Refusal> {
    let length = builder.graph.value(node.inputs[0]).shape[normalize.axis];
    if length > MAX_SQUARES || builder.parameters(node.output()) != Parameters::SIGNED_UNIT {
        builder.make_float(node.output());
    }
    let zero_point = match builder.own_form(node, node.inputs[0]) {
        Form::Integer(parameters) => parameters.zero_point,
        _ => 0,
    };
    let mut attributes = Vec::new();
    ops::L2Normalize { zero_point, reserved: [0; 3] }.write(&mut attributes);
    along_axis(builder, node, Opcode::L2Normalize, normalize.axis, attributes)
}

/// An op that works on each line along one axis, as if that were the last.
fn along_axis(
    builder: &mut Builder<'_>,
    node: &Node,
    opcode: Opcode,
    axis: usize,
    attributes: Vec<u8>,
) -> Result<(), Refusal> {
    let from = builder.own_form(node, node.inputs[0]);
    let to = builder.form(node.output());
    let (input, view, order) = with_last(builder, node, from, &[axis])?;
    if order.is_sorted() {
        return builder.op(node, opcode, vec![input], attributes);
    }
    let moved = builder.temporary(&format!("{}/last", node.name), to, &view.shape);
    builder.emit(&node.name, opcode, vec![input], moved, attributes);
    let output = builder.activation(node.output());
    builder.copy_view(&node.name, moved, &View::of(&view.shape).moved_back(&order), output)
}

pub(super) fn lower_arg_max(builder: &mut Builder<'_>, node: &Node, arg_max: &ArgMax) -> Result<(), Refusal> {
    let form = builder.form(node.inputs[0]);
    let (input, _, _) = with_last(builder, node, form, &[arg_max.axis])?;
    let mut attributes = Vec::new();
    if form == Form::Word {
        ops::TopK { count: 1, select_least: 0, reserved: [0; 3] }.write(&mut attributes);
        return builder.op(node, Opcode::TopK, vec![input], attributes);
    }
    ops::ArgMax { select_last: 0, select_least: 0, reserved: [0; 2] }.write(&mut attributes);
    builder.op(node, Opcode::ArgMax, vec![input], attributes)
}

/// A normalization: in f32, as its squares and its root have no useful 8-bit form.
pub(super) fn lower_normalize(builder: &mut Builder<'_>, node: &Node, normalize: &Normalize) -> Result<(), Refusal> {
    builder.make_float(node.output());
    let input = builder.read(node.inputs[0], Form::Float);
    let mut parameters = [ABSENT; 2];
    for (offset, (&value, what)) in parameters.iter_mut().zip(node.inputs[1..].iter().zip(["the scale", "the offset"]))
    {
        let bytes = float_bytes(&builder.floats(value, what)?);
        *offset = builder.constants.add(bytes);
    }
    let mut attributes = Vec::new();
    ops::Normalize {
        axis_count: u8::try_from(normalize.axes).map_err(|_| "too many axes are normalised")?,
        root_mean_square: u8::from(normalize.root_mean_square),
        reserved: [0; 2],
        epsilon: normalize.epsilon,
        scale: parameters[0],
        offset: parameters[1],
    }
    .write(&mut attributes);
    builder.op(node, Opcode::Normalize, vec![input], attributes)
}
