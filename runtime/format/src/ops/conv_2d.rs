//! Attributes and rules of [`Opcode::Conv2d`](crate::Opcode::Conv2d).

use super::Window;
use super::accumulation::{Accumulation, check_groups};
use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{LoadError, Op};

record! {
    /// 36 bytes, also of `TransposeConv2d`. Input `[n, h, w, c]`, output `[n, h', w', c']`, weights `[c', kernel_height,
    /// kernel_width, c / groups]`.
    pub struct Conv2d {
        /// The window.
        pub window: Window,
        /// Groups of channels that see only each other.
        pub groups: u16,
        /// Weights, bias and requantisation.
        pub accumulation: Accumulation,
    }
}

impl Conv2d {
    /// Weights per output channel.
    pub(crate) fn taps(&self, channels: usize) -> usize {
        self.window.taps().saturating_mul(channels.checked_div(usize::from(self.groups)).unwrap_or(0))
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Conv2d = op.read_attributes()?;
    op.check_operands(1, 1)?;
    let [batch, height, width, channels] = op.check_nhwc(&op.input(0).shape)?;
    let [out_batch, out_height, out_width, out_channels] = op.check_nhwc(&op.output(0).shape)?;
    ensure(batch == out_batch, op.shape_error())?;
    attributes.window.check(op, [height, width], [out_height, out_width])?;
    check_groups(op, attributes.groups, [channels, out_channels])?;
    let taps = attributes.taps(channels);
    attributes.accumulation.check(op, out_channels, taps)?;
    Ok(Cost::macs(&[batch, out_height, out_width, out_channels, taps]).scanning(out_channels))
}
