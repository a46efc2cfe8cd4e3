//! Evaluation of [`Opcode::Reduce`](bantam_format::Opcode::Reduce).

use super::{Context, Source};
use crate::kernels::dispatch::compiled;
use crate::kernels::scalar::{self, Number};
use crate::kernels::{ClampFloat, Epilogue, MeanFloat};
use bantam_format::DataType;
use bantam_format::ops::{self, Accumulation, ReduceKind};

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::Reduce::read(context.op.attributes());
    let kind = ReduceKind::from_code(attributes.kind)?;
    let rows = attributes.rows(&context.op.input(0))?;
    let shape = attributes.collapse(context.op.input(0).shape.dimensions())?;
    if context.is(DataType::I32) {
        context.banded(&rows, |_, input, output| scalar::reduce_i32(kind, shape, input, output))
    } else if context.is(DataType::F32) {
        let [_, reduced, _] = shape;
        let epilogue = attributes.epilogue.float();
        let backend = context.backend;
        context.banded(&rows, |_, input, output| {
            if kind == ReduceKind::Mean {
                let mean = MeanFloat::new(reduced, &epilogue);
                compiled!(backend, scalar::sum::<f32, _>(shape, input, 0, &mean, output));
            } else {
                scalar::reduce_f32(kind, shape, input, &ClampFloat::new(&epilogue), output);
            }
        })
    } else if context.is(DataType::I16) {
        let requantization = context.wide_requantization(&attributes.epilogue.wide(), Accumulation::SHORT_SUMS, 1)?;
        context.banded(&rows, |_, input, output| integers::<i16, _>(kind, shape, input, 0, &requantization, output))
    } else {
        let epilogue = attributes.epilogue.integer();
        let requantization = context.requantization(&epilogue, false, 1)?;
        let zero_point = i32::from(epilogue.input_zero_point);
        let backend = context.backend;
        context.banded(&rows, |_, input, output| {
            compiled!(backend, integers::<i8, _>(kind, shape, input, zero_point, &requantization, output));
        })
    }
}

#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(always))]
fn integers<T: Number<Accumulator: Ord>, E: Epilogue<T::Accumulator, T>>(
    kind: ReduceKind,
    shape: [usize; 3],
    input: &[T],
    zero_point: i32,
    epilogue: &E,
    output: &mut [T],
) {
    if matches!(kind, ReduceKind::Max | ReduceKind::Min) {
        scalar::extreme(shape, kind == ReduceKind::Min, input, zero_point, epilogue, output);
    } else {
        scalar::sum(shape, input, zero_point, epilogue, output);
    }
}
