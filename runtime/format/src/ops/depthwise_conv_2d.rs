//! Attributes and rules of [`Opcode::DepthwiseConv2d`](crate::Opcode::DepthwiseConv2d).

use super::{Accumulation, Window};
use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{LoadError, Op};

record! {
    /// 36 bytes. Input `[n, h, w, c]`, output `[n, h', w', c * m]` with the channel multiplier m; weights
    /// `[kernel_height, kernel_width, c * m]`. Output channel o reads input channel o / m.
    pub struct DepthwiseConv2d {
        /// The window.
        pub window: Window,
        /// Zero.
        pub reserved: [u8; 2],
        /// Weights, bias and requantisation.
        pub accumulation: Accumulation,
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: DepthwiseConv2d = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    op.check_operands(1, 1)?;
    let [batch, height, width, channels] = op.check_nhwc(&op.input(0).shape)?;
    let [out_batch, out_height, out_width, out_channels] = op.check_nhwc(&op.output(0).shape)?;
    ensure(batch == out_batch && out_channels.checked_rem(channels) == Some(0), op.shape_error())?;
    attributes.window.check(op, [height, width], [out_height, out_width])?;
    let taps = attributes.window.taps();
    attributes.accumulation.check(op, out_channels, taps)?;
    Ok(Cost::macs(&[batch, out_height, out_width, out_channels, taps]).scanning(out_channels))
}
