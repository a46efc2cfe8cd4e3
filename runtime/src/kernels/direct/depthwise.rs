//! Depthwise convolutions, four channels at a time.

use super::Inside;
#[cfg(bantam_dsp)]
use crate::kernels::arch::thumb;
use crate::kernels::{Accumulation, Band, Convolution, Epilogue, Requantization};

/// Channels summed at a time.
const BLOCK: usize = 4;

/// Convolution of each channel by itself, as [`depthwise_conv_2d`](crate::kernels::scalar::depthwise_conv_2d) does it.
#[inline(never)]
pub fn depthwise_conv_2d(
    geometry: &Convolution,
    band: &Band,
    input: &[i8],
    &Accumulation { zero_point, weights, bias, ref epilogue }: &Accumulation<'_, i8, Requantization<'_>>,
    output: &mut [i8],
) {
    let [_, width, channels] = geometry.input;
    let [_, out_width, out_channels] = geometry.output;
    let multiplier = out_channels.checked_div(channels).unwrap_or(1).max(1);
    let row_elements = out_width.saturating_mul(out_channels).max(1);
    for (y, row) in band.output.clone().zip(output.chunks_exact_mut(row_elements)) {
        let tall = Inside::rows(geometry, y);
        let Some(first) = tall.position.checked_sub(band.input.start).or((tall.taps == 0).then_some(0)) else { return };
        for (x, pixel) in row.chunks_exact_mut(out_channels.max(1)).enumerate() {
            let wide = Inside::columns(geometry, x);
            let at = first.wrapping_mul(width).wrapping_add(wide.position).wrapping_mul(channels);
            let tap = tall.tap.wrapping_mul(geometry.kernel[1]).wrapping_add(wide.tap);
            let taps = Taps {
                counts: [tall.taps, wide.taps],
                value_steps: [
                    width.wrapping_mul(channels).wrapping_mul(geometry.dilation[0]),
                    channels.wrapping_mul(geometry.dilation[1]),
                ],
                weight_steps: [out_channels.wrapping_mul(geometry.kernel[1]), out_channels],
            };
            #[cfg(bantam_dsp)]
            let grid = if multiplier == 1 { thumb::Grid::new(&taps, zero_point) } else { None };
            for (block, outputs) in pixel.chunks_mut(BLOCK).enumerate() {
                let channel = block.wrapping_mul(BLOCK);
                let mut sums = [0; BLOCK];
                for (sum, bias) in sums.iter_mut().zip(bias.get(channel..).unwrap_or(&[])) {
                    *sum = *bias;
                }
                let filter = weights.get(tap.wrapping_mul(out_channels).wrapping_add(channel)..).unwrap_or(&[]);
                if multiplier == 1 {
                    let values = input.get(at.wrapping_add(channel)..).unwrap_or(&[]);
                    #[cfg(bantam_dsp)]
                    if let Some(grid) = &grid
                        && outputs.len() == BLOCK
                        && grid.add(values, filter, &mut sums)
                    {
                        epilogue.store(channel, &sums, outputs);
                        continue;
                    }
                    taps.sum(&mut sums, values, filter, outputs.len(), zero_point);
                } else {
                    for (offset, sum) in sums.iter_mut().take(outputs.len()).enumerate() {
                        let source = channel.wrapping_add(offset).checked_div(multiplier).unwrap_or(0);
                        let values = input.get(at.wrapping_add(source)..).unwrap_or(&[]);
                        taps.sum_one(sum, values, filter.get(offset..).unwrap_or(&[]), zero_point);
                    }
                }
                epilogue.store(channel, &sums, outputs);
            }
        }
    }
}

/// Taps inside the input: pairs are rows, then columns.
#[derive(Clone, Copy, Debug)]
pub struct Taps {
    /// How many.
    pub counts: [usize; 2],
    /// From one to the next in the values.
    pub value_steps: [usize; 2],
    /// From one to the next in the weights.
    pub weight_steps: [usize; 2],
}

impl Taps {
    /// Adds up `count` neighbouring channels.
    fn sum(&self, sums: &mut [i32; BLOCK], values: &[i8], weights: &[i8], count: usize, zero_point: i32) {
        for row in 0..self.counts[0] {
            for column in 0..self.counts[1] {
                let at =
                    |[rows, columns]: [usize; 2]| row.wrapping_mul(rows).wrapping_add(column.wrapping_mul(columns));
                let values = values.get(at(self.value_steps)..).unwrap_or(&[]);
                let weights = weights.get(at(self.weight_steps)..).unwrap_or(&[]);
                for ((sum, &value), &weight) in sums.iter_mut().zip(values).zip(weights).take(count) {
                    *sum = multiply_add(*sum, value, zero_point, weight);
                }
            }
        }
    }

    /// Adds up one channel.
    fn sum_one(&self, sum: &mut i32, values: &[i8], weights: &[i8], zero_point: i32) {
        for row in 0..self.counts[0] {
            let values = values.get(row.wrapping_mul(self.value_steps[0])..).unwrap_or(&[]);
            let weights = weights.get(row.wrapping_mul(self.weight_steps[0])..).unwrap_or(&[]);
            let values = values.iter().step_by(self.value_steps[1].max(1));
            let weights = weights.iter().step_by(self.weight_steps[1].max(1));
            for (&value, &weight) in values.zip(weights).take(self.counts[1]) {
                *sum = multiply_add(*sum, value, zero_point, weight);
            }
        }
    }
}

fn multiply_add(sum: i32, value: i8, zero_point: i32, weight: i8) -> i32 {
    sum.wrapping_add(i32::from(value).wrapping_sub(zero_point).wrapping_mul(weight.into()))
}
