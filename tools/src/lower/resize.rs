//! Interpolation.

use super::builder::{Builder, Form, Refusal, clamp, float_epilogue};
use crate::graph::ops::{Resize, Tap};
use crate::graph::{Activation, Node};
use bantam_format::Opcode;
use bantam_format::ops::{self, IntegerEpilogue};

pub(super) fn lower(builder: &mut Builder<'_>, node: &Node, resize: &Resize) -> Result<(), Refusal> {
    let epilogue = match builder.form(node.output()) {
        Form::Integer(to) => {
            let from = builder.parameters(node.inputs[0]);
            let (clamp_min, clamp_max) = clamp(builder.arithmetic, to, Activation::NONE);
            IntegerEpilogue {
                table: (from.scale / to.scale).to_bits(),
                input_zero_point: from.zero_point,
                output_zero_point: to.zero_point,
                clamp_min,
                clamp_max,
            }
            .into()
        }
        _ => float_epilogue(Activation::NONE),
    };
    let input = builder.operand(node, node.inputs[0]);
    let first_axis = u8::try_from(resize.first_axis).map_err(|_| "the axis is too large")?;
    let (rows, columns) = (taps(builder, &resize.rows)?, taps(builder, &resize.columns)?);
    let mut attributes = Vec::new();
    ops::Resize { first_axis, reserved: [0; 3], rows, columns, epilogue }.write(&mut attributes);
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
