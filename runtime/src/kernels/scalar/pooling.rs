//! Pooling over windows. Positions in the padding are skipped.

use super::Number;
use crate::kernels::requantize::Average;
use crate::kernels::{Band, Convolution};

/// Visits the input elements under the window of output `(y, x, channel)`.
fn window<'i, T: Number>(
    geometry: &'i Convolution,
    band: &'i Band,
    input: &'i [T],
    [y, x, channel]: [usize; 3],
) -> impl Iterator<Item = T> + 'i {
    let [_, width, channels] = geometry.input;
    let rows = (0..geometry.kernel[0]).filter_map(move |tap| geometry.input_row(y, tap));
    rows.filter_map(|row| row.checked_sub(band.input.start)).flat_map(move |row| {
        let columns = (0..geometry.kernel[1]).filter_map(move |tap| geometry.input_column(x, tap));
        columns.filter_map(move |column| input.get((row * width + column) * channels + channel).copied())
    })
}

/// Calls `compute` for every output of a band with its `[row, column, channel]`.
fn outputs<T>(geometry: &Convolution, band: &Band, output: &mut [T], mut compute: impl FnMut([usize; 3]) -> T) {
    let [_, width, channels] = geometry.output;
    let rows = output.chunks_exact_mut((width * channels).max(1));
    for (y, row) in band.output.clone().zip(rows) {
        for (x, pixel) in row.chunks_exact_mut(channels.max(1)).enumerate() {
            for (channel, out) in pixel.iter_mut().enumerate() {
                *out = compute([y, x, channel]);
            }
        }
    }
}

/// Maximum over each window, clamped.
pub fn max_pool_2d<T: Number>(geometry: &Convolution, band: &Band, input: &[T], clamp: [T; 2], output: &mut [T]) {
    outputs(geometry, band, output, |at| {
        let values = window(geometry, band, input, at);
        values.fold(T::LOWEST, |max, value| if value.exceeds(max) { value } else { max }).clamp(clamp)
    });
}

/// Mean over each window. With `include_pad` the divisor counts the window's positions that lie in the declared
/// padding as well; else only those inside the input.
pub fn average_pool_2d<T: Number, A: Average<T::Accumulator, T>>(
    geometry: &Convolution,
    band: &Band,
    input: &[T],
    zero_point: i32,
    include_pad: bool,
    average: &A,
    output: &mut [T],
) {
    outputs(geometry, band, output, |at| {
        let values = window(geometry, band, input, at);
        let (sum, count) = values.fold((T::ZERO, 0), |(sum, count), value| (value.add(sum, zero_point), count + 1));
        average.average(sum, if include_pad { geometry.kernel[0] * geometry.kernel[1] } else { count })
    });
}
