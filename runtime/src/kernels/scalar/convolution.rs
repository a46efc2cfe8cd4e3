//! Convolutions. Taps in the padding are skipped, which is what a tap on the zero point adds.

use super::{Number, TILE, add_products, biased};
use crate::kernels::weights::{RUN, Weights};
use crate::kernels::{Accumulation, Band, Convolution, Epilogue};
use bantam_format::overlap::LINE_BUFFER_ELEMENTS;

/// Two-dimensional convolution of a band. `input` holds the rows `band.input`, `output` the rows `band.output`;
/// weights are `[output channels, kernel height, kernel width, input channels / groups]`.
pub fn conv_2d<T: Number, E: Epilogue<T::Accumulator, T>>(
    geometry: &Convolution,
    band: &Band,
    input: &[T],
    accumulation: &Accumulation<'_, T, E>,
    output: &mut [T],
) {
    let under_tap = [Convolution::input_row, Convolution::input_column];
    sum_of_taps(geometry, under_tap, band, input, accumulation, output);
}

/// The transpose of a convolution, weights and bands as there: each output element sums the taps that lie on it.
pub fn transpose_conv_2d<T: Number, E: Epilogue<T::Accumulator, T>>(
    geometry: &Convolution,
    band: &Band,
    input: &[T],
    accumulation: &Accumulation<'_, T, E>,
    output: &mut [T],
) {
    let under_tap = [Convolution::spreading_row, Convolution::spreading_column];
    sum_of_taps(geometry, under_tap, band, input, accumulation, output);
}

/// Convolution of each channel by itself. Weights are `[kernel height, kernel width, output channels]`; output
/// channel o reads input channel o / multiplier.
pub fn depthwise_conv_2d<T: Number, E: Epilogue<T::Accumulator, T>>(
    geometry: &Convolution,
    band: &Band,
    input: &[T],
    &Accumulation { zero_point, weights, bias, ref epilogue }: &Accumulation<'_, T, E>,
    output: &mut [T],
) {
    let [_, width, channels] = geometry.input;
    let [_, out_width, out_channels] = geometry.output;
    let multiplier = (out_channels / channels.max(1)).max(1);
    let rows = output.chunks_exact_mut((out_width * out_channels).max(1));
    for (y, row) in band.output.clone().zip(rows) {
        for (x, pixel) in row.chunks_exact_mut(out_channels.max(1)).enumerate() {
            for (tile, outputs) in pixel.chunks_mut(TILE).enumerate() {
                let first = tile * TILE;
                let mut accumulators = biased::<T>(bias, first);
                for tap_y in 0..geometry.kernel[0] {
                    let Some(input_y) = geometry.input_row(y, tap_y) else { continue };
                    let Some(input_y) = input_y.checked_sub(band.input.start) else { continue };
                    for tap_x in 0..geometry.kernel[1] {
                        let Some(input_x) = geometry.input_column(x, tap_x) else { continue };
                        let pixel = input.get((input_y * width + input_x) * channels..).unwrap_or(&[]);
                        let at = (tap_y * geometry.kernel[1] + tap_x) * out_channels + first;
                        let mut buffer = [T::NO_WEIGHT; RUN];
                        let filter = weights.run(at, outputs.len(), &mut buffer);
                        let sums = accumulators.iter_mut().take(outputs.len());
                        for (channel, (accumulator, &weight)) in (first..).zip(sums.zip(filter)) {
                            let Some(value) = pixel.get(channel / multiplier) else { continue };
                            *accumulator = value.multiply_add(*accumulator, zero_point, weight);
                        }
                    }
                }
                epilogue.store(first, &accumulators, outputs);
            }
        }
    }
}

/// The same in place, channel by channel, where input and output have the same shape and strides are 1. What a window
/// reads of its own row and of those above is overwritten by then, so these rows of the channel are set aside.
pub fn depthwise_conv_2d_in_place<T: Number, E: Epilogue<T::Accumulator, T>>(
    geometry: &Convolution,
    &Accumulation { zero_point, weights, bias, ref epilogue }: &Accumulation<'_, T, E>,
    data: &mut [T],
) {
    let [height, width, channels] = geometry.input;
    let kept = geometry.pad[0].saturating_add(1);
    let line_of = |y: usize| y.checked_rem(kept).unwrap_or(0) * width;
    for channel in 0..channels {
        let mut lines = [T::LOWEST; LINE_BUFFER_ELEMENTS];
        let start = bias.get(channel).map_or(T::ZERO, |&bias| T::start(bias));
        for y in 0..height {
            let line = lines.get_mut(line_of(y)..).unwrap_or(&mut []);
            let row = data.get((y * width * channels + channel)..).unwrap_or(&[]).iter().step_by(channels.max(1));
            for (to, &from) in line.iter_mut().take(width).zip(row) {
                *to = from;
            }
            for x in 0..width {
                let mut sum = start;
                for tap_y in 0..geometry.kernel[0] {
                    let Some(input_y) = geometry.input_row(y, tap_y) else { continue };
                    for tap_x in 0..geometry.kernel[1] {
                        let Some(input_x) = geometry.input_column(x, tap_x) else { continue };
                        let value = if input_y <= y {
                            lines.get(line_of(input_y) + input_x)
                        } else {
                            data.get((input_y * width + input_x) * channels + channel)
                        };
                        let weight = weights.at((tap_y * geometry.kernel[1] + tap_x) * channels + channel);
                        let (Some(&value), Some(weight)) = (value, weight) else { continue };
                        sum = value.multiply_add(sum, zero_point, weight);
                    }
                }
                let output = data.get_mut((y * width + x) * channels + channel..).unwrap_or(&mut []);
                epilogue.store(channel, &[sum], output.get_mut(..1).unwrap_or(&mut []));
            }
        }
    }
}

/// The input row or column that an output row or column meets under a tap.
type UnderTap = fn(&Convolution, usize, usize) -> Option<usize>;

#[inline(always)]
fn sum_of_taps<T: Number, E: Epilogue<T::Accumulator, T>>(
    geometry: &Convolution,
    [row_under, column_under]: [UnderTap; 2],
    band: &Band,
    input: &[T],
    &Accumulation { zero_point, weights, bias, ref epilogue }: &Accumulation<'_, T, E>,
    output: &mut [T],
) {
    let [_, width, channels] = geometry.input;
    let [_, out_width, out_channels] = geometry.output;
    let (depth, taps) = (geometry.group_channels(), geometry.taps());
    let group_outputs = (out_channels / geometry.groups.max(1)).max(1);
    let rows = output.chunks_exact_mut((out_width * out_channels).max(1));
    for (y, row) in band.output.clone().zip(rows) {
        for (x, pixel) in row.chunks_exact_mut(out_channels.max(1)).enumerate() {
            for (tile, outputs) in pixel.chunks_mut(TILE).enumerate() {
                let first = tile * TILE;
                let mut accumulators = biased::<T>(bias, first);
                for (offset, accumulator) in accumulators.iter_mut().take(outputs.len()).enumerate() {
                    let channel = first + offset;
                    let first_input = channel / group_outputs * depth;
                    for tap_y in 0..geometry.kernel[0] {
                        let Some(input_y) = row_under(geometry, y, tap_y) else { continue };
                        let Some(input_y) = input_y.checked_sub(band.input.start) else { continue };
                        for tap_x in 0..geometry.kernel[1] {
                            let Some(input_x) = column_under(geometry, x, tap_x) else { continue };
                            let at = (input_y * width + input_x) * channels + first_input;
                            let values = input.get(at..).unwrap_or(&[]);
                            let values = values.get(..depth).unwrap_or(values);
                            let at = channel * taps + (tap_y * geometry.kernel[1] + tap_x) * depth;
                            add_products(accumulator, values, zero_point, weights, at);
                        }
                    }
                }
                epilogue.store(first, &accumulators, outputs);
            }
        }
    }
}
