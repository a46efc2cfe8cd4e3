//! Evaluation of [`Opcode::TransposeConv2d`](bantam_format::Opcode::TransposeConv2d).

use super::Context;
use super::accumulation::{Accumulate, accumulate};
use super::conv_2d::geometry;
use crate::kernels::scalar::{self, Number};
use crate::kernels::{Accumulation, Band, Convolution, Epilogue};
use crate::views::Element;
use bantam_format::ops;

struct TransposeConv2d {
    geometry: Convolution,
}

impl Accumulate for TransposeConv2d {
    fn run<T: Number + Element, E: Epilogue<T::Accumulator, T>>(
        &self,
        context: &mut Context<'_>,
        accumulation: &Accumulation<'_, T, E>,
    ) -> Option<()> {
        let (input, output) = context.operands(0)?;
        let [input_image, output_image] =
            [self.geometry.input, self.geometry.output].map(|image| image.into_iter().product::<usize>().max(1));
        let band = Band { input: 0..self.geometry.input[0], output: 0..self.geometry.output[0] };
        for (input, output) in input.chunks_exact(input_image).zip(output.chunks_exact_mut(output_image)) {
            scalar::transpose_conv_2d(&self.geometry, &band, input, accumulation, output);
        }
        Some(())
    }
}

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::Conv2d::read(context.op.attributes());
    let geometry = geometry(&attributes.window, attributes.groups, &context.op.input(0), &context.op.output(0));
    let extent = [geometry.output[2], geometry.taps()];
    accumulate(context, &attributes.accumulation, extent, &TransposeConv2d { geometry })
}
