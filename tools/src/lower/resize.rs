//! Interpolation.

use super::builder::{Builder, Form, Refusal, clamp, float_epilogue};
use crate::graph::ops::{Resize, Tap};
use crate::graph::{Activation, Node};
use bantam_format::ops::{self, IntegerEpilogue};
use bantam_format::{Arithmetic, Opcode};

pub(super) fn lower(builder: &mut Builder<'_>, node: &Node, resize: &Resize) -> Result<(), Refusal> {
    let mut fixed_point = false;
    let epilogue = match builder.form(node.output()) {
        Form::Integer(to) => {
            let from = builder.parameters(node.inputs[0]);
            let (clamp_min, clamp_max) = clamp(builder.arithmetic, to, Activation::NONE);
            // Where the arithmetic's own form can express it.
            let mut weights = resize.rows.iter().chain(&resize.columns).map(|tap| tap.weight);
            fixed_point = builder.arithmetic == Arithmetic::Tflite && from == to && weights.all(ops::is_fixed_point);
            let scaled = IntegerEpilogue {
                table: (from.scale / to.scale).to_bits(),
                input_zero_point: from.zero_point,
                output_zero_point: to.zero_point,
                clamp_min,
                clamp_max,
            };
            let none = IntegerEpilogue { table: 0, input_zero_point: 0, output_zero_point: 0, ..scaled };
            if fixed_point { none.into() } else { scaled.into() }
        }
        _ => float_epilogue(Activation::NONE),
    };
    let input = builder.operand(node, node.inputs[0]);
    let first_axis = u8::try_from(resize.first_axis).map_err(|_| "the axis is too large")?;
    let (rows, columns) = (taps(builder, &resize.rows)?, taps(builder, &resize.columns)?);
    let mut attributes = Vec::new();
    let fixed_point = u8::from(fixed_point);
    ops::Resize { first_axis, fixed_point, reserved: [0; 2], rows, columns, epilogue }.write(&mut attributes);
    builder.op(node, Opcode::Resize, vec![input], attributes)
}

fn taps(builder: &mut Builder<'_>, taps: &[Tap]) -> Result<u32, Refusal> {
    let position = |position: usize| u32::try_from(position).map_err(|_| "the tensor is too large");
    let mut bytes = Vec::with_capacity(taps.len() * ops::ResizeTap::BYTES);
    for tap in taps {
        let (low, high) = (position(tap.low)?, position(tap.high)?);
        ops::ResizeTap { low, high, weight: tap.weight }.write(&mut bytes);
    }
    Ok(builder.constants.add(bytes))
}
