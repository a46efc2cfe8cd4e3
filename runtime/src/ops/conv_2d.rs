//! Evaluation of [`Opcode::Conv2d`](bantam_format::Opcode::Conv2d).

use super::accumulation::{Accumulate, Packing, accumulate};
use super::{Context, Linked, Source};
use crate::kernels::direct::Direct;
use crate::kernels::scalar::{self, Number};
use crate::kernels::{Accumulation, Convolution, Epilogue, Requantization};
use crate::views::Element;
use bantam_format::overlap::RowWindow;
use bantam_format::{Tensor, ops};

/// The geometry of windowed ops as their kernels take it, in the rows that bands are made of.
pub(super) fn geometry(
    window: &ops::Window,
    groups: u16,
    input: &Tensor,
    output: &Tensor,
    rows: &RowWindow,
) -> Convolution {
    let image = |tensor: &Tensor, rows: usize| {
        let [_, height, width, channels] = [0, 1, 2, 3].map(|axis| tensor.shape.dimension(axis));
        // Rows of a pointwise op are pixels.
        [rows, if rows == height { width } else { 1 }, channels]
    };
    Convolution {
        kernel: [usize::from(window.kernel_height), usize::from(window.kernel_width)],
        stride: [usize::from(window.stride_height), usize::from(window.stride_width)],
        dilation: [usize::from(window.dilation_height), usize::from(window.dilation_width)],
        pad: [usize::from(window.pad_top), usize::from(window.pad_left)],
        input: image(input, rows.input_rows),
        output: image(output, rows.output_rows),
        groups: usize::from(groups),
    }
}

/// Images one behind the other, each of as many rows as the bands are made of.
pub(super) fn images(rows: &RowWindow, output: &Tensor) -> Option<usize> {
    output.bytes().checked_div(rows.output_rows.checked_mul(rows.output_row_bytes)?)
}

struct Conv2d {
    rows: RowWindow,
    geometry: Convolution,
    images: usize,
}

impl Accumulate for Conv2d {
    const PACKS: bool = true;

    fn packing(&self) -> Option<Packing> {
        Some(Packing { geometry: self.geometry, images: self.images, depthwise: false, spreads: false })
    }

    fn run<T: Number + Element, E: Epilogue<T::Accumulator, T>, S: Source>(
        &self,
        context: &mut Context<'_, S>,
        accumulation: &Accumulation<'_, T, E>,
    ) -> Option<()> {
        context.banded(&self.rows, |band, input, output| {
            scalar::conv_2d(&self.geometry, band, input, accumulation, output);
        })
    }

    fn run_direct<'w, S: Source>(
        &self,
        context: &mut Context<'_, S>,
        accumulation: &Accumulation<'w, i8, Requantization<'w>>,
    ) -> Option<()> {
        let place = Context::place_of_integers(context.arena, &context.op)?;
        Direct::<Linked<S>>::convolution(&self.geometry, accumulation).conv_2d(place, self.images)
    }
}

pub(super) fn eval<S: Source>(context: &mut Context<'_, S>) -> Option<()> {
    let attributes = ops::Conv2d::read(context.op.attributes());
    let (input, output) = (context.op.input(0), context.op.output(0));
    let rows = attributes.window.rows(&input, &output);
    let geometry = geometry(&attributes.window, attributes.groups, &input, &output, &rows);
    let extent = [geometry.output[2], geometry.taps()];
    let images = images(&rows, &output)?;
    accumulate(context, &attributes.accumulation, extent, &Conv2d { rows, geometry, images })
}
