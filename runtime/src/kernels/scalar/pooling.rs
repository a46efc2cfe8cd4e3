//! Pooling over windows. Positions in the padding are skipped.

use super::{Number, WHOLE};
use crate::kernels::requantize::Average;
use crate::kernels::{Band, Convolution};

/// Channels folded side by side.
const BLOCK: usize = if WHOLE { 64 } else { 16 };

/// Folds the input elements under each window, channel by channel, and stores what `finish` makes of that and of how many
/// positions of the window lie inside the input.
#[inline(always)]
fn fold<T: Number, A: Copy>(
    geometry: &Convolution,
    band: &Band,
    input: &[T],
    start: A,
    add: impl Fn(A, T) -> A,
    finish: impl Fn(A, usize) -> T,
    output: &mut [T],
) {
    let [[_, width, channels], [_, out_width, _]] = [geometry.input, geometry.output];
    for (y, row) in band.output.clone().zip(output.chunks_exact_mut((out_width * channels).max(1))) {
        for (x, pixel) in row.chunks_exact_mut(channels.max(1)).enumerate() {
            for (block, outputs) in pixel.chunks_mut(BLOCK).enumerate() {
                let (mut folded, mut count) = ([start; BLOCK], 0);
                for row in (0..geometry.kernel[0]).filter_map(|tap| geometry.input_row(y, tap)) {
                    let Some(row) = row.checked_sub(band.input.start) else { continue };
                    for column in (0..geometry.kernel[1]).filter_map(|tap| geometry.input_column(x, tap)) {
                        let values = input.get((row * width + column) * channels + block * BLOCK..).unwrap_or(&[]);
                        if WHOLE
                            && outputs.len() == BLOCK
                            && let Some(values) = values.first_chunk::<BLOCK>()
                        {
                            folded.iter_mut().zip(values).for_each(|(folded, &value)| *folded = add(*folded, value));
                        } else {
                            let folded = folded.iter_mut().take(outputs.len());
                            folded.zip(values).for_each(|(folded, &value)| *folded = add(*folded, value));
                        }
                        count += 1;
                    }
                }
                outputs.iter_mut().zip(folded).for_each(|(out, folded)| *out = finish(folded, count));
            }
        }
    }
}

/// Maximum over each window, clamped.
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(always))]
pub fn max_pool_2d<T: Number>(geometry: &Convolution, band: &Band, input: &[T], clamp: [T; 2], output: &mut [T]) {
    let larger = |max: T, value: T| if value.exceeds(max) { value } else { max };
    fold(geometry, band, input, T::LOWEST, larger, |max, _| max.clamp(clamp), output);
}

/// Mean over each window. With `include_pad` the divisor counts the window's positions that lie in the declared
/// padding as well; else only those inside the input.
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), inline(always))]
pub fn average_pool_2d<T: Number, A: Average<T::Accumulator, T> + ?Sized>(
    geometry: &Convolution,
    band: &Band,
    input: &[T],
    zero_point: i32,
    include_pad: bool,
    average: &A,
    output: &mut [T],
) {
    let taps = geometry.kernel[0] * geometry.kernel[1];
    let mean = |sum, count| average.average(sum, if include_pad { taps } else { count });
    fold(geometry, band, input, T::ZERO, |sum, value| value.add(sum, zero_point), mean, output);
}
