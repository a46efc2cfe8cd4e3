//! Evaluation of [`Opcode::FullyConnected`](bantam_format::Opcode::FullyConnected).

use super::accumulation::{Accumulate, Packing, accumulate};
use super::{Context, Linked, Source};
use crate::kernels::direct::Direct;
use crate::kernels::scalar::{self, Number};
use crate::kernels::{Accumulation, Convolution, Epilogue, Requantization};
use crate::views::Element;
use bantam_format::ops;

struct FullyConnected {
    depth: usize,
    channels: usize,
    rows: usize,
}

impl FullyConnected {
    /// A convolution of 1 x 1 over a column of pixels.
    fn geometry(&self) -> Convolution {
        Convolution::pointwise([self.rows, 1], [self.depth, self.channels])
    }
}

impl Accumulate for FullyConnected {
    const PACKS: bool = true;

    fn packing(&self) -> Option<Packing> {
        Some(Packing { geometry: self.geometry(), images: 1, depthwise: false, spreads: false })
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

    fn run_direct<'w, S: Source>(
        &self,
        context: &mut Context<'_, S>,
        accumulation: &Accumulation<'w, i8, Requantization<'w>>,
    ) -> Option<()> {
        let place = Context::place_of_integers(context.arena, &context.op)?;
        Direct::<Linked<S>>::convolution(&self.geometry(), accumulation).conv_2d(place, 1)
    }
}

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::FullyConnected::read(context.op.attributes());
    let (depth, channels) = (context.op.input(0).shape.innermost(), context.op.output(0).shape.innermost());
    let rows = context.op.output(0).shape.elements().checked_div(channels)?;
    accumulate(context, &attributes.accumulation(), [channels, depth], &FullyConnected { depth, channels, rows })
}
