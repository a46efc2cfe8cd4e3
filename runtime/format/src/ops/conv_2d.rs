//! Attributes and rules of [`Opcode::Conv2d`](crate::Opcode::Conv2d).

use super::{Epilogue, Window};
use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{DataType, LoadError, Op};

record! {
    /// 36 bytes. Input `[n, h, w, c]`, output `[n, h', w', c']`, weights `[c', kernel_height, kernel_width,
    /// c / groups]` of 8-bit or float values, bias `[c']`.
    pub struct Conv2d {
        /// The window.
        pub window: Window,
        /// Groups of channels that see only each other.
        pub groups: u16,
        /// Code of the weights' [`DataType`].
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

/// Entries of a requantisation table.
pub(crate) fn table_entries(op: &Op<'_>, per_channel: u8, channels: usize) -> Result<usize, LoadError> {
    match per_channel {
        0 => Ok(1),
        1 => Ok(channels),
        _ => Err(LoadError::AttributeReserved { op: op.index }),
    }
}

/// The accumulator rules that Conv2d, DepthwiseConv2d and FullyConnected share: weights of `taps` per output channel.
pub(crate) struct Accumulation {
    pub weight_type: u8,
    pub per_channel: u8,
    pub weights: u32,
    pub bias: u32,
    pub epilogue: Epilogue,
    pub channels: usize,
    pub taps: usize,
}

impl Accumulation {
    pub(crate) fn check(&self, op: &Op<'_>) -> Result<(), LoadError> {
        let data_type = op.check_type(&op.input(0), &[DataType::I8, DataType::F32])?;
        op.check_type(&op.output(0), &[data_type])?;
        ensure(self.weight_type == data_type.code(), LoadError::WeightType { op: op.index, code: self.weight_type })?;
        let weights = self.channels.checked_mul(self.taps).and_then(|n| n.checked_mul(data_type.bytes()));
        op.check_constant(self.weights, weights)?;
        let entries = table_entries(op, self.per_channel, self.channels)?;
        if data_type == DataType::F32 {
            op.check_float_bias(self.bias, self.channels)?;
            self.epilogue.check_float(op)
        } else {
            op.check_integer_bias(self.bias, self.channels, self.taps)?;
            self.epilogue.check_integer(op, entries)
        }
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Conv2d = op.read_attributes()?;
    op.check_operands(1, 1)?;
    let [batch, height, width, channels] = op.check_nhwc(&op.input(0).shape)?;
    let [out_batch, out_height, out_width, out_channels] = op.check_nhwc(&op.output(0).shape)?;
    ensure(batch == out_batch, op.shape_error())?;
    attributes.window.check(op, [height, width], [out_height, out_width])?;
    let groups = usize::from(attributes.groups);
    let divides = |channels: usize| channels.checked_rem(groups) == Some(0);
    ensure(divides(channels) && divides(out_channels), LoadError::Groups { op: op.index, groups: attributes.groups })?;
    let taps = attributes.window.taps().saturating_mul(channels.checked_div(groups).unwrap_or(0));
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
