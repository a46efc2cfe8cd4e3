//! Evaluation of [`Opcode::Select`](bantam_format::Opcode::Select).

use super::{Context, Source};
use crate::kernels::scalar::{self, Walk};
use crate::views::Element;
use bantam_format::DataType;

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    if context.makes(DataType::I8) {
        select::<i8, S>(context)
    } else if context.makes(DataType::I16) {
        select::<i16, S>(context)
    } else {
        select::<i32, S>(context)
    }
}

fn select<T: Element, S: Source>(context: &mut Context<'_, S>) -> Option<()> {
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
