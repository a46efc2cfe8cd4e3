//! Evaluation of [`Opcode::FullyConnected`](bantam_format::Opcode::FullyConnected).

use super::accumulation::{Accumulate, Packing, accumulate};
use super::{Context, Source};
use crate::kernels::scalar::{self, Number};
use crate::kernels::{Accumulation, Convolution, Epilogue, Requantization, direct};
use crate::views::Element;
use bantam_format::ops;

struct FullyConnected {
    depth: usize,
    channels: usize,
    rows: usize,
}

impl Accumulate for FullyConnected {
    fn packing(&self) -> Option<Packing> {
        // A convolution of 1 x 1 over a row of pixels.
        let geometry = Convolution {
            kernel: [1; 2],
            stride: [1; 2],
            dilation: [1; 2],
            pad: [0; 2],
            input: [1, self.rows, self.depth],
            output: [1, self.rows, self.channels],
            groups: 1,
        };
        Some(Packing { geometry, images: 1, depthwise: false })
    }

    fn run<T: Number + Element, E: Epilogue<T::Accumulator, T>, S: Source>(
        &self,
        context: &mut Context<'_, S>,
        accumulation: &Accumulation<'_, T, E>,
    ) -> Option<()> {
        let rows = ops::FullyConnected::rows(&context.op.input(0), &context.op.output(0));
        context.banded(&rows, |_, input, output| {
            scalar::fully_connected(self.depth, self.channels, input, accumulation, output);
        })
    }

    fn run_direct<S: Source>(
        &self,
        context: &mut Context<'_, S>,
        accumulation: &Accumulation<'_, i8, Requantization<'_>>,
    ) -> Option<()> {
        let rows = ops::FullyConnected::rows(&context.op.input(0), &context.op.output(0));
        context.banded(&rows, |_, input, output| {
            direct::fully_connected(self.depth, self.channels, input, accumulation, output);
        })
    }
}

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::FullyConnected::read(context.op.attributes());
    let (depth, channels) = (context.op.input(0).shape.innermost(), context.op.output(0).shape.innermost());
    let rows = context.op.output(0).shape.elements().checked_div(channels)?;
    accumulate(context, &attributes.accumulation(), [channels, depth], &FullyConnected { depth, channels, rows })
}
