//! Pooling over windows.

use super::builder::{Builder, Form, Refusal, clamp, float_epilogue};
use super::wide;
use super::window::{Fill, Steps, windowed};
use crate::graph::{Node, ops::AveragePool2d, ops::Pool2d};
use bantam_format::ops::{self, Epilogue, IntegerEpilogue, WideEpilogue};
use bantam_format::{Arithmetic, Opcode};

pub(super) fn lower_max(builder: &mut Builder<'_>, node: &Node, pool: &Pool2d) -> Result<(), Refusal> {
    let form = builder.form(node.output());
    let epilogue = epilogue(builder, node, form, pool, 0);
    lower(builder, node, form, pool, Opcode::MaxPool2d, false, epilogue)
}

pub(super) fn lower_average(builder: &mut Builder<'_>, node: &Node, average: &AveragePool2d) -> Result<(), Refusal> {
    let ratio = builder.parameters(node.inputs[0]).scale / builder.parameters(node.output()).scale;
    let multiplier = if builder.arithmetic == Arithmetic::Onnx { ratio.to_bits() } else { 0 };
    let include_pad = average.count_include_pad && !average.pool.padding.is_none();
    if include_pad && builder.arithmetic == Arithmetic::Tflite {
        return Err("padded positions that count in the mean do not exist in the tflite arithmetic; \
                    use --arithmetic onnx"
            .into());
    }
    // Where the arithmetic has no scales, the operand is read in those of the result.
    let output = builder.form(node.output());
    let form = if multiplier == 0 { output } else { builder.own_form(node, node.inputs[0]) };
    let epilogue = epilogue(builder, node, form, &average.pool, multiplier);
    lower(builder, node, form, &average.pool, Opcode::AveragePool2d, include_pad, epilogue)
}

fn epilogue(builder: &Builder<'_>, node: &Node, operand: Form, pool: &Pool2d, multiplier: u32) -> Epilogue {
    let Form::Integer(from) = operand else {
        return float_epilogue(pool.activation);
    };
    let to = builder.parameters(node.output());
    if from.wide {
        let (clamp_min, clamp_max) = wide::clamp(to, pool.activation);
        return WideEpilogue { table: 0, clamp_min, clamp_max }.into();
    }
    let (clamp_min, clamp_max) = clamp(builder.arithmetic, to, pool.activation);
    IntegerEpilogue {
        table: multiplier,
        input_zero_point: from.zero_point,
        output_zero_point: to.zero_point,
        clamp_min,
        clamp_max,
    }
    .into()
}

fn lower(
    builder: &mut Builder<'_>,
    node: &Node,
    form: Form,
    pool: &Pool2d,
    opcode: Opcode,
    include_pad: bool,
    epilogue: Epilogue,
) -> Result<(), Refusal> {
    let steps = Steps { kernel: pool.kernel, stride: pool.stride, dilation: pool.dilation };
    // The mean of nothing is not a number; that of counted padding is one of zeros.
    let fill = match opcode {
        Opcode::MaxPool2d => Some(Fill::Lowest),
        _ => include_pad.then_some(Fill::Zero),
    };
    let (window, input) = windowed(builder, node, form, steps, pool.padding, fill)?;
    let mut attributes = Vec::new();
    ops::Pool2d { window, count_include_pad: u8::from(include_pad), reserved: [0; 3], epilogue }.write(&mut attributes);
    builder.op(node, opcode, vec![input], attributes)
}
