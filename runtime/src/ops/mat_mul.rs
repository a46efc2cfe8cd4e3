//! Evaluation of [`Opcode::MatMul`](bantam_format::Opcode::MatMul), one matrix of the batch after the other.

use super::{Context, Source};
use crate::kernels::scalar::{self, Number, Walk};
use crate::kernels::{ClampFloat, Epilogue};
use crate::views::Element;
use bantam_format::{DataType, ops};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::MatMul::read(context.op.attributes());
    if context.is(DataType::F32) {
        let epilogue = ClampFloat::new(&attributes.epilogue.float());
        multiply::<f32, _, S>(context, [0; 2], &epilogue)
    } else if context.is(DataType::I16) {
        let requantization = context.wide_requantization(&attributes.epilogue.wide(), 0, 1)?;
        multiply::<i16, _, S>(context, [0; 2], &requantization)
    } else {
        let epilogue = attributes.epilogue.integer();
        let requantization = context.requantization(&epilogue, false, 1)?;
        let zero_points = [epilogue.input_zero_point, attributes.second_zero_point].map(i32::from);
        multiply::<i8, _, S>(context, zero_points, &requantization)
    }
}

fn multiply<T: Element + Number, E: Epilogue<T::Accumulator, T>, S: Source>(
    context: &mut Context<'_, S>,
    zero_points: [i32; 2],
    epilogue: &E,
) -> Option<()> {
    let Plan { depth, columns, sizes: [left_size, right_size, size], walks: [lefts, rights] } = plan(context)?;
    let (sources, output) = context.sources::<T>()?;
    let (left, right) = (sources.input::<T>(0)?, sources.input::<T>(1)?);
    for ((matrix, first), second) in output.chunks_exact_mut(size.max(1)).zip(lefts).zip(rights) {
        let left = left.get(first.checked_mul(left_size)?..)?.get(..left_size)?;
        let right = right.get(second.checked_mul(right_size)?..)?.get(..right_size)?;
        scalar::mat_mul(depth, columns, zero_points, left, right, epilogue, matrix);
    }
    Some(())
}

/// What is the same for all types.
struct Plan {
    depth: usize,
    columns: usize,
    /// Elements of a matrix of the first input, the second one and the output.
    sizes: [usize; 3],
    /// Positions of the inputs' matrices, counted in matrices.
    walks: [Walk; 2],
}

#[inline(never)]
fn plan<S: Source>(context: &Context<'_, S>) -> Option<Plan> {
    let (first, second, output) = (context.op.input(0).shape, context.op.input(1).shape, context.op.output(0).shape);
    let [rows, depth, columns] = ops::MatMul::sizes(&first, &second, &output)?;
    let batch = output.without_last(2)?;
    let walk =
        |operand: bantam_format::Shape| Some(Walk::new(batch.padded(), operand.without_last(2)?.broadcast(&batch)?));
    let sizes = [rows.checked_mul(depth)?, depth.checked_mul(columns)?, rows.checked_mul(columns)?];
    Some(Plan { depth, columns, sizes, walks: [walk(first)?, walk(second)?] })
}
