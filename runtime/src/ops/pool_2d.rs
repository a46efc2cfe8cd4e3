//! Evaluation of [`Opcode::MaxPool2d`](bantam_format::Opcode::MaxPool2d) and
//! [`Opcode::AveragePool2d`](bantam_format::Opcode::AveragePool2d).

use super::conv_2d::geometry;
use super::{Context, Source};
use crate::kernels::dispatch::compiled;
use crate::kernels::{Average, AverageFixedPoint, AverageReal, ClampFloat, Convolution, scalar};
use bantam_format::overlap::RowWindow;
use bantam_format::{Arithmetic, DataType, ops};

pub(super) fn eval_max<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::Pool2d::read(context.op.attributes());
    let (input, output) = (context.op.input(0), context.op.output(0));
    let rows = attributes.window.rows(&input, &output);
    let geometry = geometry(&attributes.window, 1, &input, &output, &rows);
    let backend = context.backend;
    if context.is(DataType::F32) {
        let bounds = attributes.epilogue.float();
        let clamp = [bounds.clamp_min, bounds.clamp_max];
        context.banded(&rows, |band, input, output| {
            compiled!(backend, scalar::max_pool_2d::<f32>(&geometry, band, input, clamp, output));
        })
    } else if context.is(DataType::I16) {
        let bounds = attributes.epilogue.wide();
        let clamp = [bounds.clamp_min, bounds.clamp_max];
        context.banded(&rows, |band, input, output| {
            scalar::max_pool_2d::<i16>(&geometry, band, input, clamp, output);
        })
    } else {
        let bounds = attributes.epilogue.integer();
        let clamp = [bounds.clamp_min, bounds.clamp_max];
        context.banded(&rows, |band, input, output| {
            compiled!(backend, scalar::max_pool_2d::<i8>(&geometry, band, input, clamp, output));
        })
    }
}

pub(super) fn eval_average<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::Pool2d::read(context.op.attributes());
    let (input, output) = (context.op.input(0), context.op.output(0));
    let rows = attributes.window.rows(&input, &output);
    let geometry = geometry(&attributes.window, 1, &input, &output, &rows);
    let backend = context.backend;
    let include_pad = attributes.count_include_pad == 1;
    if context.is(DataType::F32) {
        let average = ClampFloat::new(&attributes.epilogue.float());
        context.banded(&rows, |band, input, output| {
            compiled!(
                backend,
                scalar::average_pool_2d::<f32, _>(&geometry, band, input, 0, include_pad, &average, output)
            );
        })
    } else if context.is(DataType::I16) {
        let bounds = attributes.epilogue.wide();
        let clamp = [bounds.clamp_min, bounds.clamp_max].map(i32::from);
        let average = AverageFixedPoint { zero_point: 0, clamp };
        context.banded(&rows, |band, input, output| {
            scalar::average_pool_2d::<i16, _>(&geometry, band, input, 0, include_pad, &average, output);
        })
    } else {
        let epilogue = attributes.epilogue.integer();
        let zero_point = i32::from(epilogue.input_zero_point);
        let clamp = [i32::from(epilogue.clamp_min), i32::from(epilogue.clamp_max)];
        let parts = Integers { geometry: &geometry, rows: &rows, zero_point, include_pad };
        if context.arithmetic() == Arithmetic::Onnx {
            let multiplier = f32::from_bits(epilogue.table);
            parts
                .average(context, &AverageReal { multiplier, zero_point: i32::from(epilogue.output_zero_point), clamp })
        } else {
            parts.average(context, &AverageFixedPoint { zero_point, clamp })
        }
    }
}

/// An average of 8-bit integers.
struct Integers<'a> {
    geometry: &'a Convolution,
    rows: &'a RowWindow,
    zero_point: i32,
    include_pad: bool,
}

impl Integers<'_> {
    #[inline(always)]
    fn average<S: Source>(self, context: &mut Context<'_, S>, average: &impl Average<i32, i8>) -> Option<()> {
        // A download has the loops once.
        #[cfg(target_arch = "wasm32")]
        let average: &dyn Average<i32, i8> = average;
        self.walk(context, average)
    }

    fn walk<S: Source, A: Average<i32, i8> + ?Sized>(self, context: &mut Context<'_, S>, average: &A) -> Option<()> {
        let Self { geometry, rows, zero_point, include_pad } = self;
        let backend = context.backend;
        context.banded(rows, |band, input, output| {
            compiled!(backend, {
                scalar::average_pool_2d::<i8, A>(geometry, band, input, zero_point, include_pad, average, output);
            });
        })
    }
}
