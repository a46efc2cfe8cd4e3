//! Attributes and rules of [`Opcode::MaxPool2d`](crate::Opcode::MaxPool2d) and
//! [`Opcode::AveragePool2d`](crate::Opcode::AveragePool2d).

use super::{Epilogue, IntegerEpilogue, Window};
use crate::bytes::record;
use crate::check::{Cost, ensure};
use crate::{Arithmetic, DataType, LoadError, Op};

record! {
    /// 28 bytes. Input `[n, h, w, c]`, output `[n, h', w', c]`.
    pub struct Pool2d {
        /// The window.
        pub window: Window,
        /// Average only: 1 where padded positions count in the divisor, 0 where only input elements do.
        pub count_include_pad: u8,
        /// Zero.
        pub reserved: [u8; 3],
        /// What the result becomes. For 8-bit maxima `table` is zero; for 8-bit averages it is the bits of the f32
        /// multiplier input scale / output scale under the `onnx` arithmetic and zero under `tflite`, whose averages
        /// keep the input's quantisation.
        pub epilogue: Epilogue,
    }
}

fn check(op: &Op<'_>, average: bool) -> Result<Cost, LoadError> {
    let attributes: Pool2d = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    ensure(attributes.count_include_pad <= u8::from(average), LoadError::AttributeReserved { op: op.index })?;
    op.check_operands(1, 1)?;
    let data_type = op.check_type(&op.input(0), &[DataType::I8, DataType::I16, DataType::F32])?;
    op.check_type(&op.output(0), &[data_type])?;
    let [batch, height, width, channels] = op.check_nhwc(&op.input(0).shape)?;
    let [out_batch, out_height, out_width, out_channels] = op.check_nhwc(&op.output(0).shape)?;
    ensure(batch == out_batch && channels == out_channels, op.shape_error())?;
    attributes.window.check(op, [height, width], [out_height, out_width])?;
    let taps = attributes.window.taps();
    if data_type.is_real() {
        attributes.epilogue.check_float(op)?;
    } else {
        let wide = data_type.is_wide();
        if average {
            // A sum of `taps` offset values.
            let sum = taps.checked_mul(if wide { 1 << 15 } else { 255 }).and_then(|s| i32::try_from(s).ok());
            ensure(sum.is_some(), LoadError::Accumulator { op: op.index })?;
        }
        if wide {
            let epilogue = attributes.epilogue.wide();
            op.check_clamp(epilogue.clamp_min, epilogue.clamp_max)?;
            op.check_reserved(&epilogue.table.to_le_bytes())?;
        } else {
            check_integer(op, &attributes.epilogue.integer(), average)?;
        }
        ensure(
            !average || op.artifact.arithmetic() != Arithmetic::Float,
            LoadError::ArithmeticMissing { op: op.index },
        )?;
    }
    Ok(Cost::work(&[batch, out_height, out_width, out_channels, taps]))
}

fn check_integer(op: &Op<'_>, epilogue: &IntegerEpilogue, average: bool) -> Result<(), LoadError> {
    op.check_clamp(epilogue.clamp_min, epilogue.clamp_max)?;
    if average && op.artifact.arithmetic() == Arithmetic::Onnx {
        return op.check_multiplier(epilogue.table, 0);
    }
    op.check_reserved(&epilogue.table.to_le_bytes())?;
    ensure(epilogue.input_zero_point == epilogue.output_zero_point, LoadError::ZeroPoint { op: op.index })
}

pub(crate) fn check_max(op: &Op<'_>) -> Result<Cost, LoadError> {
    check(op, false)
}

pub(crate) fn check_average(op: &Op<'_>) -> Result<Cost, LoadError> {
    check(op, true)
}
