//! Attributes and rules of [`Opcode::FullyConnected`](crate::Opcode::FullyConnected).

use super::{Accumulation, Epilogue};
use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::overlap::RowWindow;
use crate::{LoadError, Op, Tensor};

record! {
    /// 20 bytes. Input `[..., k]`, output `[..., n]` with the same number of rows, weights `[n, k]`, bias `[n]`.
    pub struct FullyConnected {
        /// Code of the weights' [`DataType`](crate::DataType).
        pub weight_type: u8,
        /// As in [`Accumulation`].
        pub flags: u8,
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

impl FullyConnected {
    /// Bands: each output row needs its input row.
    pub fn rows(input: &Tensor, output: &Tensor) -> RowWindow {
        let row_bytes = |tensor: &Tensor| tensor.shape.innermost().saturating_mul(tensor.data_type.bytes());
        let rows = output.shape.elements().checked_div(output.shape.innermost()).unwrap_or(0);
        RowWindow::alike(rows, row_bytes(input), row_bytes(output))
    }

    /// Weights, bias and requantisation, which here have reserved bytes between them.
    pub fn accumulation(&self) -> Accumulation {
        let Self { weight_type, flags, weights, bias, epilogue, .. } = *self;
        Accumulation { weight_type, flags, weights, bias, epilogue }
    }
}

impl From<Accumulation> for FullyConnected {
    fn from(accumulation: Accumulation) -> Self {
        let Accumulation { weight_type, flags, weights, bias, epilogue } = accumulation;
        Self { weight_type, flags, reserved: [0; 2], weights, bias, epilogue }
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
    attributes.accumulation().check(op, output.innermost(), input.innermost())?;
    Ok(Cost::macs(&[output.elements(), input.innermost()]).scanning(output.innermost()))
}
