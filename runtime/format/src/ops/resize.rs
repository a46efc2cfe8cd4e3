//! Attributes and rules of [`Opcode::Resize`](crate::Opcode::Resize).

use super::Epilogue;
use crate::bytes::{narrow, record, size};
use crate::check::{Cost, ensure};
use crate::{DataType, LoadError, Op};

record! {
    /// 20 bytes. Interpolates along two neighbouring axes.
    pub struct Resize {
        /// The first of the two axes.
        pub first_axis: u8,
        /// 1 where 8-bit elements are interpolated in fixed point, as TensorFlow Lite does; else 0.
        pub fixed_point: u8,
        /// Zero.
        pub reserved: [u8; 2],
        /// Byte offset in the constants section of one [`ResizeTap`] per output position of the first axis.
        pub rows: u32,
        /// The same for the second axis.
        pub columns: u32,
        /// What the result becomes. For 8-bit tensors `table` is the bits of the f32 input scale / output scale; in fixed
        /// point all but the clamp is zero.
        pub epilogue: Epilogue,
    }
}

record! {
    /// 12 bytes: where an output position lies between two input positions.
    pub struct ResizeTap {
        /// The one input position.
        pub low: u32,
        /// The other.
        pub high: u32,
        /// Share of the other, 0 to 1; in fixed point a multiple of 1 / [`FIXED_POINT_ONE`].
        pub weight: f32,
    }
}

/// Steps of a weight in fixed point.
pub const FIXED_POINT_ONE: f32 = 1024.0;

/// Whether a weight is a multiple of 1 / [`FIXED_POINT_ONE`]: floats from 2^13 on lie that far apart.
pub fn is_fixed_point(weight: f32) -> bool {
    (weight + 8192.0) - 8192.0 == weight
}

/// Rules 85, 86, 105 and 106 for the taps of an axis; returns their bytes.
fn check_taps(op: &Op<'_>, offset: u32, [input, output]: [usize; 2], fixed_point: bool) -> Result<usize, LoadError> {
    let bytes = op.check_constant(offset, output.checked_mul(ResizeTap::BYTES))?;
    for (index, bytes) in bytes.as_chunks::<{ ResizeTap::BYTES }>().0.iter().enumerate() {
        let tap = ResizeTap::read(bytes);
        ensure(
            size(tap.low) < input && size(tap.high) < input,
            LoadError::ResizePosition { op: op.index, position: narrow(index) },
        )?;
        let allowed = (0.0..=1.0).contains(&tap.weight) && (!fixed_point || is_fixed_point(tap.weight));
        ensure(allowed, LoadError::ResizeWeight { op: op.index })?;
    }
    Ok(bytes.len())
}

pub(crate) fn check(op: &Op<'_>) -> Result<Cost, LoadError> {
    let attributes: Resize = op.read_attributes()?;
    op.check_reserved(&attributes.reserved)?;
    op.check_operands(1, 1)?;
    let (input, output) = (op.input(0), op.output(0));
    let data_type = op.check_type(&input, &[DataType::I8, DataType::F32])?;
    op.check_type(&output, &[data_type])?;
    let rank = input.shape.rank();
    op.check_axis(attributes.first_axis.saturating_add(1), rank)?;
    let (first, second) = (usize::from(attributes.first_axis), usize::from(attributes.first_axis).saturating_add(1));
    let kept =
        |axis: usize| axis == first || axis == second || input.shape.dimension(axis) == output.shape.dimension(axis);
    ensure(output.shape.rank() == rank && (0..rank).all(kept), op.shape_error())?;
    let fixed_point = attributes.fixed_point == 1;
    ensure(
        attributes.fixed_point <= 1 && (!fixed_point || data_type == DataType::I8),
        LoadError::AttributeReserved { op: op.index },
    )?;
    let mut scanned = 0usize;
    for (axis, taps) in [(first, attributes.rows), (second, attributes.columns)] {
        let sizes = [input.shape.dimension(axis), output.shape.dimension(axis)];
        let bytes = check_taps(op, taps, sizes, fixed_point)?;
        scanned = scanned.saturating_add(bytes);
    }
    if data_type.is_real() {
        attributes.epilogue.check_float(op)?;
    } else {
        let epilogue = attributes.epilogue.integer();
        op.check_clamp(epilogue.clamp_min, epilogue.clamp_max)?;
        if fixed_point {
            op.check_reserved(&epilogue.table.to_le_bytes())?;
            op.check_reserved(&[epilogue.input_zero_point, epilogue.output_zero_point].map(i8::cast_unsigned))?;
        } else {
            op.check_real_multiplier(epilogue.table, 0)?;
        }
    }
    Ok(Cost::work(&[output.shape.elements(), 4]).looking_at(scanned))
}
