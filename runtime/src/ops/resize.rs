//! Evaluation of [`Opcode::Resize`](bantam_format::Opcode::Resize).

use super::{Context, Source};
use crate::kernels::{ClampFloat, scalar};
use bantam_format::DataType;
use bantam_format::ops::{self, ResizeTap};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::Resize::read(context.op.attributes());
    let (from, to) = (context.op.input(0), context.op.output(0));
    let first = usize::from(attributes.first_axis);
    let second = first.checked_add(1)?;
    let inner = from.shape.dimensions().get(second.checked_add(1)?..).unwrap_or(&[]);
    let inner = inner.iter().fold(1usize, |product, &d| product.saturating_mul(d as usize));
    let image = [from.shape.dimension(first), from.shape.dimension(second), inner];
    let constants = context.constants;
    let taps = |offset: u32, axis: usize| {
        let length = to.shape.dimension(axis).checked_mul(ResizeTap::BYTES)?;
        let bytes = constants.get(offset as usize..)?.get(..length)?;
        Some(bytes.as_chunks::<{ ResizeTap::BYTES }>().0.iter().map(|bytes| ResizeTap::read(bytes)))
    };
    let (rows, columns) = (taps(attributes.rows, first)?, taps(attributes.columns, second)?);
    if context.is(DataType::F32) {
        let epilogue = ClampFloat::new(&attributes.epilogue.float());
        let (input, output) = context.operands::<f32, f32>(0)?;
        scalar::resize(image, rows, columns, &epilogue, input, output);
    } else {
        let elements = scalar::InterpolateInteger {
            epilogue: attributes.epilogue.integer(),
            fixed_point: attributes.fixed_point == 1,
        };
        let (input, output) = context.operands::<i8, i8>(0)?;
        scalar::resize(image, rows, columns, &elements, input, output);
    }
    Some(())
}
