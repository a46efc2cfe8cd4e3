//! Evaluation of [`Opcode::Concat`](bantam_format::Opcode::Concat), byte by byte.

use super::{Context, Source};
use bantam_format::{Tensor, ops};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let axis = usize::from(ops::Concat::read(context.op.attributes()).axis);
    // Bytes of a tensor from one step along the axis before the joined one to the next.
    let row = |tensor: &Tensor| {
        let inner = tensor.shape.dimensions().get(axis..).unwrap_or(&[]);
        inner.iter().fold(tensor.data_type.bytes(), |bytes, &d| bytes.saturating_mul(d as usize))
    };
    let (op, output_row) = (context.op, row(&context.op.output(0)));
    let (sources, output) = context.sources::<i8>()?;
    let mut start = 0usize;
    for position in 0..op.input_count() {
        let input_row = row(&op.input(position));
        crate::kernels::scalar::concat(input_row, output_row, start, sources.input::<i8>(position)?, output);
        start = start.checked_add(input_row)?;
    }
    Some(())
}
