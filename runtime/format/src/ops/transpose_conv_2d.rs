//! Rules of [`Opcode::TransposeConv2d`](crate::Opcode::TransposeConv2d), whose attributes are those of [`Conv2d`].

use super::Conv2d;
use super::accumulation::check_groups;
use crate::check::{Cost, ensure};
use crate::{LoadError, Op};

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Conv2d = op.read_attributes()?;
    op.check_operands(1, 1)?;
    let [batch, _, _, channels] = op.check_nhwc(&op.input(0).shape)?;
    let [out_batch, out_height, out_width, out_channels] = op.check_nhwc(&op.output(0).shape)?;
    ensure(batch == out_batch, op.shape_error())?;
    let window = &attributes.window;
    let steps = [window.stride_height, window.stride_width, window.dilation_height, window.dilation_width];
    ensure(window.taps() > 0 && steps.iter().all(|&step| step > 0), LoadError::WindowZero { op: op.index })?;
    check_groups(op, attributes.groups, [channels, out_channels])?;
    let taps = attributes.taps(channels);
    attributes.accumulation.check(op, out_channels, taps)?;
    Ok(Cost::macs(&[batch, out_height, out_width, out_channels, taps]).scanning(out_channels))
}
