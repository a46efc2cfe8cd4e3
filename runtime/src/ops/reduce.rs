//! Evaluation of [`Opcode::Reduce`](bantam_format::Opcode::Reduce).

use super::Context;
use crate::kernels::{ClampFloat, MeanFloat, scalar};
use bantam_format::DataType;
use bantam_format::ops::{self, ReduceKind};

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::Reduce::read(context.op.attributes());
    let kind = ReduceKind::from_code(attributes.kind)?;
    let shape = attributes.collapse(context.op.input(0).shape.dimensions())?;
    if context.op.input(0).data_type == DataType::I32 {
        let (input, output) = context.operands(0)?;
        scalar::reduce_i32(kind, shape, input, output);
    } else if context.op.input(0).data_type == DataType::F32 {
        let [_, reduced, _] = shape;
        let epilogue = attributes.epilogue.float();
        let (input, output) = context.operands(0)?;
        if kind == ReduceKind::Mean {
            scalar::sum::<f32, _>(shape, input, 0, &MeanFloat::new(reduced, &epilogue), output);
        } else {
            scalar::reduce_f32(kind, shape, input, &ClampFloat::new(&epilogue), output);
        }
    } else {
        let epilogue = attributes.epilogue.integer();
        let requantization = context.requantization(&epilogue, false, 1)?;
        let (input, output) = context.operands(0)?;
        let zero_point = i32::from(epilogue.input_zero_point);
        if matches!(kind, ReduceKind::Max | ReduceKind::Min) {
            scalar::extreme(shape, kind == ReduceKind::Min, input, zero_point, &requantization, output);
        } else {
            scalar::sum::<i8, _>(shape, input, zero_point, &requantization, output);
        }
    }
    Some(())
}
