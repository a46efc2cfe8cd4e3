//! Attributes and rules of [`Opcode::TransposeConv2d`](crate::Opcode::TransposeConv2d).

use super::{Epilogue, Window};
use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{DataType, LoadError, Op};

record! {
    /// 36 bytes. Input `[n, h, w, c]`, output `[n, h', w', c']`. Tap t of input row y lies on output row
    /// `y * stride + t * dilation - pad`; what lies outside the output is left out.
    pub struct TransposeConv2d {
        /// The window over the output. Padding cuts off the output's first rows and columns.
        pub window: Window,
        /// Groups of channels.
        pub groups: u16,
        /// Code of the weights' data type: that of the input.
        pub weight_type: u8,
        /// 1 where the requantisation table has one entry per output channel, 0 where it has a single one.
        pub per_channel: u8,
        /// Offset of the weights `[c', kernel_height, kernel_width, c / groups]` in the constants section.
        pub weights: u32,
        /// Offset of the bias `[c']`, or absent.
        pub bias: u32,
        /// What the accumulators become.
        pub epilogue: Epilogue,
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: TransposeConv2d = op.read_attributes()?;
    ensure(attributes.per_channel <= 1, LoadError::AttributeReserved { op: op.index })?;
    op.check_operands(1, 1)?;
    let data_type = op.check_type(&op.input(0), &[DataType::I8, DataType::F32])?;
    op.check_type(&op.output(0), &[data_type])?;
    let [batch, _, _, channels] = op.check_nhwc(&op.input(0).shape)?;
    let [out_batch, out_height, out_width, out_channels] = op.check_nhwc(&op.output(0).shape)?;
    ensure(batch == out_batch, op.shape_error())?;
    let window = &attributes.window;
    let steps = [window.stride_height, window.stride_width, window.dilation_height, window.dilation_width];
    ensure(window.taps() > 0 && steps.iter().all(|&step| step > 0), LoadError::WindowZero { op: op.index })?;
    let groups = usize::from(attributes.groups);
    let divides = |channels: usize| channels.checked_rem(groups) == Some(0);
    ensure(divides(channels) && divides(out_channels), LoadError::Groups { op: op.index, groups: attributes.groups })?;
    let group_channels = channels.checked_div(groups).unwrap_or(0);
    ensure(
        attributes.weight_type == data_type.code(),
        LoadError::WeightType { op: op.index, code: attributes.weight_type },
    )?;
    let taps = window.taps().saturating_mul(group_channels);
    let weights = out_channels.checked_mul(taps).and_then(|count| count.checked_mul(data_type.bytes()));
    op.check_constant(attributes.weights, weights)?;
    if data_type == DataType::F32 {
        op.check_reserved(&[attributes.per_channel])?;
        op.check_float_bias(attributes.bias, out_channels)?;
        attributes.epilogue.check_float(op)?;
    } else {
        op.check_integer_bias(attributes.bias, out_channels, taps)?;
        attributes.epilogue.check_integer(op, if attributes.per_channel == 1 { out_channels } else { 1 })?;
    }
    Ok(Cost::macs(&[batch, out_height, out_width, out_channels, taps]).scanning(out_channels))
}
