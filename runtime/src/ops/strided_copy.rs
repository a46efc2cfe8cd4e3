//! Evaluation of [`Opcode::StridedCopy`](bantam_format::Opcode::StridedCopy).

use super::{Context, Source};
use crate::kernels::scalar::{self, Walk};
use bantam_format::{DataType, ops};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::StridedCopy::read(context.op.attributes());
    let walk = Walk::signed(
        attributes.dimensions.map(|dimension| dimension as usize),
        attributes.strides.map(|stride| stride as isize),
        isize::try_from(attributes.offset).ok()?,
    );
    // Words are moved as they are, whatever they mean.
    if context.is(DataType::I8) {
        let (input, output) = context.operands::<i8, i8>(0)?;
        scalar::walk_copy(walk, input, output);
    } else if context.is(DataType::I16) {
        let (input, output) = context.operands::<i16, i16>(0)?;
        scalar::walk_copy(walk, input, output);
    } else {
        let (input, output) = context.operands::<i32, i32>(0)?;
        scalar::walk_copy(walk, input, output);
    }
    Some(())
}
