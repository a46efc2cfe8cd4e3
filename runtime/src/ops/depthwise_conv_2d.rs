//! Evaluation of [`Opcode::DepthwiseConv2d`](bantam_format::Opcode::DepthwiseConv2d).

use super::accumulation::{Accumulate, Packing, accumulate};
use super::conv_2d::{geometry, images};
use super::{APART, Context, LONG_LINES, Linked, OVERWRITES, Source, links_form};
use crate::kernels::direct::Depthwise;
use crate::kernels::scalar::{self, Number};
use crate::kernels::{Accumulation, Convolution, Epilogue, Requantization};
use crate::views::Element;
use bantam_format::ops;
use bantam_format::overlap::RowWindow;

struct DepthwiseConv2d {
    rows: RowWindow,
    geometry: Convolution,
    images: usize,
    /// Whether each channel of the output lies over that of the input: bands of rows cannot do that.
    overwrites: bool,
}

impl Accumulate for DepthwiseConv2d {
    const PACKS: bool = true;

    fn packing(&self) -> Option<Packing> {
        Some(Packing { geometry: self.geometry, images: self.images, depthwise: true, spreads: false })
    }

    fn run<T: Number + Element, E: Epilogue<T::Accumulator, T>, S: Source>(
        &self,
        context: &mut Context<'_, S>,
        accumulation: &Accumulation<'_, T, E>,
    ) -> Option<()> {
        if self.overwrites {
            scalar::depthwise_conv_2d_in_place(&self.geometry, accumulation, context.in_place(0)?);
            return Some(());
        }
        context.banded(&self.rows, |band, input, output| {
            scalar::depthwise_conv_2d(&self.geometry, band, input, accumulation, output);
        })
    }

    fn run_direct<'w, S: Source>(
        &self,
        context: &mut Context<'_, S>,
        accumulation: &Accumulation<'w, i8, Requantization<'w>>,
    ) -> Option<()> {
        let done = Depthwise::<Linked<S>>::new(&self.geometry, accumulation).and_then(|depthwise| {
            if self.overwrites || !links_form(S::NUMBERS, APART) {
                depthwise.in_place(context.in_place(0)?)
            } else {
                context.banded(&self.rows, |band, input, output| depthwise.band(band, input, output))
            }
        });
        if links_form(S::NUMBERS, LONG_LINES) { done.or_else(|| self.run(context, accumulation)) } else { done }
    }
}

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::DepthwiseConv2d::read(context.op.attributes());
    let (input, output) = (context.op.input(0), context.op.output(0));
    let rows = attributes.window.rows(&input, &output);
    let geometry = geometry(&attributes.window, 1, &input, &output, &rows);
    let extent = [geometry.output[2], attributes.window.taps()];
    let images = images(&rows, &output)?;
    let overwrites = links_form(S::NUMBERS, OVERWRITES) && input.location == output.location;
    accumulate(context, &attributes.accumulation, extent, &DepthwiseConv2d { rows, geometry, images, overwrites })
}
