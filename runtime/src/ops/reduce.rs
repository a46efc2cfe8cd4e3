//! Evaluation of [`Opcode::Reduce`](bantam_format::Opcode::Reduce).

use super::Context;
use crate::kernels::{MeanFloat, scalar};
use bantam_format::{DataType, ops};

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::Reduce::read(context.op.attributes());
    let shape = attributes.collapse(context.op.input(0).shape.dimensions())?;
    if context.op.input(0).data_type == DataType::F32 {
        let [_, reduced, _] = shape;
        let epilogue = MeanFloat::new(reduced, &attributes.epilogue.float());
        let (input, output) = context.operands(0)?;
        scalar::sum::<f32, _>(shape, input, 0, &epilogue, output);
    } else {
        let epilogue = attributes.epilogue.integer();
        let requantization = context.requantization(&epilogue, false, 1)?;
        let (input, output) = context.operands(0)?;
        scalar::sum::<i8, _>(shape, input, i32::from(epilogue.input_zero_point), &requantization, output);
    }
    Some(())
}
