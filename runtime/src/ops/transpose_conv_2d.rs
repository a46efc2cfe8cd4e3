//! Evaluation of [`Opcode::TransposeConv2d`](bantam_format::Opcode::TransposeConv2d).

use super::accumulation::{Accumulate, Packing, accumulate};
use super::conv_2d::{geometry, images};
use super::{Context, Source};
use crate::kernels::scalar::{self, Number};
use crate::kernels::{Accumulation, Convolution, Epilogue};
use crate::views::Element;
use bantam_format::ops;
use bantam_format::overlap::RowWindow;

struct TransposeConv2d {
    rows: RowWindow,
    geometry: Convolution,
    images: usize,
}

impl Accumulate for TransposeConv2d {
    const PACKS: bool = true;

    fn packing(&self) -> Option<Packing> {
        Some(Packing { geometry: self.geometry, images: self.images, depthwise: false, spreads: true })
    }

    fn run<T: Number + Element, E: Epilogue<T::Accumulator, T>, S: Source>(
        &self,
        context: &mut Context<'_, S>,
        accumulation: &Accumulation<'_, T, E>,
    ) -> Option<()> {
        context.banded(&self.rows, |band, input, output| {
            scalar::transpose_conv_2d(&self.geometry, band, input, accumulation, output);
        })
    }
}

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::Conv2d::read(context.op.attributes());
    let (input, output) = (context.op.input(0), context.op.output(0));
    let rows = attributes.window.spreading_rows(&input, &output);
    let geometry = geometry(&attributes.window, attributes.groups, &input, &output, &rows);
    let extent = [geometry.output[2], geometry.taps()];
    let images = images(&rows, &output)?;
    accumulate(context, &attributes.accumulation, extent, &TransposeConv2d { rows, geometry, images })
}
