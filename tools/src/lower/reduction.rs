//! Reductions over whole axes: mean, softmax, the position of the maximum.

use super::builder::{Builder, Refusal, clamp, float_epilogue, tflite_table};
use crate::graph::{Activation, Node, ops::ArgMax, ops::Reduce, ops::ReduceKind, ops::Softmax};
use crate::quantize::multiplier::QuantizedMultiplier;
use bantam_format::ops::{self, IntegerEpilogue};
use bantam_format::{Arithmetic, Opcode};

pub(super) fn lower_reduce(builder: &mut Builder<'_>, node: &Node, reduce: &Reduce) -> Result<(), Refusal> {
    if reduce.kind != ReduceKind::Mean {
        return Err("only means are supported on devices yet".into());
    }
    let shape = &builder.graph.value(node.inputs[0]).shape;
    let (Some(&first), Some(&last)) = (reduce.axes.first(), reduce.axes.last()) else {
        return Err("no axis is reduced".into());
    };
    // Axes of size 1 between reduced ones do not separate them.
    if (first..=last).any(|axis| !reduce.axes.contains(&axis) && shape[axis] != 1) {
        return Err(format!("the reduced axes {:?} are not neighbours", reduce.axes));
    }
    let count: usize = shape[first..=last].iter().product();
    let epilogue = if builder.is_float() {
        float_epilogue(Activation::NONE)
    } else {
        let (from, to) = (builder.parameters(node.inputs[0]), builder.parameters(node.output()));
        let table = match builder.arithmetic {
            Arithmetic::Tflite => {
                let ratio = QuantizedMultiplier::new(f64::from(from.scale) / f64::from(to.scale));
                tflite_table(&[ratio.divided(count)])
            }
            _ => (from.scale / (to.scale * count as f32)).to_le_bytes().to_vec(),
        };
        let (clamp_min, clamp_max) = clamp(to, Activation::NONE);
        IntegerEpilogue {
            table: builder.constants.add(table),
            input_zero_point: from.zero_point,
            output_zero_point: to.zero_point,
            clamp_min,
            clamp_max,
        }
        .into()
    };
    let input = builder.operand(node.inputs[0]);
    let mut attributes = Vec::new();
    ops::Reduce {
        kind: ops::ReduceKind::Mean.code(),
        first_axis: first as u8,
        axis_count: (last - first + 1) as u8,
        reserved: 0,
        epilogue,
    }
    .write(&mut attributes);
    builder.op(node, Opcode::Reduce, vec![input], attributes)
}

pub(super) fn lower_softmax(builder: &mut Builder<'_>, node: &Node, softmax: &Softmax) -> Result<(), Refusal> {
    last_axis(builder, node, softmax.axis)?;
    let mut attributes = Vec::new();
    if builder.is_float() {
        ops::FloatSoftmax { beta: 1.0 }.write(&mut attributes);
    } else {
        // PreprocessSoftmaxScaling of TensorFlow Lite with beta 1 and five integer bits.
        let scale = f64::from(builder.parameters(node.inputs[0]).scale);
        let real = (scale * f64::from(1u32 << 26)).min(f64::from(i32::MAX));
        let QuantizedMultiplier { multiplier, shift } = QuantizedMultiplier::new(real);
        if shift < 0 || multiplier <= 0 {
            return Err("all logits are nearly equal: the softmax input has no range".into());
        }
        ops::IntegerSoftmax { multiplier: multiplier.cast_unsigned(), shift, reserved: [0; 3] }.write(&mut attributes);
    }
    let input = builder.operand(node.inputs[0]);
    builder.op(node, Opcode::Softmax, vec![input], attributes)
}

pub(super) fn lower_arg_max(builder: &mut Builder<'_>, node: &Node, arg_max: &ArgMax) -> Result<(), Refusal> {
    last_axis(builder, node, arg_max.axis)?;
    let input = builder.operand(node.inputs[0]);
    let mut attributes = Vec::new();
    ops::ArgMax { select_last: 0, select_least: 0, reserved: [0; 2] }.write(&mut attributes);
    builder.op(node, Opcode::ArgMax, vec![input], attributes)
}

/// Refuses any axis but the last one that is longer than 1.
fn last_axis(builder: &Builder<'_>, node: &Node, axis: usize) -> Result<(), Refusal> {
    let shape = &builder.graph.value(node.inputs[0]).shape;
    if shape.len() == axis + 1 { Ok(()) } else { Err(format!("axis {axis} of {shape:?} is not the last one")) }
}
