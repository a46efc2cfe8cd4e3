//! Evaluation of [`Opcode::Conv2d`](bantam_format::Opcode::Conv2d).

use super::Context;
use super::accumulation::{Accumulate, Packing, accumulate};
use crate::kernels::scalar::{self, Number};
use crate::kernels::{Accumulation, Convolution, Epilogue};
use crate::views::Element;
use bantam_format::{Tensor, ops};

/// The geometry of windowed ops as their kernels take it.
pub(super) fn geometry(window: &ops::Window, groups: u16, input: &Tensor, output: &Tensor) -> Convolution {
    Convolution {
        kernel: [usize::from(window.kernel_height), usize::from(window.kernel_width)],
        stride: [usize::from(window.stride_height), usize::from(window.stride_width)],
        dilation: [usize::from(window.dilation_height), usize::from(window.dilation_width)],
        pad: [usize::from(window.pad_top), usize::from(window.pad_left)],
        input: [input.shape.dimension(1), input.shape.dimension(2), input.shape.dimension(3)],
        output: [output.shape.dimension(1), output.shape.dimension(2), output.shape.dimension(3)],
        groups: usize::from(groups),
    }
}

struct Conv2d {
    window: ops::Window,
    geometry: Convolution,
    images: usize,
}

impl Accumulate for Conv2d {
    fn packing(&self) -> Option<Packing> {
        Some(Packing { geometry: self.geometry, images: self.images, depthwise: false })
    }

    fn run<T: Number + Element, E: Epilogue<T::Accumulator, T>>(
        &self,
        context: &mut Context<'_>,
        accumulation: &Accumulation<'_, T, E>,
    ) -> Option<()> {
        context.banded(&self.window, |band, input, output| {
            scalar::conv_2d(&self.geometry, band, input, accumulation, output);
        })
    }
}

pub(super) fn eval(context: &mut Context<'_>) -> Option<()> {
    let attributes = ops::Conv2d::read(context.op.attributes());
    let geometry = geometry(&attributes.window, attributes.groups, &context.op.input(0), &context.op.output(0));
    let images = context.op.input(0).shape.dimension(0);
    let extent = [geometry.output[2], geometry.taps()];
    accumulate(context, &attributes.accumulation, extent, &Conv2d { window: attributes.window, geometry, images })
}
