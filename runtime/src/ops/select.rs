//! Evaluation of [`Opcode::Select`](bantam_format::Opcode::Select).

use super::Context;
use crate::kernels::scalar::{self, Walk};
use crate::views::Element;
use bantam_format::DataType;

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    if context.op.output(0).data_type == DataType::I8 { select::<i8>(context) } else { select::<i32>(context) }
}

fn select<T: Element>(context: &mut Context<'_>) -> Option<()> {
    let (op, shape) = (context.op, context.op.output(0).shape);
    let walk = |position: usize| Some(Walk::new(shape.padded(), op.input(position).shape.broadcast(&shape)?));
    let (sources, output) = context.sources::<T>()?;
    scalar::select(
        walk(0)?.read(sources.input(0)?),
        walk(1)?.read(sources.input(1)?),
        walk(2)?.read(sources.input(2)?),
        output,
    );
    Some(())
}
