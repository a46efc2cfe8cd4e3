//! Attributes and rules of [`Opcode::DepthwiseConv2d`](crate::Opcode::DepthwiseConv2d).

use super::conv_2d::Accumulation;
use super::{Epilogue, Window};
use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{LoadError, Op};

record! {
    /// 36 bytes. Input `[n, h, w, c]`, output `[n, h', w', c * m]` with the channel multiplier m; weights
    /// `[kernel_height, kernel_width, c * m]`, bias `[c * m]`. Output channel o reads input channel o / m.
    pub struct DepthwiseConv2d {
        /// The window.
        pub window: Window,
        /// Zero.
        pub reserved: [u8; 2],
        /// Code of the weights' [`DataType`](crate::DataType).
        pub weight_type: u8,
        /// 1 where the requantisation table has one entry per output channel, 0 where it has a single one.
        pub per_channel: u8,
        /// Byte offset of the weights in the constants section.
        pub weights: u32,
        /// Byte offset of the bias, or [`crate::ABSENT`].
        pub bias: u32,
        /// What the accumulators become.
        pub epilogue: Epilogue,
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
    Accumulation {
        weight_type: attributes.weight_type,
        per_channel: attributes.per_channel,
        weights: attributes.weights,
        bias: attributes.bias,
        epilogue: attributes.epilogue,
        channels: out_channels,
        taps,
    }
    .check(op)?;
    Ok(Cost::macs(&[batch, out_height, out_width, out_channels, taps]).scanning(out_channels))
}
