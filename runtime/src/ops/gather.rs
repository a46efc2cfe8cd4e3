//! Evaluation of [`Opcode::Gather`](bantam_format::Opcode::Gather), byte by byte.

use super::{Context, Source};
use crate::kernels::scalar;
use bantam_format::ops;

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::Gather::read(context.op.attributes());
    let input = context.op.input(0);
    let axis = usize::from(attributes.axis);
    let size = input.shape.dimension(axis);
    let inner = input.shape.dimensions().get(axis.checked_add(1)?..).unwrap_or(&[]);
    let inner = inner.iter().fold(input.data_type.bytes(), |bytes, &d| bytes.saturating_mul(d as usize));
    if context.op.input_count() == 1 {
        let positions = context.constant::<i32>(attributes.positions, attributes.count as usize)?;
        let (input, output) = context.operands::<i8, i8>(0)?;
        scalar::gather(size, inner, positions.iter().map(|&position| position as usize), input, output);
    } else {
        let (sources, output) = context.sources::<i8>()?;
        let positions = sources.input::<i32>(1)?.iter().map(|&position| {
            // Negative ones count from the end; what is still outside is brought to the nearest end.
            let from_end = if position < 0 { size as i64 } else { 0 };
            (i64::from(position) + from_end).min(size as i64 - 1).max(0) as usize
        });
        scalar::gather(size, inner, positions, sources.input::<i8>(0)?, output);
    }
    Some(())
}
