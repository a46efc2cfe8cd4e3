//! Evaluation of [`Opcode::DepthwiseConv2d`](bantam_format::Opcode::DepthwiseConv2d).

use super::Context;
use super::accumulation::{Accumulate, Packing, accumulate};
use super::conv_2d::geometry;
use crate::kernels::scalar::{self, Number};
use crate::kernels::{Accumulation, Convolution, Epilogue};
use crate::views::Element;
use bantam_format::ops;

struct DepthwiseConv2d {
    window: ops::Window,
    geometry: Convolution,
    images: usize,
}

impl Accumulate for DepthwiseConv2d {
    fn packing(&self) -> Option<Packing> {
        Some(Packing { geometry: self.geometry, images: self.images, depthwise: true })
    }

    fn run<T: Number + Element, E: Epilogue<T::Accumulator, T>>(
        &self,
        context: &mut Context<'_>,
        accumulation: &Accumulation<'_, T, E>,
    ) -> Option<()> {
        context.banded(&self.window, |band, input, output| {
            scalar::depthwise_conv_2d(&self.geometry, band, input, accumulation, output);
        })
    }
}

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::DepthwiseConv2d::read(context.op.attributes());
    let geometry = geometry(&attributes.window, 1, &context.op.input(0), &context.op.output(0));
    let extent = [geometry.output[2], attributes.window.taps()];
    let op = DepthwiseConv2d { window: attributes.window, geometry, images: context.op.input(0).shape.dimension(0) };
    accumulate(context, &attributes.accumulation, extent, &op)
}
