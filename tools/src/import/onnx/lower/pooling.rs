//! Pooling over windows.

use super::super::attributes::refuse;
use super::super::lowering::Lowering;
use super::quantized;
use super::volume;
use super::window::{self, Window};
use crate::graph::ops::{AveragePool2d, BinaryKind, Pad, Padding, Pool2d, ReduceKind, Unary};
use crate::graph::{Activation, Op, ValueId};
use crate::import::Reason;
use crate::tensor::DataType;

/// `MaxPool`. The positions of the maxima, its second result, are not made.
pub(super) fn maximum(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    if matches!(lowering.data_type(lowering.input(0)?), DataType::I8 | DataType::U8) {
        return quantized::on_integers(lowering, maximum);
    }
    lowering.attributes.ignore(&["storage_order"]);
    if volume::is_volume(lowering) {
        return volume::pool(lowering, |lowering, value, window| lowering.emit(Op::MaxPool2d(pool(window)), &[value]));
    }
    let image = window::image(lowering)?;
    let window = window::window(lowering, &image, None)?;
    let result = lowering.emit(Op::MaxPool2d(pool(&window)), &[image.value])?;
    window::finish(lowering, result, image.axes)
}

/// `AveragePool`.
pub(super) fn average(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    if volume::is_volume(lowering) {
        return volume::average(lowering);
    }
    let image = window::image(lowering)?;
    let window = window::window(lowering, &image, None)?;
    let count_include_pad = lowering.attributes.flag("count_include_pad", false)?;
    let result = mean(lowering, image.value, &window, count_include_pad)?;
    window::finish(lowering, result, image.axes)
}

/// The mean of each window of an NHWC value. Padding counts if asked for, but what `ceil_mode` adds never does.
pub(super) fn mean(
    lowering: &mut Lowering<'_>,
    value: ValueId,
    window: &Window,
    include: bool,
) -> Result<ValueId, Reason> {
    let mut pool = pool(window);
    if !include || window.extended == [0; 2] {
        let op = Op::AveragePool2d(AveragePool2d { pool, count_include_pad: include });
        return lowering.emit(op, &[value]);
    }
    let Padding { top, left, bottom, right } = pool.padding;
    let [below, beside] = window.extended;
    let pad = Pad { before: vec![0, top, left, 0], after: vec![0, bottom - below, right - beside, 0], value: 0.0 };
    let padded = lowering.emit(Op::Pad(pad), &[value])?;
    pool.padding = Padding { bottom: below, right: beside, ..Padding::NONE };
    lowering.emit(Op::AveragePool2d(AveragePool2d { pool, count_include_pad: false }), &[padded])
}

/// `LpPool`: the p-norm of each window, from the mean of the powers.
pub(super) fn lp(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let p = power(lowering)?;
    let image = window::image(lowering)?;
    let window = window::window(lowering, &image, None)?;
    let powers = raise(lowering, image.value, p)?;
    let taps = (window.kernel[0] as f32) * (window.kernel[1] as f32);
    // Padding counts as zeros, so that the mean times the number of taps is the sum.
    let op = Op::AveragePool2d(AveragePool2d { pool: pool(&window), count_include_pad: true });
    let mean = lowering.emit(op, &[powers])?;
    let taps = lowering.number(taps, mean)?;
    let sum = lowering.multiply(mean, taps)?;
    let result = root(lowering, sum, p)?;
    window::finish(lowering, result, image.axes)
}

/// `GlobalLpPool`: the p-norm of each channel.
pub(super) fn global_lp(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let p = power(lowering)?;
    let operand = lowering.input(0)?;
    let axes: Vec<usize> = (2..lowering.shape(operand).len()).collect();
    let powers = raise(lowering, operand, p)?;
    let sum = lowering.reduce(ReduceKind::Sum, &axes, powers)?;
    let result = root(lowering, sum, p)?;
    lowering.set_output(0, result);
    Ok(())
}

fn power(lowering: &mut Lowering<'_>) -> Result<f32, Reason> {
    match lowering.attributes.int("p")?.unwrap_or(2) {
        p @ 1..=64 => Ok(p as f32),
        other => Err(refuse("p", other.to_string(), "a number from 1 to 64 is expected")),
    }
}

fn raise(lowering: &mut Lowering<'_>, value: ValueId, p: f32) -> Result<ValueId, Reason> {
    if p == 2.0 {
        return lowering.multiply(value, value);
    }
    let size = lowering.unary(Unary::Abs, value)?;
    if p == 1.0 {
        return Ok(size);
    }
    let exponent = lowering.number(p, size)?;
    lowering.binary(BinaryKind::Pow, size, exponent)
}

fn root(lowering: &mut Lowering<'_>, value: ValueId, p: f32) -> Result<ValueId, Reason> {
    if p == 1.0 {
        return Ok(value);
    }
    if p == 2.0 {
        return lowering.unary(Unary::Sqrt, value);
    }
    let exponent = lowering.number(1.0 / p, value)?;
    lowering.binary(BinaryKind::Pow, value, exponent)
}

fn pool(window: &Window) -> Pool2d {
    Pool2d {
        kernel: window.kernel,
        stride: window.stride,
        dilation: window.dilation,
        padding: window.padding,
        activation: Activation::NONE,
    }
}
