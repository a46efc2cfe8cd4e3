//! Attributes and rules of [`Opcode::FullyConnected`](crate::Opcode::FullyConnected).

use super::Epilogue;
use super::conv_2d::Accumulation;
use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{LoadError, Op};

record! {
    /// 20 bytes. Input `[..., k]`, output `[..., n]` with the same number of rows, weights `[n, k]`, bias `[n]`.
    pub struct FullyConnected {
        /// Code of the weights' [`DataType`](crate::DataType).
        pub weight_type: u8,
        /// 1 where the requantisation table has one entry per output, 0 where it has a single one.
        pub per_channel: u8,
        /// Zero.
        pub reserved: [u8; 2],
        /// Byte offset of the weights in the constants section.
        pub weights: u32,
        /// Byte offset of the bias, or [`crate::ABSENT`].
        pub bias: u32,
        /// What the accumulators become.
        pub epilogue: Epilogue,
    }
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: FullyConnected = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    op.check_operands(1, 1)?;
    let (input, output) = (op.input(0).shape, op.output(0).shape);
    ensure(input.rank() > 0 && output.rank() > 0, LoadError::OperandRank { op: op.index })?;
    let rows = |shape: &crate::Shape| shape.elements().checked_div(shape.innermost());
    ensure(rows(&input) == rows(&output), op.shape_error())?;
    Accumulation {
        weight_type: attributes.weight_type,
        per_channel: attributes.per_channel,
        weights: attributes.weights,
        bias: attributes.bias,
        epilogue: attributes.epilogue,
        channels: output.innermost(),
        taps: input.innermost(),
    }
    .check(op)?;
    Ok(Cost::macs(&[output.elements(), input.innermost()]).scanning(output.innermost()))
}
